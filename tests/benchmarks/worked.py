"""The fingerprint of a flight's work: what the journal holds of it, what reached the venues, whether the books balance."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any

import msgspec
from django.db.models import Max, QuerySet, Sum

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
    found = told(calls)
    assert {one.rpartition(" ")[2] for one in found["calls"]} == {"DONE"}, found["calls"]
    assert not calls.exclude(is_settled=True).exists()
    entries = Entry.objects.filter(posting__step__in=calls.values("step"))
    sums = entries.values("account__asset").annotate(left=Sum("quantity")).exclude(left=0)
    assert not sums.exists(), list(sums)
    found["entries"] = entries.count()
    if venues is not None:
        found["orders at venues"] = len(venues.ask("/control/orders"))
        assert found["orders at venues"] == found["calls"]["PLACE_ORDER DONE"], found
    return found


def told(calls: QuerySet[ExchangeCall]) -> dict[str, Any]:
    """Give how many calls came to what, and a hash of the requests and of what was executed."""
    facts = ("operation", "venue", "outcome", "is_settled")
    rows = list(calls.values_list(*facts, "request", "report__executed_quantity"))
    counts = Counter(f"{operation} {outcome}" for operation, _, outcome, *_ in rows)
    lines = sorted(msgspec.json.encode(row) for row in rows)
    return {"calls": dict(counts), "sha256": _hash(lines)}


def _hash(lines: list[bytes]) -> str:
    return hashlib.sha256(b"\n".join(lines)).hexdigest()
