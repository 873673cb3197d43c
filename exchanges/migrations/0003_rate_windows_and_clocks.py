"""Share among all processes what is used of the venues' limits, and how far clocks lie apart."""

import django.contrib.postgres.fields
from django.db import migrations, models

from exchanges.pacing.sql import read


class Migration(migrations.Migration):

    dependencies = [
        ('exchanges', '0002_network_refused_at'),
    ]

    operations = [
        migrations.CreateModel(
            name='RateWindow',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('venue', models.CharField(max_length=16, verbose_name='venue')),
                ('name', models.CharField(max_length=32, verbose_name='window')),
                ('scope', models.CharField(max_length=48, verbose_name='counts')),
                ('span_ms', models.BigIntegerField(verbose_name='span, ms')),
                ('most', models.IntegerField(verbose_name='limit')),
                ('slot', models.BigIntegerField(default=0, verbose_name='newest slot')),
                ('used', django.contrib.postgres.fields.ArrayField(base_field=models.IntegerField(), size=None, verbose_name='used, by slot')),
                ('waiting', models.JSONField(default=list, verbose_name='processes waiting')),
                ('held_until', models.DateTimeField(null=True, verbose_name='held until')),
                ('held_because', models.CharField(blank=True, default='', max_length=16, verbose_name='held because')),
                ('told_at', models.DateTimeField(null=True, verbose_name='limit told by the venue at')),
            ],
            options={
                'verbose_name': 'rate window',
                'verbose_name_plural': 'rate windows',
                'ordering': ['venue', 'name', 'scope'],
                'constraints': [models.UniqueConstraint(fields=('venue', 'name', 'scope'), name='rate_window_once'), models.CheckConstraint(condition=models.Q(('most__gte', 0), ('span_ms__gt', 0)), name='rate_window_numbers')],
            },
        ),
        migrations.CreateModel(
            name='VenueClock',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('venue', models.CharField(max_length=16, verbose_name='venue')),
                ('host', models.CharField(max_length=64, verbose_name='host')),
                ('ahead_ms', models.IntegerField(verbose_name='venue ahead of us, ms')),
                ('doubt_ms', models.IntegerField(verbose_name='give or take, ms')),
                ('measured_at', models.DateTimeField(verbose_name='measured at')),
                ('stopped_at', models.DateTimeField(null=True, verbose_name='trading stopped at')),
                ('stopped_because', models.CharField(blank=True, default='', max_length=200, verbose_name='trading stopped because')),
            ],
            options={
                'verbose_name': 'venue clock',
                'verbose_name_plural': 'venue clocks',
                'ordering': ['venue', 'host'],
                'constraints': [models.UniqueConstraint(fields=('venue', 'host'), name='venue_clock_once')],
            },
        ),
        # Every call of the desk writes these few rows: room for the next version on the same page.
        migrations.RunSQL(
            "ALTER TABLE exchanges_ratewindow SET (fillfactor = 20)", migrations.RunSQL.noop
        ),
        migrations.RunSQL(
            read("take_tokens"), "DROP FUNCTION exchanges_take_tokens(text, jsonb, timestamptz)"
        ),
    ]
