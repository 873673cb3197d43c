"""Put the database's own guards in place: append-only rows, balanced postings, legal transitions."""

from django.db import migrations

from cycles.sql import read

# The table as it stood when this migration was written; a changed table is a new migration
# (a test holds the database's rows against cycles.domain.states).
LEGAL = {
    "STARTED": ("INITIAL_TRADE_COMPLETED", "RETRY_PENDING", "DEAD_LETTER", "FAILED"),
    "INITIAL_TRADE_COMPLETED": ("AWAITING_REBALANCE", "RETRY_PENDING", "DEAD_LETTER", "FAILED"),
    "AWAITING_REBALANCE": ("REBALANCING_IN_PROGRESS", "RETRY_PENDING", "DEAD_LETTER", "FAILED"),
    "REBALANCING_IN_PROGRESS": (
        "REBALANCE_TRADE_COMPLETED",
        "AWAITING_REBALANCE",
        "RETRY_PENDING",
        "DEAD_LETTER",
        "FAILED",
    ),
    "REBALANCE_TRADE_COMPLETED": ("COMPLETED", "RETRY_PENDING", "DEAD_LETTER", "FAILED"),
    "RETRY_PENDING": (
        "STARTED",
        "INITIAL_TRADE_COMPLETED",
        "AWAITING_REBALANCE",
        "REBALANCING_IN_PROGRESS",
        "REBALANCE_TRADE_COMPLETED",
        "DEAD_LETTER",
        "FAILED",
    ),
    "DEAD_LETTER": ("RETRY_PENDING", "COMPLETED", "FAILED"),
}


def edges() -> str:
    """Write the table as SQL."""
    rows = [f"('{origin}', '{target}')" for origin, leaves in LEGAL.items() for target in leaves]
    return "INSERT INTO cycles_legal_transition VALUES " + ", ".join(rows)


class Migration(migrations.Migration):
    dependencies = [("cycles", "0001_initial")]

    operations = [
        migrations.RunSQL(read("append_only")),
        migrations.RunSQL(read("posting_balances")),
        migrations.RunSQL(read("ledger")),
        migrations.RunSQL(read("transitions")),
        migrations.RunSQL(edges()),
        # HOT updates (engine.md): room on each page for the next version of a row.
        migrations.RunSQL("ALTER TABLE cycles_cycle SET (fillfactor = 85)"),
        migrations.RunSQL("ALTER TABLE cycles_exchangecall SET (fillfactor = 85)"),
    ]
