"""Where a run of pruning begins: what runs before it have deleted leaves entries that it would read again."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("cycles", "0040_broken_off")]

    operations = [
        migrations.AddField("rollupmark", "hours_since", models.DateTimeField(null=True)),
        migrations.AddField("rollupmark", "samples_looked_to", models.BigIntegerField(null=True)),
        migrations.AddField("rollupmark", "minutes_looked_to", models.BigIntegerField(null=True)),
        migrations.AddField("rollupmark", "hours_looked_to", models.BigIntegerField(null=True)),
    ]
