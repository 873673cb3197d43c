"""Read where a cycle stands column by column: taking rows apart by name cost more than reading them."""

from django.db import migrations

from cycles.sql import read


class Migration(migrations.Migration):
    dependencies = [("cycles", "0016_kept_plans")]

    operations = [
        # Version 1 stays: workers of the release before call it while this one's come.
        migrations.RunSQL(read("standing_v2"), "DROP FUNCTION kimp_standing_v2(uuid)"),
    ]
