"""Find the retries that are due by an index that no statistics of a large table make look dear."""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """Built beside the desk's work, and before the old one goes; the old code's sweep finds them by what is open."""

    atomic = False

    dependencies = [("cycles", "0032_born_at_a_beginning")]

    operations = [
        AddIndexConcurrently(
            model_name="cycle",
            index=models.Index(
                models.F("wake_at"),
                condition=models.Q(("next_retry_at__isnull", False)),
                name="cycle_retry_due",
            ),
        ),
        RemoveIndexConcurrently(model_name="cycle", name="cycle_retries"),
    ]
