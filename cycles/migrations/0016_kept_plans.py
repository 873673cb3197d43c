"""Keep the plans of a durable step's statements, and read where a cycle stands by one that keeps its plan too."""

from django.db import migrations

from cycles.sql import read

RESET = """
ALTER FUNCTION kimp_release_v1(jsonb, integer, boolean) RESET plan_cache_mode;
ALTER FUNCTION kimp_settle_v1(jsonb, boolean) RESET plan_cache_mode;
ALTER FUNCTION kimp_intend_v1(bigint, jsonb, boolean) RESET plan_cache_mode;
"""


class Migration(migrations.Migration):
    dependencies = [("cycles", "0015_durable_step")]

    operations = [
        # As 0015 has it today: a database that has applied an earlier 0015 lacks a guard.
        migrations.RunSQL(read("lock_cycles"), migrations.RunSQL.noop),
        migrations.RunSQL(read("kept_plans"), RESET),
        migrations.RunSQL(read("standing"), "DROP FUNCTION kimp_standing_v1(uuid)"),
    ]
