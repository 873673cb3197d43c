"""Let the proof of the ledger go on from where it was: tables for what it has read, and its functions.

Code of the release before reads the whole ledger, and knows of neither.
"""

from django.db import migrations, models

from cycles.sql import read

UNDO = """
DROP FUNCTION kimp_ledger_problems_v1();
DROP FUNCTION kimp_sum_entries_v1(integer);
DROP FUNCTION kimp_see_entries_v1();
"""


class Migration(migrations.Migration):
    dependencies = [("cycles", "0036_closed_doors")]

    operations = [
        migrations.CreateModel(
            name="LedgerMark",
            fields=[
                (
                    "id",
                    models.PositiveSmallIntegerField(
                        default=1, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("read_to", models.BigIntegerField(default=0, verbose_name="read up to")),
                ("seen_to", models.BigIntegerField(default=0, verbose_name="newest seen")),
                ("seen_xid", models.BigIntegerField(default=0)),
            ],
            options={
                "verbose_name": "ledger mark",
                "verbose_name_plural": "ledger marks",
                "constraints": [
                    models.CheckConstraint(condition=models.Q(id=1), name="ledger_mark_is_one")
                ],
            },
        ),
        migrations.CreateModel(
            name="LedgerSum",
            fields=[
                (
                    "account_id",
                    models.BigIntegerField(primary_key=True, serialize=False, verbose_name="account"),
                ),
                ("total", models.DecimalField(decimal_places=18, max_digits=38, verbose_name="total")),
            ],
            options={"verbose_name": "ledger sum", "verbose_name_plural": "ledger sums"},
        ),
        migrations.RunSQL(read("ledger_proof"), UNDO),
    ]
