"""What a look shows under our own id was accepted: nobody states that it never was, and none is sent again for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from cycles.domain.progress import Turn, failed
from cycles.domain.words import CallOutcome, CycleStatus, FailureClass, Operation, Verb
from cycles.errors import NotAllowedNowError, UnresolvedCallError
from cycles.models import Cycle, ExchangeCall, Intervention, SeenOrder, SeenWithdrawal
from cycles.services import intervening, reconciling, retracing, verifying
from cycles.services.moving import Lease
from cycles.services.resolving import Received
from cycles.services.retraced import Retraced
from tests.cycles.services.acts import accepted, age, fail, give_back, units_until, withdrawals
from tests.cycles.services.test_lost_orders import (
    LISTED,
    NOTHING,
    ORDER,
    UNKNOWN_THERE,
    dead,
    died_of,
    is_watched,
    placed,
)
from tests.cycles.services.test_resolving import write_off
from tests.cycles.services.test_settled_by_hand import told_of_a_write_off, unknown
from tests.cycles.services.test_stating import (
    cancel_of,
    is_settled,
    looked_for_in_vain,
    order,
    seen_before_it_died,
    settle_by_hand,
    shown,
    state_absent,
    told_before,
)
from tests.desk import TestDesk, eventually, operator

__all__ = ["order", "unknown"]

SHOWN = r"binance has shown .*, so it was accepted: redrive"
MONEY = Received(venue="binance", asset="USDT", quantity=Decimal(990))


def test_an_order_that_its_venue_lists_and_does_not_find_is_not_bought_twice(
    desk: TestDesk,
) -> None:
    row = desk.open()
    desk.fault(fault="F4", method="POST", when="once", **ORDER)
    lease = desk.lease(row)
    desk.unit(lease)
    desk.fault(method="GET", phase="before", action="status", args=UNKNOWN_THERE, **ORDER)
    age(row, 2)

    def is_listed() -> bool:
        desk.unit(lease)
        return SeenOrder.objects.filter(is_shown=True).exists()

    eventually(is_listed)
    dead(desk, row, lease)
    with pytest.raises(NotAllowedNowError, match=SHOWN):
        state_absent(row)
    desk.control("/control/faults", method="DELETE")
    intervening.redrive(row.pk, actor=operator(), reason="go on", seen_version=row.version)
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED", "DEAD_LETTER")
    assert row.status == CycleStatus.INITIAL_TRADE_COMPLETED
    assert list(accepted(desk, "binance").values()) == [1]


def test_an_order_that_a_look_once_showed_executed_is_never_absent(desk: TestDesk) -> None:
    """Lists and look-ups that lag after an outage show neither."""
    row = desk.open()
    desk.fault(fault="F4", method="POST", when="once", **ORDER)
    lease = desk.lease(row)
    desk.unit(lease)
    desk.fault(phase="before", action="status", args=NOTHING, **LISTED)
    desk.fault(method="GET", phase="before", action="status", args=UNKNOWN_THERE, **ORDER)
    seen = shown(placed(row), "filled", 2000)
    SeenOrder.objects.filter(pk=seen.pk).update(is_shown=False)
    for _ in range(3):
        age(row, 16)
        desk.unit(lease)
    assert placed(row).outcome == CallOutcome.UNKNOWN


def test_an_order_that_a_look_once_showed_resting_is_a_persons_and_never_absent(
    desk: TestDesk,
) -> None:
    """What was missed once before it was listed is not absent at the next answer, nor at any."""
    row = desk.open()
    desk.fault(fault="F4", method="POST", when="once", **ORDER)
    lease = desk.lease(row)
    desk.unit(lease)
    desk.fault(phase="before", action="status", args=NOTHING, **LISTED)
    desk.fault(method="GET", phase="before", action="status", args=UNKNOWN_THERE, **ORDER)
    age(row, 16)
    desk.unit(lease)
    assert placed(row).missed_at is not None
    seen = shown(placed(row), "open", 0)
    SeenOrder.objects.filter(pk=seen.pk).update(is_shown=False)
    age(row, 16)
    assert desk.unit(lease).turn is Turn.WAIT
    assert placed(row).outcome == CallOutcome.UNKNOWN
    dead(desk, row, lease)
    assert "has listed" in row.failure_reason
    Cycle.objects.filter(pk=row.pk).update(failure_class=FailureClass.KEY_REJECTED)
    row.refresh_from_db()
    with pytest.raises(NotAllowedNowError, match=r"was seen resting at binance.* redrive"):
        state_absent(row)  # `dead` has put the asking before what was seen
    intervening.redrive(row.pk, actor=operator(), reason="look", seen_version=row.version)
    desk.drive_until(row, "DEAD_LETTER")
    assert row.failure_class == FailureClass.UNKNOWN_ORDER
    state_absent(row)
    assert placed(row).outcome == CallOutcome.ABSENT


@pytest.mark.parametrize("asked_by", ["its worker", "the sweep"])
def test_an_order_that_a_look_hides_before_it_is_asked_for_is_asked_for_after_that(
    asked_by: str, desk: TestDesk
) -> None:
    """One redrive, or sweep, is enough to state of it that it never was."""
    row = desk.open()
    desk.fault(fault="F4", method="POST", when="once", **ORDER)
    lease = desk.lease(row)
    desk.unit(lease)
    desk.fault(phase="before", action="status", args=NOTHING, **LISTED)
    desk.fault(method="GET", phase="before", action="status", args=UNKNOWN_THERE, **ORDER)
    is_watched(shown(placed(row), "open", 0))
    age(row, 180)
    last = failed(FailureClass.UNKNOWN_ORDER, "it is asked for by the sweep")
    if asked_by == "its worker":
        last = desk.unit(lease)
    give_back(lease)
    if asked_by == "the sweep":
        assert reconciling.reconcile_open_calls().still_unknown == 1
    assert not SeenOrder.objects.get(client_order_id=placed(row).client_order_id).is_shown
    died_of(row, last)
    state_absent(row)
    assert placed(row).outcome == CallOutcome.ABSENT


def test_what_a_restore_leaves_to_a_person_was_seen_and_not_asked_for(
    unknown: ExchangeCall,
) -> None:
    """Its class says so of what its venue never answered to."""
    seen = shown(unknown, "open", 0)
    SeenOrder.objects.filter(pk=seen.pk).update(is_shown=False)
    row = unknown.cycle
    administrator = operator("root", "administrator")
    with transaction.atomic():
        retracing.park(
            Retraced(to_park={row.pk: (FailureClass.UNKNOWN_ORDER, "it fits no step")}),
            administrator,
        )
    Cycle.objects.filter(pk=row.pk).update(status_since=Now())
    row.refresh_from_db()
    with pytest.raises(NotAllowedNowError, match=r"was seen resting at binance.* redrive"):
        state_absent(row)
    unknown.refresh_from_db()
    assert unknown.outcome == CallOutcome.UNKNOWN


@pytest.mark.parametrize(("status", "executed"), [("open", 0), ("open", 5), ("filled", 2000)])
def test_of_an_open_order_that_a_look_shows_nobody_states_that_it_never_was(
    status: str, executed: int, unknown: ExchangeCall
) -> None:
    shown(unknown, status, executed)
    assert "cannot be stated now: binance has shown" in told_before(unknown)
    with pytest.raises(NotAllowedNowError, match=SHOWN):
        state_absent(unknown.cycle)
    with pytest.raises(NotAllowedNowError, match=SHOWN):
        write_off(unknown.cycle, "it is not in the list")
    unknown.refresh_from_db()
    assert unknown.outcome == CallOutcome.UNKNOWN


def test_what_is_listed_and_never_found_is_settled_by_hand(unknown: ExchangeCall) -> None:
    seen_before_it_died(shown(unknown, "filled", 2000))
    row = unknown.cycle
    with pytest.raises(UnresolvedCallError, match="accepted and the ledger does not know"):
        settle_by_hand(row)
    named = f"By that nothing more is booked of place order {unknown.client_order_id}"
    assert named in told_before(unknown)
    made = settle_by_hand(row, MONEY)
    assert (row.status, is_settled(unknown)) == (CycleStatus.COMPLETED, True)
    assert made.payload["requests"] == [unknown.client_order_id]
    assert (unknown.outcome, unknown.venue_order_id) == (CallOutcome.DONE, "7")
    assert unknown.report["executed_quantity"] == "2000"
    assert "ticket 8" in unknown.error
    assert verifying.balance_problems() == ()


def test_what_is_listed_and_never_found_is_written_off_with_evidence(unknown: ExchangeCall) -> None:
    seen_before_it_died(shown(unknown, "filled", 2000))
    row = unknown.cycle
    with pytest.raises(UnresolvedCallError, match="name the evidence that all of it is lost"):
        write_off(row)
    named = f"nothing more is booked of place order {unknown.client_order_id}"
    assert named in told_of_a_write_off(unknown)
    write_off(row, "the venue is bankrupt: file 7")
    assert (row.status, is_settled(unknown)) == (CycleStatus.FAILED, True)
    assert unknown.outcome == CallOutcome.DONE
    made = Intervention.objects.get(cycle=row, verb=Verb.WRITE_OFF)
    assert made.payload["requests"] == [unknown.client_order_id]


def test_what_a_look_shows_only_since_the_cycle_died_is_ended_by_nobodys_word(
    unknown: ExchangeCall,
) -> None:
    """Whoever settles by hand has not named what came of that."""
    shown(unknown, "filled", 2000)
    row = unknown.cycle
    assert "Settled by hand: refused while" in told_before(unknown)
    with pytest.raises(UnresolvedCallError, match="state first whether it was accepted"):
        settle_by_hand(row, MONEY)
    assert not is_settled(unknown)


@pytest.mark.parametrize("by", ["settling", "giving up"])
def test_what_a_look_showed_once_can_be_ended_where_its_venue_can_be_asked_no_more(
    by: str, unknown: ExchangeCall
) -> None:
    """Its keys are revoked, or it is shut: no redrive comes to ask for it."""
    row = unknown.cycle
    Cycle.objects.filter(pk=row.pk).update(failure_class=FailureClass.KEY_REJECTED)
    row.refresh_from_db()
    seen_before_it_died(shown(unknown, "open", 0))
    SeenOrder.objects.filter(client_order_id=unknown.client_order_id).update(is_shown=False)
    if by == "settling":
        assert "By that nothing more is booked of" in told_before(unknown)
        settle_by_hand(row, MONEY)
    else:
        write_off(row, "the venue is bankrupt: file 7")
    assert row.status == (CycleStatus.COMPLETED if by == "settling" else CycleStatus.FAILED)
    assert is_settled(unknown)
    assert (unknown.outcome, unknown.venue_order_id) == (CallOutcome.DONE, "7")
    assert verifying.balance_problems() == ()


def test_of_an_open_order_that_a_look_showed_once_nobody_states_it_before_it_was_asked_for(
    unknown: ExchangeCall,
) -> None:
    seen = shown(unknown, "open", 0)
    SeenOrder.objects.filter(pk=seen.pk).update(is_shown=False)
    row = unknown.cycle
    with pytest.raises(NotAllowedNowError, match=r"was seen resting at binance.* redrive"):
        state_absent(row)
    looked_for_in_vain(row)
    state_absent(row)
    unknown.refresh_from_db()
    assert unknown.outcome == CallOutcome.ABSENT


def test_that_its_order_is_shown_says_nothing_of_a_cancel(order: ExchangeCall) -> None:
    cancel = cancel_of(order)
    shown(order, "open", 0)
    state_absent(order.cycle)
    cancel.refresh_from_db()
    assert cancel.outcome == CallOutcome.ABSENT
    assert not is_settled(order)


@pytest.fixture
def row(desk: TestDesk) -> Cycle:
    return desk.open()


@pytest.fixture
def lease(desk: TestDesk, row: Cycle) -> Lease:
    """Send a withdrawal whose reply is lost."""
    held = units_until(desk, row, "BUY")
    withdraws = {"venue": "binance", "path_regex": "withdraw/apply"}
    desk.fault(fault="F4", method="POST", when="once", **withdraws)
    desk.unit(held)
    return held


def sent(row: Cycle) -> ExchangeCall:
    """Give a cycle's withdrawal."""
    return ExchangeCall.objects.get(cycle=row, operation=Operation.WITHDRAW)


def test_a_withdrawal_with_our_id_is_found_beside_a_row_that_nobody_understands(
    desk: TestDesk, row: Cycle, lease: Lease
) -> None:
    asked = sent(row).request
    own = {
        "id": "w1", "coin": "XRP", "status": 4, "amount": asked["quantity"], "txId": "",
        "transactionFee": asked["network_fee"], "network": asked["network"],
        "applyTime": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S"),
        "withdrawOrderId": sent(row).client_order_id,
    }  # fmt: skip
    odd = own | {"id": "odd", "status": 77, "withdrawOrderId": "", "amount": "1"}
    listed = {"status": 200, "json": [odd, own]}
    history = {"venue": "binance", "method": "GET", "path_regex": "withdraw/history"}
    desk.fault(phase="before", action="status", args=listed, **history)

    def is_found() -> bool:
        desk.unit(lease)
        return sent(row).outcome == CallOutcome.DONE

    eventually(is_found)
    assert sent(row).venue_order_id == "w1"


def test_a_nameless_withdrawal_is_not_matched_beside_a_row_that_nobody_understands(
    desk: TestDesk, row: Cycle, lease: Lease
) -> None:
    asked = sent(row).request
    alike = {
        "id": "w1", "coin": "XRP", "status": 4, "amount": asked["quantity"], "txId": "",
        "transactionFee": asked["network_fee"], "network": asked["network"],
        "applyTime": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S"), "withdrawOrderId": "",
    }  # fmt: skip
    listed = {"status": 200, "json": [alike | {"id": "odd", "status": 77}, alike]}
    history = {"venue": "binance", "method": "GET", "path_regex": "withdraw/history"}
    desk.fault(phase="before", action="status", args=listed, **history)

    def is_looked_at() -> bool:
        desk.unit(lease)
        return SeenWithdrawal.objects.exists()

    eventually(is_looked_at)
    assert sent(row).outcome == CallOutcome.UNKNOWN


@pytest.fixture
def withdrawal(row: Cycle, lease: Lease) -> ExchangeCall:
    """Give a dead letter's withdrawal, of unknown outcome, that a look has shown under our own id."""
    give_back(lease)
    ago = F("noted_at") - timedelta(hours=1)
    ExchangeCall.objects.filter(cycle=row).update(noted_at=ago)
    fail(row, FailureClass.BUG)
    call = sent(row)
    SeenWithdrawal.objects.create(
        venue="binance", venue_withdrawal_id="w1", client_withdrawal_id=call.client_order_id,
        asset="XRP", quantity=Decimal(call.request["quantity"]), network_fee=0, status="pending",
        look=1, first_seen_at=Now(), changed_at=Now(),
    )  # fmt: skip
    return call


def test_of_a_withdrawal_that_a_look_shows_nobody_states_that_it_never_was(
    desk: TestDesk, withdrawal: ExchangeCall
) -> None:
    row = withdrawal.cycle
    with pytest.raises(NotAllowedNowError, match=SHOWN):
        state_absent(row)
    intervening.redrive(row.pk, actor=operator(), reason="go on", seen_version=row.version)

    def is_booked() -> bool:
        desk.step(row)
        return is_settled(withdrawal)

    eventually(is_booked)
    assert len(withdrawals(desk, "binance")) == 1


def test_of_a_withdrawal_that_looks_showed_once_nobody_states_that_it_never_was(
    withdrawal: ExchangeCall,
) -> None:
    row = withdrawal.cycle
    seen = SeenWithdrawal.objects.get(client_withdrawal_id=withdrawal.client_order_id)
    seen_before_it_died(seen)
    SeenWithdrawal.objects.filter(pk=seen.pk).update(is_shown=False)
    with pytest.raises(NotAllowedNowError, match=SHOWN):
        state_absent(row)
    Cycle.objects.filter(pk=row.pk).update(status_since=Now())
    row.refresh_from_db()
    settle_by_hand(row, MONEY)
    assert (row.status, is_settled(withdrawal)) == (CycleStatus.COMPLETED, True)
    assert (withdrawal.outcome, withdrawal.venue_order_id) == (CallOutcome.DONE, "w1")


def test_a_withdrawal_that_a_look_shows_again_while_the_form_lies_open_is_settled_by_nobodys_word(
    withdrawal: ExchangeCall,
) -> None:
    row = withdrawal.cycle
    seen = SeenWithdrawal.objects.get(client_withdrawal_id=withdrawal.client_order_id)
    seen_before_it_died(seen)
    Cycle.objects.filter(pk=row.pk).update(status_since=Now())
    row.refresh_from_db()
    SeenWithdrawal.objects.filter(pk=seen.pk).update(status="done", changed_at=Now())
    with pytest.raises(UnresolvedCallError, match="state first whether it was accepted"):
        settle_by_hand(row, MONEY)
    assert not is_settled(withdrawal)
