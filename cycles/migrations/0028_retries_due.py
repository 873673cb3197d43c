"""Find the retries that are due by an index of their own: one plan, however many other cycles are open."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """Built beside the desk's work; a cycle has an entry only while it waits to be retried."""

    atomic = False

    dependencies = [("cycles", "0027_journal_searches")]

    operations = [
        AddIndexConcurrently(
            model_name="cycle",
            index=models.Index(
                models.F("wake_at"),
                condition=models.Q(("status", "RETRY_PENDING")),
                name="cycle_retries",
            ),
        ),
    ]
