"""A user's name may have 150 characters, and who acted is kept whole. No table is rewritten."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("cycles", "0021_moves_by_index")]

    operations = [
        migrations.AlterField("intervention", "actor", models.CharField(max_length=150, verbose_name="actor")),
        migrations.AlterField("transition", "actor", models.CharField(max_length=150, verbose_name="actor")),
        migrations.AlterField(
            "policyversion", "created_by", models.CharField(max_length=150, verbose_name="created by")
        ),
        migrations.AlterField(
            "desk",
            "mode_changed_by",
            models.CharField(blank=True, default="", max_length=150, verbose_name="changed by"),
        ),
    ]
