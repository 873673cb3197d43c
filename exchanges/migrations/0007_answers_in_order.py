"""Of what each venue told, which answer is kept: an older one that somebody still has in hand is not."""

from django.db import migrations, models
from django.db.models import UniqueConstraint


class Migration(migrations.Migration):
    dependencies = [("exchanges", "0006_long_names")]

    operations = [
        migrations.CreateModel(
            name="KeptAnswer",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("venue", models.CharField(max_length=16, verbose_name="venue")),
                ("subject", models.CharField(max_length=80, verbose_name="of what")),
                ("question", models.BigIntegerField(verbose_name="number of its question")),
                ("kept", models.BigIntegerField(verbose_name="number of when it was kept")),
            ],
            options={
                "verbose_name": "kept answer",
                "verbose_name_plural": "kept answers",
                "ordering": ["venue", "subject"],
                "constraints": [
                    UniqueConstraint(fields=("venue", "subject"), name="kept_answer_once")
                ],
            },
        ),
    ]
