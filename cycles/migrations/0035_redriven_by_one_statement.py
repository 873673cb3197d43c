"""Move the dead letters of a batch by a function that keeps its plans.

Code of the release before sends its own statements, and goes on.
"""

from django.db import migrations

from cycles.sql import read

UNDO = "DROP FUNCTION kimp_redrive_v1(uuid[], integer[], jsonb, interval, interval)"


class Migration(migrations.Migration):
    dependencies = [("cycles", "0033_retries_by_their_hour")]

    operations = [migrations.RunSQL(read("redrive"), UNDO)]
