"""Find rows of the journal by the request or trace they were written under, and acts by who did them."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


def by(model: str, column: str, name: str) -> AddIndexConcurrently:
    """Index what has such an id; most rows of a worker have neither request nor trace."""
    given = models.Q((column, ""), _negated=True)
    index = models.Index(models.F(column), condition=given, name=name)
    return AddIndexConcurrently(model_name=model, index=index)


class Migration(migrations.Migration):
    """Built beside the desk's work."""

    atomic = False

    dependencies = [("cycles", "0026_sweep_marks_are_shown")]

    operations = [
        by("exchangecall", "request_id", "call_by_request"),
        by("exchangecall", "trace_id", "call_by_trace"),
        by("transition", "request_id", "transition_by_request"),
        by("transition", "trace_id", "transition_by_trace"),
        by("intervention", "request_id", "intervention_by_request"),
        by("intervention", "actor", "intervention_by_actor"),
    ]
