"""A table for what cycles that ended came to: counts and P&L are read from it, not from all that ever ended."""

from decimal import Decimal

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("cycles", "0037_ledger_marks")]

    operations = [
        migrations.CreateModel(
            name='EndedTotal',
            fields=[
                ('status', models.CharField(choices=[('STARTED', 'started'), ('INITIAL_TRADE_COMPLETED', 'initial trade completed'), ('AWAITING_REBALANCE', 'awaiting rebalance'), ('REBALANCING_IN_PROGRESS', 'rebalancing in progress'), ('REBALANCE_TRADE_COMPLETED', 'rebalance trade completed'), ('RETRY_PENDING', 'retry pending'), ('DEAD_LETTER', 'dead letter'), ('COMPLETED', 'completed'), ('FAILED', 'failed')], editable=False, max_length=32, primary_key=True, serialize=False, verbose_name='status')),
                ('up_to', models.DateTimeField(verbose_name='up to')),
                ('count', models.PositiveBigIntegerField(default=0, verbose_name='cycles')),
                ('realised_pnl_usdt', models.DecimalField(decimal_places=18, default=Decimal('0'), max_digits=38, verbose_name='realised P&L, USDT')),
                ('realised_pnl_krw', models.DecimalField(decimal_places=18, default=Decimal('0'), max_digits=38, verbose_name='realised P&L, KRW')),
            ],
            options={
                'verbose_name': 'total of ended cycles',
                'verbose_name_plural': 'totals of ended cycles',
            },
        ),
    ]
