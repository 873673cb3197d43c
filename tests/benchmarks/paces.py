"""How fast steps were while all who make them were at it: by the journal's own times, ours and the reference's alike."""

from __future__ import annotations

from cycles.models import ExchangeCall

DONE = ExchangeCall.objects.filter(outcome="DONE", is_settled=True)


def steps() -> int:
    """Count the steps that are settled."""
    return DONE.count()


def middle(*, last: int) -> float:
    """Give steps a second from the first tenth of the `last` steps to their ninth.

    Before it workers connect and plan, and all begin at one moment; after it fewer and fewer are in flight.
    """
    newest = DONE.order_by("-noted_at").values_list("noted_at", flat=True)[:last]
    at = sorted(one for one in newest if one is not None)
    first, ninth = len(at) // 10, len(at) * 9 // 10
    return (ninth - first) / (at[ninth] - at[first]).total_seconds()
