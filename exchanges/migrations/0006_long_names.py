"""A user's name may have 150 characters, and who decided is kept whole. No table is rewritten."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("exchanges", "0005_a_call_keeps_its_place")]

    operations = [
        migrations.AlterField(
            "assetidentity",
            "decided_by",
            models.CharField(blank=True, default="", max_length=150, verbose_name="decided by"),
        ),
    ]
