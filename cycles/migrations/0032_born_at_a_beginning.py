"""Let no cycle begin in the middle.

Workers of the release before bear it: their code never began one elsewhere.
"""

from django.db import migrations

from cycles.sql import read

UNDO = "DROP TRIGGER born ON cycles_cycle; DROP FUNCTION kimp_cycle_is_born();"


class Migration(migrations.Migration):
    dependencies = [("cycles", "0031_missed_once")]

    operations = [migrations.RunSQL(read("born"), UNDO)]
