"""Drop the indexes that no statement reads, or that another one begins with: each cost an entry a row."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

UNREAD = {
    "cycles_cycle_assignee_id_02e8f4cd": "cycles_cycle (assignee_id)",
    "cycles_cycle_policy_id_09539f0a": "cycles_cycle (policy_id)",
    "cycles_exchangecall_client_order_id_816a0008_like": "cycles_exchangecall (client_order_id varchar_pattern_ops)",
    "cycles_exchangecall_destination_id_04a350ce": "cycles_exchangecall (destination_id)",
    "cycles_posting_step_id_2df16266": "cycles_posting (step_id)",
}
BEGINS_ANOTHER = {
    "cycles_exchangecall_step_id_4042889c": "cycles_exchangecall (step_id)",  # call_attempt_once
    "cycles_step_cycle_id_0e00d1bf": "cycles_step (cycle_id)",  # step_position_once
    "cycles_transition_cycle_id_b473473e": "cycles_transition (cycle_id)",  # transition_version_once
}

DROPPED = [
    migrations.RunSQL(
        f"DROP INDEX CONCURRENTLY IF EXISTS {name}",
        f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {of}",
    )
    for name, of in (UNREAD | BEGINS_ANOTHER).items()
]

# The constraint is the one that the column had, under the name that PostgreSQL gave it.
STATE = [
    migrations.AlterField(
        model_name='cycle',
        name='assignee',
        field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='assignee'),
    ),
    migrations.AlterField(
        model_name='cycle',
        name='policy',
        field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='cycles', to='cycles.policyversion', verbose_name='policy'),
    ),
    migrations.AlterField(
        model_name='exchangecall',
        name='client_order_id',
        field=models.CharField(max_length=32, verbose_name='client order id'),
    ),
    migrations.AlterField(
        model_name='exchangecall',
        name='destination',
        field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='exchanges.registeredaddress', verbose_name='destination'),
    ),
    migrations.AlterField(
        model_name='exchangecall',
        name='step',
        field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='calls', to='cycles.step', verbose_name='step'),
    ),
    migrations.AlterField(
        model_name='posting',
        name='step',
        field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='postings', to='cycles.step', verbose_name='step'),
    ),
    migrations.AlterField(
        model_name='step',
        name='cycle',
        field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='steps', to='cycles.cycle', verbose_name='cycle'),
    ),
    migrations.AlterField(
        model_name='transition',
        name='cycle',
        field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='transitions', to='cycles.cycle', verbose_name='cycle'),
    ),
    migrations.AddConstraint(
        model_name='exchangecall',
        constraint=models.UniqueConstraint(fields=('client_order_id',), name='cycles_exchangecall_client_order_id_key'),
    ),
]


class Migration(migrations.Migration):
    """Dropped beside the desk's work; what the fields say changes in the state alone."""

    atomic = False

    dependencies = [
        ("cycles", "0028_retries_due"),
        ("exchanges", "0006_long_names"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [*DROPPED, migrations.SeparateDatabaseAndState(state_operations=STATE)]
