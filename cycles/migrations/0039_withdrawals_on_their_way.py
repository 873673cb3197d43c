"""Find the withdrawals that are on their way still by an index of their own, however many there ever were."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """Built beside the desk's work; a withdrawal has an entry until it has arrived."""

    atomic = False

    dependencies = [("cycles", "0038_ended_totals")]

    operations = [
        AddIndexConcurrently(
            model_name="exchangecall",
            index=models.Index(
                models.F("venue"),
                name="call_on_its_way",
                condition=models.Q(operation="WITHDRAW", outcome="DONE", report__status="pending"),
            ),
        ),
    ]
