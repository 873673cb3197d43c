"""The fingerprint of a flight's work: what the journal holds of it, what reached the venues, whether the books balance."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any

import msgspec
from django.db.models import Max, Sum

from cycles.models import Entry, ExchangeCall
from tests.benchmarks.venues import Venues


def newest_call() -> int:
    """Give the journal's last row so far."""
    return ExchangeCall.objects.aggregate(last=Max("pk"))["last"] or 0


def since(call: int, venues: Venues | None = None) -> dict[str, Any]:
    """Tell what was done after a call; refuses work that is not whole.

    Every request settled, its postings balanced, and, of venues that can be asked, each order there once.
    """
    calls = ExchangeCall.objects.filter(pk__gt=call)
    facts = ("operation", "venue", "outcome", "is_settled")
    rows = list(calls.values_list(*facts, "request", "report__executed_quantity"))
    counts = Counter(f"{operation} {outcome}" for operation, _, outcome, *_ in rows)
    assert {one.rpartition(" ")[2] for one in counts} == {"DONE"}, counts
    assert all(is_settled for _, _, _, is_settled, *_ in rows)
    entries = Entry.objects.filter(posting__step__in=calls.values("step"))
    sums = entries.values("account__asset").annotate(left=Sum("quantity")).exclude(left=0)
    assert not sums.exists(), list(sums)
    lines = sorted(msgspec.json.encode(row) for row in rows)
    found = {"calls": dict(counts), "entries": entries.count(), "sha256": _hash(lines)}
    if venues is not None:
        found["orders at venues"] = len(venues.ask("/control/orders"))
        assert found["orders at venues"] == counts["PLACE_ORDER DONE"], found
    return found


def _hash(lines: list[bytes]) -> str:
    return hashlib.sha256(b"\n".join(lines)).hexdigest()
