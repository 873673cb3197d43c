"""Tables for samples rolled up to minutes and hours, and the mark of how far that has come."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('cycles', '0012_home'),
    ]

    operations = [
        migrations.CreateModel(
            name='PremiumHour',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(verbose_name='at')),
                ('asset', models.CharField(max_length=12, verbose_name='asset')),
                ('korea_venue', models.CharField(max_length=16, verbose_name='Korean venue')),
                ('measure', models.CharField(max_length=24, verbose_name='measure')),
                ('count', models.PositiveIntegerField(verbose_name='samples')),
                ('first', models.DecimalField(decimal_places=18, max_digits=38, verbose_name='first')),
                ('last', models.DecimalField(decimal_places=18, max_digits=38, verbose_name='last')),
                ('low', models.DecimalField(decimal_places=18, max_digits=38, verbose_name='lowest')),
                ('high', models.DecimalField(decimal_places=18, max_digits=38, verbose_name='highest')),
                ('total', models.DecimalField(decimal_places=18, max_digits=38, verbose_name='sum')),
            ],
            options={
                'verbose_name': 'premium hour',
                'verbose_name_plural': 'premium hours',
                'ordering': ('-id',),
                'constraints': [models.UniqueConstraint(fields=('asset', 'korea_venue', 'measure', 'at'), name='premium_hour_once')],
            },
        ),
        migrations.CreateModel(
            name='PremiumMinute',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(verbose_name='at')),
                ('asset', models.CharField(max_length=12, verbose_name='asset')),
                ('korea_venue', models.CharField(max_length=16, verbose_name='Korean venue')),
                ('measure', models.CharField(max_length=24, verbose_name='measure')),
                ('count', models.PositiveIntegerField(verbose_name='samples')),
                ('first', models.DecimalField(decimal_places=18, max_digits=38, verbose_name='first')),
                ('last', models.DecimalField(decimal_places=18, max_digits=38, verbose_name='last')),
                ('low', models.DecimalField(decimal_places=18, max_digits=38, verbose_name='lowest')),
                ('high', models.DecimalField(decimal_places=18, max_digits=38, verbose_name='highest')),
                ('total', models.DecimalField(decimal_places=18, max_digits=38, verbose_name='sum')),
            ],
            options={
                'verbose_name': 'premium minute',
                'verbose_name_plural': 'premium minutes',
                'ordering': ('-id',),
                'constraints': [models.UniqueConstraint(fields=('asset', 'korea_venue', 'measure', 'at'), name='premium_minute_once')],
            },
        ),
        migrations.CreateModel(
            name='RollUpMark',
            fields=[
                ('id', models.PositiveSmallIntegerField(default=1, editable=False, primary_key=True, serialize=False)),
                ('done_to', models.BigIntegerField(default=0)),
                ('settled_to', models.BigIntegerField(default=0)),
                ('seen_to', models.BigIntegerField(default=0)),
                ('seen_at', models.DateTimeField(null=True)),
                ('samples_since', models.DateTimeField(null=True)),
                ('minutes_since', models.DateTimeField(null=True)),
            ],
            options={
                'verbose_name': 'roll-up mark',
                'verbose_name_plural': 'roll-up marks',
                'constraints': [models.CheckConstraint(condition=models.Q(('id', 1)), name='roll_up_mark_is_one')],
            },
        ),
    ]
