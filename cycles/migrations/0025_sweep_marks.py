"""A table for where each sweep stopped: the next run goes on behind it, so that nothing waits for ever."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("cycles", "0024_search_indexes")]

    operations = [
        migrations.CreateModel(
            name="SweepMark",
            fields=[
                (
                    "sweep",
                    models.CharField(max_length=48, primary_key=True, serialize=False, verbose_name="sweep"),
                ),
                ("last", models.CharField(max_length=48, verbose_name="last looked at")),
            ],
            options={"verbose_name": "sweep mark", "verbose_name_plural": "sweep marks"},
        ),
    ]
