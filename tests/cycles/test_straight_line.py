"""One cycle, there and back, over real sockets and a real database."""

from __future__ import annotations

from cycles.models import Account
from cycles.services import verifying
from tests.desk import TestDesk


def test_a_cycle_goes_out_and_home_and_the_ledger_matches_the_venues(desk: TestDesk) -> None:
    cycle = desk.open(asset="XRP", notional="2000")

    desk.drive_until(cycle, "COMPLETED")

    report = verifying.verify_ledger()
    assert report.problems == ()
    assert report.is_balanced
    assert report.matches_venues
    assert not Account.objects.filter(cycle=cycle).exclude(balance=0).exists()
    assert cycle.realised_pnl_usdt is not None
    assert cycle.ended_at is not None
