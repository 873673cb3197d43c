"""Keep when a venue refused a withdrawal for a closed wallet, whatever its status said."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """A nullable column: the release before does not mind it."""

    dependencies = [("exchanges", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="networkrule",
            name="refused_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="refused at"),
        ),
    ]
