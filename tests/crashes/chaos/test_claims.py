"""The claims after a storm can fail: each violation is planted once, for real, and seen by its claim alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from django_q.models import Schedule

from cycles.domain.words import Operation
from cycles.models import Account, Alert, Cycle, ExchangeCall, Transition
from cycles.services.alerting import raise_alert
from cycles.services.trading import CANCEL_AFTER
from exchanges import registry
from exchanges.simulator.server import RunningSimulator
from exchanges.values import Market, OrderRequest, Side
from kimp.schedules import sync
from tests.crashes.chaos.claims import (
    EVERY,
    EVERY_CLOCK,
    Claim,
    examine,
    harm_was_done,
    no_alert_is_lost,
    no_job_is_put_off,
)
from tests.crashes.chaos.deeds import (
    DECIDED_BY_WRONG_CLOCKS,
    HELD,
    LEASES_LOST,
    OUTBOX_SECONDS,
    STOPPED_BY_WRONG_CLOCKS,
    STRUCK,
    WRONG_CLOCKS,
    note_outbox,
)
from tests.cycles.conftest import korea, running_venues, seed, venues
from tests.cycles.services.acts import age, give_back
from tests.desk import TestDesk

__all__ = ["korea", "running_venues", "venues"]

ONE_DIGIT = Decimal("0.00000001")
XRP = Market(base="XRP", quote="USDT")
TWICE = "no client order id twice at a venue"
JOURNAL = "every accepted request in the journal"
FINAL = "every cycle final, every dead letter explained"
LEDGER = "ledger equal to venues to the last digit"
OWNED = "nothing owned by a final cycle"

Plant = Callable[[TestDesk, Cycle], object]


def _order_again(desk: TestDesk, cycle: Cycle) -> None:
    """Send a filled order's id once more: Binance takes it."""
    del desk
    call = ExchangeCall.objects.get(
        cycle=cycle, operation=Operation.PLACE_ORDER, venue="binance", step__passage="OUTBOUND"
    )
    _order(call.client_order_id)


def _order_behind_the_journal(desk: TestDesk, cycle: Cycle) -> None:
    del desk, cycle
    _order("kbehindthejournal")


def _order(client_order_id: str) -> None:
    request = OrderRequest(
        market=XRP, side=Side.BUY, quantity=Decimal(10), limit_price=Decimal("2.3"),
        client_order_id=client_order_id,
    )  # fmt: skip
    assert registry.venue("binance").place_order(request).executed_quantity


def _forget_a_request(desk: TestDesk, cycle: Cycle) -> None:
    """Let the venue have a withdrawal of which the journal says that it was refused."""
    del desk
    call = ExchangeCall.objects.filter(cycle=cycle, operation=Operation.WITHDRAW).first()
    assert call is not None
    ExchangeCall.objects.filter(pk=call.pk).update(outcome="REFUSED")


def _credit_one_digit(desk: TestDesk, cycle: Cycle) -> None:
    del cycle
    desk.control("/control/balances", {"venue": "upbit", "asset": "XRP", "credit": str(ONE_DIGIT)})


def _own(desk: TestDesk, cycle: Cycle) -> None:
    """Let the cycle own again what it handed back, as a posting that was lost would."""
    del desk
    mine = Account.objects.filter(cycle=cycle, venue="upbit", asset="XRP", owner="CYCLE")
    assert mine.update(balance=ONE_DIGIT) == 1


def _lease(desk: TestDesk, cycle: Cycle) -> None:
    del desk
    Cycle.objects.filter(pk=cycle.pk).update(lease_owner="initiator:gone:1", lease_expires_at=Now())


def _leave_open(desk: TestDesk, cycle: Cycle) -> None:
    del desk
    Cycle.objects.filter(pk=cycle.pk).update(
        status="REBALANCING_IN_PROGRESS", ended_at=None, wake_at=Now()
    )


def _die_unexplained(desk: TestDesk, cycle: Cycle) -> None:
    del desk
    Transition.objects.filter(cycle=cycle, to_status="COMPLETED").update(
        to_status="DEAD_LETTER", reason=""
    )


AT_VENUES: dict[str, tuple[Plant, set[str]]] = {
    "an id accepted twice": (_order_again, {TWICE, LEDGER}),
    "an order that the journal does not know": (_order_behind_the_journal, {JOURNAL, LEDGER}),
    "one digit more at a venue": (_credit_one_digit, {LEDGER}),
}
IN_ROWS: dict[str, tuple[Plant, set[str]]] = {
    "a withdrawal noted as refused": (_forget_a_request, {JOURNAL}),
    "an account that a final cycle owns": (_own, {OWNED, LEDGER}),
    "a lease that outlives its cycle": (_lease, {OWNED}),
    "a cycle that has not ended": (_leave_open, {FINAL}),
    "a dead letter that nobody explained": (_die_unexplained, {FINAL}),
}


@pytest.fixture
def desk(db: None, venues: RunningSimulator) -> TestDesk:
    """Give a desk whose books stand still."""
    seed()
    desk = TestDesk(running=venues)
    for venue, symbol, mid in (("binance", "XRPUSDT", "2.2"), ("upbit", "KRW-XRP", "3300")):
        desk.control("/control/book", {"venue": venue, "symbol": symbol, "mid": mid})
    return desk


@pytest.fixture
def ended(desk: TestDesk) -> tuple[TestDesk, Cycle]:
    """Give a desk one of whose cycles has gone out and home, while nothing guards the rows."""
    return desk, desk.drive_until(desk.open("XRP", "500"), "COMPLETED")


def _unguarded() -> None:
    """Let no trigger of the database prevent what is planted."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")


def _failing(claims: list[Claim]) -> set[str]:
    return {claim.name for claim in claims if not claim.holds}


@pytest.mark.parametrize("plant", sorted(AT_VENUES))
def test_what_is_wrong_at_a_venue_is_seen(ended: tuple[TestDesk, Cycle], plant: str) -> None:
    desk, cycle = ended
    assert _failing(examine(desk)) == set()
    violate, wanted = AT_VENUES[plant]

    violate(desk, cycle)

    assert _failing(examine(desk)) == wanted


def test_what_is_wrong_in_the_rows_is_seen(ended: tuple[TestDesk, Cycle]) -> None:
    desk, cycle = ended
    seen = {}
    for plant, (violate, _) in IN_ROWS.items():
        with transaction.atomic():
            _unguarded()
            violate(desk, cycle)
            seen[plant] = _failing(examine(desk))
            transaction.set_rollback(True)

    assert seen == {plant: wanted for plant, (_, wanted) in IN_ROWS.items()}
    assert _failing(examine(desk)) == set()


def test_a_cancel_of_which_the_journal_knows_nothing_is_seen(desk: TestDesk) -> None:
    """What an immediate order leaves unfilled ends by itself: that is no cancel."""
    for venue, facts in (("binance", {"action": "rests"}), ("upbit", {})):
        left = {"args": {"value": "0.3"}, "venue": venue, "method": "POST", "when": "once"}
        desk.fault(fault="F13", **left, **facts)
    cycle = desk.open("XRP", "500")
    lease = desk.lease(cycle)
    while not ExchangeCall.objects.filter(outcome="DONE").exists():
        desk.unit(lease)
    give_back(lease)
    age(cycle, CANCEL_AFTER.seconds + 1)
    desk.drive_until(cycle, "COMPLETED")
    assert {"cancelled", "expired"} < {row["state"] for row in desk.control("/control/orders")}
    assert _failing(examine(desk)) == set()

    with transaction.atomic():
        _unguarded()
        assert ExchangeCall.objects.filter(operation="CANCEL_ORDER").update(outcome="REFUSED")
        assert _failing(examine(desk)) == {JOURNAL}
        transaction.set_rollback(True)


def test_an_alert_that_its_channel_never_took_is_seen(db: None) -> None:
    for key in ("storm:0:0", "storm:0:1"):
        raise_alert(key=key, severity=Alert.Severity.INFO, title=key)
    Alert.objects.filter(key="storm:0:0").update(state=Alert.State.DELIVERED)

    assert no_alert_is_lost(["[INFO] storm:0:0\nof a storm"], raised=2).holds
    assert not no_alert_is_lost([], raised=2).holds
    assert not no_alert_is_lost(["[INFO] storm:0:0"], raised=3).holds


def test_a_job_that_was_put_off_is_seen(db: None) -> None:
    sync()
    assert no_job_is_put_off().holds
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE django_q_schedule DISABLE TRIGGER due_in_time")
    Schedule.objects.filter(name="kimp:prune").update(next_run=Now() + timedelta(hours=2))
    assert not no_job_is_put_off().holds


def test_harm_that_was_only_begun_is_seen() -> None:
    done = Counter(stop=2 * EVERY, clock=3 * EVERY_CLOCK, fault=2 * EVERY)
    base = Counter({WRONG_CLOCKS: 2 * EVERY_CLOCK})
    words = (LEASES_LOST, DECIDED_BY_WRONG_CLOCKS, STOPPED_BY_WRONG_CLOCKS, STRUCK)
    enough = base + Counter(dict.fromkeys(words, 2))
    assert harm_was_done(done, enough).holds
    for one in words:
        assert len(harm_was_done(done, enough - Counter({one: 1})).problems) == 1


def test_of_the_leases_that_a_short_storm_stopped_one_at_least_is_lost() -> None:
    seen = Counter({HELD: 2})
    assert len(harm_was_done(Counter(stop=1), seen).problems) == 1
    assert harm_was_done(Counter(stop=1), seen + Counter({LEASES_LOST: 1})).holds


def test_a_full_outbox_under_which_nothing_moves_is_seen() -> None:
    seen = Counter[str]()
    note_outbox(seen, moved=0, seconds=OUTBOX_SECONDS - 1)  # too short to say anything
    assert harm_was_done(Counter(), seen).holds
    note_outbox(seen, moved=0, seconds=OUTBOX_SECONDS)
    assert len(harm_was_done(Counter(), seen).problems) == 1
    note_outbox(seen, moved=3, seconds=OUTBOX_SECONDS)
    assert harm_was_done(Counter(), seen).holds


def test_clocks_of_who_decides_nothing_are_not_asked_for_decisions() -> None:
    assert harm_was_done(Counter(clock=9 * EVERY_CLOCK), Counter()).holds
