"""Put the statements of a durable step in place; a next version of one is a migration of its own."""

from django.db import migrations

from cycles.sql import read

DROPPED = """
DROP FUNCTION kimp_release_v1(jsonb, integer, boolean);
DROP FUNCTION kimp_settle_v1(jsonb, boolean);
DROP FUNCTION kimp_intend_v1(bigint, jsonb, boolean);
DROP FUNCTION kimp_lines_v1(jsonb);
DROP FUNCTION kimp_account_v1(text, text, text, uuid);
DROP FUNCTION kimp_lock_cycles(uuid[], boolean);
"""


class Migration(migrations.Migration):
    dependencies = [("cycles", "0014_roll_ups_are_seen")]

    operations = [migrations.RunSQL(read("lock_cycles") + read("durable_step"), DROPPED)]
