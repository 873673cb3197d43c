"""Registers every table with the site; imported once the admin is ready."""

from __future__ import annotations

from cycles.admin import (
    account_tables,
    cycle_table,
    journal_tables,
    ledger_tables,
    log_in_tables,
    market_tables,
    people_tables,
    policy_tables,
    sample_tables,
    sweep_tables,
    vouching_tables,
    watch_tables,
)

__all__ = [
    "account_tables",
    "cycle_table",
    "journal_tables",
    "ledger_tables",
    "log_in_tables",
    "market_tables",
    "people_tables",
    "policy_tables",
    "sample_tables",
    "sweep_tables",
    "vouching_tables",
    "watch_tables",
]
