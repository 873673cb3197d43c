"""Reads for the doors (admin, API, commands): bounded numbers of queries, nothing locked or written."""

from __future__ import annotations

from cycles.selectors.desk import DeskSummary, balances, desk_summary
from cycles.selectors.premia import PremiumPoint, first_sample_at, latest_samples, premium_series
from cycles.selectors.rows import (
    changes_since,
    cycle_by_code,
    cycles,
    cycles_named,
    dead_letters,
    ledger_of,
    matching,
    open_calls,
    policy_history,
    retry_history,
)
from cycles.selectors.sums import sums_by_status
from cycles.selectors.timeline import TimelineItem, TimelineKind, timeline
from cycles.selectors.venues import held_windows, venue_clocks
from cycles.selectors.vouching import (
    acts_on_address,
    acts_on_identity,
    address_book,
    address_by_code,
    identities,
    identity_by_name,
    proposals,
)

__all__ = [
    "DeskSummary",
    "PremiumPoint",
    "TimelineItem",
    "TimelineKind",
    "acts_on_address",
    "acts_on_identity",
    "address_book",
    "address_by_code",
    "balances",
    "changes_since",
    "cycle_by_code",
    "cycles",
    "cycles_named",
    "dead_letters",
    "desk_summary",
    "first_sample_at",
    "held_windows",
    "identities",
    "identity_by_name",
    "latest_samples",
    "ledger_of",
    "matching",
    "open_calls",
    "policy_history",
    "premium_series",
    "proposals",
    "retry_history",
    "sums_by_status",
    "timeline",
    "venue_clocks",
]
