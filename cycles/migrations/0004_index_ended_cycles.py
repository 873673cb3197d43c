"""Find the cycles that ended today without reading all that ever ended."""

import django.db.models
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):
    """Built beside the desk's work: a table that has grown is not locked for it."""

    atomic = False

    dependencies = [("cycles", "0003_groups")]

    operations = [
        AddIndexConcurrently(
            model_name="cycle",
            index=django.db.models.Index(
                django.db.models.F("ended_at"),
                condition=django.db.models.Q(("ended_at__isnull", False)),
                name="cycle_ended",
            ),
        ),
    ]
