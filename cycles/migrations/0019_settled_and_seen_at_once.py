"""Settle a call, and hand its cycle back or see where it stands, by one statement; claim and see likewise."""

from django.db import migrations

from cycles.sql import read


class Migration(migrations.Migration):
    dependencies = [("cycles", "0018_schedules_by_the_servers_clock")]

    operations = [
        # The versions before stay: workers of the release before call them while this one's come.
        migrations.RunSQL(read("standing_v3"), "DROP FUNCTION kimp_standing_v3(uuid)"),
        migrations.RunSQL(
            read("settle_v2"),
            "DROP FUNCTION kimp_settle_v2(jsonb, integer, boolean); DROP FUNCTION kimp_lines_v2(jsonb)",
        ),
    ]
