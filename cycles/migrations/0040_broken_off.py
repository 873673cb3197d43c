"""Home is also a server that has not broken off since: a base backup or a snapshot looks like one that has."""

from django.db import migrations, models
from django.db.models.functions import Now

from cycles.sql import read

UNDO = """
UPDATE cycles_desk SET home = left(home, -13) WHERE home = kimp_home();
CREATE OR REPLACE FUNCTION kimp_desk_begins_at_home() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.home = '' THEN
        NEW.home := kimp_home();
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE FUNCTION kimp_home() RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT concat_ws('-', (pg_control_system()).system_identifier,
        left(pg_walfile_name(pg_current_wal_lsn()), 8),
        (SELECT oid FROM pg_database WHERE datname = current_database()),
        'cycles_exchangecall'::regclass::oid)
$$;
DROP FUNCTION kimp_make_whole(), kimp_settle_home();
DROP TABLE kimp_unbroken, kimp_seen;
"""
UNSETTLED = "DROP TRIGGER settles ON cycles_desk; DROP FUNCTION kimp_desk_settles();"


class Migration(migrations.Migration):
    """Workers of the release before go on; after such a break they halt the desk, until one of this release has seen it."""

    dependencies = [("cycles", "0039_withdrawals_on_their_way")]

    operations = [
        migrations.RunSQL(read("unbroken"), UNDO),
        migrations.AddField(
            "desk", "home_settled_at", models.DateTimeField(db_default=Now(), editable=False)
        ),
        migrations.RunSQL(read("settles"), UNSETTLED),
    ]
