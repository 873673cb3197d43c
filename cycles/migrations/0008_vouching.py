"""Confirmations of addresses, verifications of held deposits, and the guards of both books."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from cycles.sql import read


class Migration(migrations.Migration):

    dependencies = [
        ('cycles', '0007_limits_and_clocks_are_seen'),
        ('exchanges', '0004_address_book_and_identities'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='AddressConfirmation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('seen_version', models.PositiveIntegerField(verbose_name='seen version')),
                ('fingerprint', models.CharField(max_length=64, verbose_name='fingerprint')),
                ('is_simulated', models.BooleanField(default=False, verbose_name='by a stand-in')),
                ('at', models.DateTimeField(verbose_name='at')),
            ],
            options={
                'verbose_name': 'address confirmation',
                'verbose_name_plural': 'address confirmations',
                'ordering': ('id',),
            },
        ),
        migrations.CreateModel(
            name='DepositVerification',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('venue', models.CharField(max_length=16, verbose_name='venue')),
                ('venue_deposit_id', models.CharField(max_length=80, verbose_name="venue's deposit id")),
                ('sender', models.CharField(max_length=16, verbose_name='sending venue')),
                ('attempts', models.PositiveIntegerField(default=1, verbose_name='attempts')),
                ('asked_at', models.DateTimeField(verbose_name='asked')),
                ('outcome', models.CharField(choices=[('ASKED', 'asked'), ('RELEASED', 'released'), ('HELD', 'held on'), ('UNKNOWN', 'unknown'), ('REFUSED', 'refused')], default='ASKED', max_length=12, verbose_name='outcome')),
                ('detail', models.CharField(blank=True, default='', max_length=200, verbose_name='detail')),
            ],
            options={
                'verbose_name': 'deposit verification',
                'verbose_name_plural': 'deposit verifications',
                'ordering': ('-id',),
            },
        ),
        migrations.RemoveConstraint(
            model_name='intervention',
            name='intervention_verb_known',
        ),
        migrations.AlterField(
            model_name='intervention',
            name='verb',
            field=models.CharField(choices=[('redrive', 'redrive'), ('unwind', 'unwind'), ('resolve', 'resolve'), ('write_off', 'write off'), ('acknowledge', 'acknowledge'), ('open', 'open'), ('halt', 'halt'), ('resume', 'resume'), ('pause', 'pause'), ('unpause', 'unpause'), ('set_policy', 'set policy'), ('confirm_address', 'confirm address'), ('retire_address', 'retire address'), ('prove_asset', 'prove asset'), ('block_asset', 'block asset')], max_length=16, verbose_name='verb'),
        ),
        migrations.AddConstraint(
            model_name='intervention',
            constraint=models.CheckConstraint(condition=models.Q(('verb__in', ['redrive', 'unwind', 'resolve', 'write_off', 'acknowledge', 'open', 'halt', 'resume', 'pause', 'unpause', 'set_policy', 'confirm_address', 'retire_address', 'prove_asset', 'block_asset'])), name='intervention_verb_known'),
        ),
        migrations.AddField(
            model_name='addressconfirmation',
            name='address',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='confirmations', to='exchanges.registeredaddress', verbose_name='address'),
        ),
        migrations.AddField(
            model_name='addressconfirmation',
            name='intervention',
            field=models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='cycles.intervention', verbose_name='intervention'),
        ),
        migrations.AddField(
            model_name='addressconfirmation',
            name='user',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='user'),
        ),
        migrations.AddField(
            model_name='depositverification',
            name='step',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='cycles.step', verbose_name='step'),
        ),
        migrations.AddConstraint(
            model_name='addressconfirmation',
            constraint=models.UniqueConstraint(fields=('address', 'user'), name='address_confirmation_once_a_person'),
        ),
        migrations.AddConstraint(
            model_name='depositverification',
            constraint=models.UniqueConstraint(fields=('venue', 'venue_deposit_id'), name='deposit_verification_once'),
        ),
        migrations.AddConstraint(
            model_name='depositverification',
            constraint=models.CheckConstraint(condition=models.Q(('outcome__in', ['ASKED', 'RELEASED', 'HELD', 'UNKNOWN', 'REFUSED'])), name='deposit_verification_outcome_known'),
        ),
        migrations.RunSQL(read("identities")),
        migrations.RunSQL(read("addresses")),
    ]
