"""Bound when a scheduled job runs next by the server's clock: a host's that ran ahead put all of them off."""

from django.apps import apps
from django.db import migrations

from cycles.sql import read

REMOVE = """
DROP TRIGGER due_in_time ON django_q_schedule;
DROP FUNCTION kimp_schedule_is_due_in_time();
"""
# What has been put off already is due again: the trigger sees to it.
MEND = "UPDATE django_q_schedule SET next_run = next_run WHERE name LIKE 'kimp:%'"
# Roles that have no queue know nothing of its migrations; whoever migrates does (`COMMAND_ROLES`).
QUEUE = [("django_q", "0018_task_success_index")] if apps.is_installed("django_q") else []


class Migration(migrations.Migration):
    dependencies = [("cycles", "0017_standing_by_columns"), *QUEUE]

    operations = [
        migrations.RunSQL(read("schedules"), REMOVE),
        migrations.RunSQL(MEND, migrations.RunSQL.noop),
    ]
