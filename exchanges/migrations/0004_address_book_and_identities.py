"""The address book gets a life of its own, the registry of assets begins, rules say more and keep history."""

import django.db.models.deletion
import exchanges.models.addresses
from django.apps.registry import Apps
from django.db import migrations, models
from django.utils import timezone

OLDER = "older than the address book"


def begin_anew(apps: Apps, schema_editor: object) -> None:
    """Make every address a proposal: what one allow-list confirmed so far, two people confirm from now on.

    Of several for one venue, asset and network only the newest may live.
    """
    Address = apps.get_model("exchanges", "RegisteredAddress")
    seen = set()
    for row in Address.objects.order_by("-fetched_at", "-pk"):
        row.code = exchanges.models.addresses.new_code()
        row.proposed_at, row.confirmed_at = row.fetched_at, None
        place = (row.venue, row.asset, row.network)
        if place in seen:
            row.state, row.retired_at, row.retired_because = "RETIRED", timezone.now(), OLDER
        seen.add(place)
        row.save()


class Migration(migrations.Migration):

    dependencies = [
        ('exchanges', '0003_rate_windows_and_clocks'),
    ]

    operations = [
        migrations.CreateModel(
            name='AllowedDestination',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('sender', models.CharField(max_length=16, verbose_name='sending venue')),
                ('fetched_at', models.DateTimeField(verbose_name='fetched at')),
            ],
            options={
                'verbose_name': 'allowed destination',
                'verbose_name_plural': 'allowed destinations',
            },
        ),
        migrations.CreateModel(
            name='AssetIdentity',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('venue', models.CharField(max_length=16, verbose_name='venue')),
                ('venue_symbol', models.CharField(max_length=24, verbose_name="venue's symbol")),
                ('venue_network', models.CharField(max_length=32, verbose_name="venue's network")),
                ('title', models.CharField(blank=True, max_length=80, verbose_name="venue's name of the asset")),
                ('network_title', models.CharField(blank=True, max_length=80, verbose_name="venue's name of the network")),
                ('told_contract', models.CharField(blank=True, max_length=128, null=True, verbose_name='contract, as the venue tells it')),
                ('asset', models.CharField(blank=True, default='', max_length=16, verbose_name='asset')),
                ('network', models.CharField(blank=True, default='', max_length=32, verbose_name='chain')),
                ('contract', models.CharField(blank=True, default='', max_length=128, verbose_name='contract')),
                ('decimals', models.PositiveSmallIntegerField(blank=True, null=True, verbose_name='decimals')),
                ('state', models.CharField(choices=[('PROVEN', 'proven'), ('UNPROVEN', 'unproven'), ('BLOCKED', 'blocked')], default='UNPROVEN', max_length=12, verbose_name='state')),
                ('decided_by', models.CharField(blank=True, default='', max_length=80, verbose_name='decided by')),
                ('because', models.CharField(blank=True, default='', max_length=400, verbose_name='because')),
                ('decided_at', models.DateTimeField(verbose_name='decided')),
                ('version', models.PositiveIntegerField(default=1, verbose_name='version')),
                ('first_seen_at', models.DateTimeField(verbose_name='first seen')),
                ('fetched_at', models.DateTimeField(verbose_name='fetched at')),
            ],
            options={
                'verbose_name': 'asset identity',
                'verbose_name_plural': 'asset identities',
                'ordering': ['venue', 'venue_symbol', 'venue_network'],
                'permissions': [('prove_assetidentity', "Can prove what a venue's symbol is"), ('block_assetidentity', "Can block a venue's symbol")],
            },
        ),
        migrations.CreateModel(
            name='RuleChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('venue', models.CharField(max_length=16, verbose_name='venue')),
                ('subject', models.CharField(max_length=64, verbose_name='of what')),
                ('rule', models.CharField(max_length=32, verbose_name='rule')),
                ('before', models.CharField(blank=True, max_length=400, verbose_name='before')),
                ('after', models.CharField(blank=True, max_length=400, verbose_name='after')),
                ('noticed_at', models.DateTimeField(verbose_name='noticed')),
            ],
            options={
                'verbose_name': 'rule change',
                'verbose_name_plural': 'rule changes',
                'ordering': ['-id'],
            },
        ),
        migrations.AlterModelOptions(
            name='registeredaddress',
            options={'ordering': ['venue', 'asset', 'network'], 'permissions': [('confirm_registeredaddress', 'Can confirm a deposit address of ours'), ('retire_registeredaddress', 'Can retire a deposit address of ours')], 'verbose_name': 'registered address', 'verbose_name_plural': 'registered addresses'},
        ),
        migrations.RemoveConstraint(
            model_name='registeredaddress',
            name='registered_address_once',
        ),
        migrations.AddField(
            model_name='marketrule',
            name='maximum_notional',
            field=models.DecimalField(decimal_places=18, max_digits=38, null=True, verbose_name='maximum notional'),
        ),
        migrations.AddField(
            model_name='marketrule',
            name='maximum_quantity',
            field=models.DecimalField(decimal_places=18, max_digits=38, null=True, verbose_name='maximum quantity'),
        ),
        migrations.AddField(
            model_name='networkrule',
            name='deposit_minimum',
            field=models.DecimalField(decimal_places=18, max_digits=38, null=True, verbose_name='deposit minimum'),
        ),
        migrations.AddField(
            model_name='networkrule',
            name='unlock_confirmations',
            field=models.PositiveIntegerField(null=True, verbose_name='confirmations to unlock'),
        ),
        migrations.AddField(
            model_name='networkrule',
            name='withdraw_maximum',
            field=models.DecimalField(decimal_places=18, max_digits=38, null=True, verbose_name='withdrawal maximum'),
        ),
        migrations.AddField(
            model_name='registeredaddress',
            name='code',
            field=models.CharField(default='', editable=False, max_length=16, verbose_name='code'),
        ),
        migrations.AddField(
            model_name='registeredaddress',
            name='proposed_at',
            field=models.DateTimeField(null=True, verbose_name='proposed'),
        ),
        migrations.AddField(
            model_name='registeredaddress',
            name='retired_at',
            field=models.DateTimeField(blank=True, null=True, verbose_name='retired'),
        ),
        migrations.AddField(
            model_name='registeredaddress',
            name='retired_because',
            field=models.CharField(blank=True, default='', max_length=200, verbose_name='retired because'),
        ),
        migrations.AddField(
            model_name='registeredaddress',
            name='state',
            field=models.CharField(choices=[('PROPOSED', 'proposed'), ('CONFIRMED', 'confirmed'), ('RETIRED', 'retired')], default='PROPOSED', max_length=12, verbose_name='state'),
        ),
        migrations.AddField(
            model_name='registeredaddress',
            name='version',
            field=models.PositiveIntegerField(default=1, verbose_name='version'),
        ),
        migrations.AlterField(
            model_name='networkrule',
            name='confirmations',
            field=models.PositiveIntegerField(null=True, verbose_name='confirmations to a credit'),
        ),
        migrations.AlterField(
            model_name='registeredaddress',
            name='confirmed_at',
            field=models.DateTimeField(blank=True, null=True, verbose_name='confirmed'),
        ),
        migrations.RunPython(begin_anew, migrations.RunPython.noop),
        migrations.AlterField(
            model_name='registeredaddress',
            name='code',
            field=models.CharField(default=exchanges.models.addresses.new_code, editable=False, max_length=16, unique=True, verbose_name='code'),
        ),
        migrations.AlterField(
            model_name='registeredaddress',
            name='proposed_at',
            field=models.DateTimeField(verbose_name='proposed'),
        ),
        migrations.AddConstraint(
            model_name='registeredaddress',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'RETIRED'), _negated=True), fields=('venue', 'asset', 'network'), name='registered_address_one_live'),
        ),
        migrations.AddConstraint(
            model_name='registeredaddress',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['PROPOSED', 'CONFIRMED', 'RETIRED'])), name='registered_address_state_known'),
        ),
        migrations.AddConstraint(
            model_name='registeredaddress',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state', 'CONFIRMED'), _negated=True), ('confirmed_at__isnull', False), _connector='OR'), name='registered_address_confirmed_when'),
        ),
        migrations.AddConstraint(
            model_name='registeredaddress',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('retired_at__isnull', False), ('state', 'RETIRED')), models.Q(models.Q(('state', 'RETIRED'), _negated=True), ('retired_at__isnull', True)), _connector='OR'), name='registered_address_retired_when'),
        ),
        migrations.AddField(
            model_name='alloweddestination',
            name='address',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='allowances', to='exchanges.registeredaddress', verbose_name='address'),
        ),
        migrations.AddConstraint(
            model_name='assetidentity',
            constraint=models.UniqueConstraint(fields=('venue', 'venue_symbol', 'venue_network'), name='asset_identity_once'),
        ),
        migrations.AddConstraint(
            model_name='assetidentity',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'PROVEN')), fields=('venue', 'asset', 'network'), name='asset_identity_one_name'),
        ),
        migrations.AddConstraint(
            model_name='assetidentity',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['PROVEN', 'UNPROVEN', 'BLOCKED'])), name='asset_identity_state_known'),
        ),
        migrations.AddConstraint(
            model_name='assetidentity',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state', 'PROVEN'), _negated=True), models.Q(models.Q(('asset', ''), _negated=True), models.Q(('network', ''), _negated=True), ('decimals__isnull', False), models.Q(('decided_by', ''), _negated=True)), _connector='OR'), name='asset_identity_proof_is_whole'),
        ),
        migrations.AddConstraint(
            model_name='assetidentity',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state', 'PROVEN'), _negated=True), ('told_contract__isnull', True), ('told_contract', models.F('contract')), _connector='OR'), name='asset_identity_contract_as_told'),
        ),
        migrations.AddIndex(
            model_name='rulechange',
            index=models.Index(fields=['venue', 'subject'], name='rule_change_subject'),
        ),
        migrations.AddConstraint(
            model_name='alloweddestination',
            constraint=models.UniqueConstraint(fields=('address', 'sender'), name='allowed_destination_once'),
        ),
    ]
