"""What must hold after any crash: journal, ledger and venues tell the same story, and nothing is left."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

from cycles.domain.words import CallOutcome, Operation
from cycles.models import Alert, Cycle, ExchangeCall
from cycles.services import intervening, resolving, verifying
from cycles.services.resolving import Resolution, ResolutionOutcome
from tests.crashes.chaos.claims import done, journal_is_whole, nothing_is_owned, nothing_twice
from tests.desk import Steered, operator, why

END_SECONDS = 90.0
FINAL = {"COMPLETED", "FAILED"}


def all_end(*cycles: Cycle) -> None:
    """Wait until the roles have completed them; say what any other hangs on."""
    ids = [cycle.pk for cycle in cycles]
    deadline = time.monotonic() + END_SECONDS
    while left := Cycle.objects.filter(pk__in=ids).exclude(status="COMPLETED"):
        told = "\n".join(f"{cycle} {cycle.status} {why(cycle)}" for cycle in left)
        assert time.monotonic() < deadline, told
        time.sleep(0.1)


def assert_one_story(desk: Steered) -> None:
    """Hold the journal against the venues, then the ledger, then what may not be left over."""
    for claim in (nothing_twice(desk), journal_is_whole(desk)):
        assert claim.problems == (), claim.name
    report = verifying.verify_ledger()
    assert report.problems == ()
    assert report.is_balanced
    assert report.matches_venues
    assert report.is_settled
    assert desk.control("/control/invariants")["problems"] == []
    assert [why(cycle) for cycle in Cycle.objects.exclude(status__in=FINAL)] == []
    assert nothing_is_owned(desk).problems == ()


def tend_dead_letters(desk: Steered) -> list[str]:
    """Do what an operator does: see that each is explained, look at the venue, send it on."""
    tended = []
    for cycle in Cycle.objects.filter(status="DEAD_LETTER"):
        assert cycle.failure_class not in {"", "BUG"}, why(cycle)
        assert cycle.failure_reason, why(cycle)
        assert Alert.objects.filter(cycle=cycle, severity=Alert.Severity.CRITICAL).exists()
        tended.append(f"{cycle.failure_class}: {cycle.failure_reason}")
        if cycle.failure_class == "UNKNOWN_ORDER" or (
            cycle.failure_class == "UNKNOWN_WITHDRAWAL" and not _is_given_back(cycle)
        ):
            _state_absence(desk, cycle, cycle.calls.get(outcome="UNKNOWN"))
            cycle.refresh_from_db()
        intervening.redrive(
            cycle.pk, actor=operator(), reason="looked at", seen_version=cycle.version
        )
    return tended


def _is_given_back(cycle: Cycle) -> bool:
    """Say whether what its person is asked about is a withdrawal that its venue gave back after it had left."""
    sent = cycle.calls.filter(operation=Operation.WITHDRAW).latest("pk")
    return bool(sent.outcome == CallOutcome.DONE and sent.report["status"] == "failed")


def _state_absence(desk: Steered, cycle: Cycle, call: ExchangeCall) -> None:
    """Look at the venue with one's own eyes; only what is not there is stated to be absent."""
    assert not _is_at_venue(desk, call), f"the venue has {call}, which kimp did not find"
    resolving.resolve(
        cycle.pk,
        actor=operator(),
        reason="the venue's page shows nothing",
        seen_version=cycle.version,
        resolution=Resolution(outcome=ResolutionOutcome.CALL_ABSENT, evidence="ticket 1"),
    )


def _is_at_venue(desk: Steered, call: ExchangeCall) -> bool:
    rows: list[dict[str, Any]] = desk.control("/control/orders")
    if any(row["client_order_id"] == call.client_order_id for row in rows):
        return True
    known = done(Operation.WITHDRAW, "venue_order_id")
    return any(
        (row["venue"], row["venue_withdrawal_id"]) not in known
        for row in desk.control("/control/transfers")["withdrawals"]
        if row["venue"] == call.venue
        and row["asset"] == call.step.asset
        and Decimal(str(row["quantity"])) == Decimal(call.request.get("quantity", 0))
    )
