"""Lost replies: evidence decides, nothing is sent twice (the venues' own logs are counted)."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db.models.functions import Now

from cycles.domain.plan import client_order_id
from cycles.domain.progress import Turn
from cycles.domain.words import CallOutcome, CycleStatus
from cycles.models import Alert, Cycle, ExchangeCall, Step
from cycles.services import (
    advancing,
    calling,
    dead_letters,
    intervening,
    reconciling,
    resolving,
    verifying,
)
from cycles.services.intents import order_intent
from cycles.services.resolving import Resolution, ResolutionOutcome
from cycles.services.settling import market_of
from exchanges import registry
from exchanges.values import OrderRequest, Side, WithdrawalRequest
from tests.cycles.services.acts import (
    accepted,
    age,
    claimed,
    give_back,
    outcomes,
    units_until,
    withdrawals,
)
from tests.desk import TestDesk, operator

ORDERS = {"binance": "/api/v3/order", "upbit": "/v1/orders"}
SENDING = {"binance": "/sapi/v1/capital/withdraw/apply", "upbit": "/v1/withdraws/coin"}
SECOND_LOOK = 5  # seconds after the first "not found"
LOST = ("F2", "F4", "F5", "F6", "F7", "F8", "F9", "F17", "F33", "F34")


@pytest.fixture(autouse=True)
def _short_patience(settings: Any) -> None:
    """Let a venue hang for two seconds only."""
    settings.KIMP_VENUE_DEADLINE_SECONDS = 2
    registry.forget()


def lose(desk: TestDesk, fault: str, venue: str, path: str) -> None:
    """Let the reply to the next order or withdrawal get lost."""
    more = {"phase": "after_accept"} if fault == "F17" else {}
    desk.fault(fault=fault, venue=venue, method="POST", path_regex=f"{path}$", when="once", **more)


def unknown(row: Cycle) -> ExchangeCall:
    """Give the cycle's one open call."""
    return ExchangeCall.objects.get(cycle=row, outcome=CallOutcome.UNKNOWN)


@pytest.mark.parametrize("fault", LOST)
def test_a_buy_whose_reply_was_lost_is_adopted_and_not_sent_again(
    desk: TestDesk, fault: str
) -> None:
    row = desk.open()
    lose(desk, fault, "binance", ORDERS["binance"])
    lease = desk.lease(row)
    desk.unit(lease)
    assert outcomes(row) == ["UNKNOWN"]
    lost = unknown(row).client_order_id
    for _ in range(3):
        desk.unit(lease)
    assert ExchangeCall.objects.get(client_order_id=lost).is_settled
    assert desk.posts("binance", ORDERS["binance"]) == 1
    assert accepted(desk, "binance") == {lost: 1}


@pytest.mark.parametrize("fault", ["F4", "F8"])
def test_a_sale_at_upbit_whose_reply_was_lost_is_adopted(desk: TestDesk, fault: str) -> None:
    row = desk.open()
    lose(desk, fault, "upbit", ORDERS["upbit"])
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    calls = ExchangeCall.objects.filter(cycle=row, venue="upbit", operation="PLACE_ORDER")
    assert desk.posts("upbit", ORDERS["upbit"]) == 1
    assert accepted(desk, "upbit") == {calls.get().client_order_id: 1}
    assert verifying.verify_ledger().matches_venues


@pytest.mark.parametrize("fault", ["F1", "F3"])
def test_an_order_that_never_was_is_absent_only_after_the_venues_window(
    desk: TestDesk, fault: str
) -> None:
    row = desk.open()
    lose(desk, fault, "binance", ORDERS["binance"])
    lease = desk.lease(row)
    desk.unit(lease)
    lost = unknown(row).client_order_id
    assert desk.unit(lease).turn is Turn.WAIT
    age(row, 14)
    assert desk.unit(lease).turn is Turn.WAIT
    assert unknown(row).client_order_id == lost
    age(row, 2)
    assert desk.unit(lease).turn is Turn.WAIT  # one answer proves nothing yet
    age(row, SECOND_LOOK)
    assert desk.unit(lease).turn is Turn.GO_ON
    assert ExchangeCall.objects.get(client_order_id=lost).outcome == CallOutcome.ABSENT
    desk.unit(lease)
    assert desk.posts("binance", ORDERS["binance"]) == 2
    assert lost not in accepted(desk, "binance")
    assert set(accepted(desk, "binance").values()) == {1}


def test_a_duplicate_that_the_venue_names_is_looked_up_not_taken_for_a_refusal(
    desk: TestDesk,
) -> None:
    row = desk.open()
    lose(desk, "F11", "binance", ORDERS["binance"])
    lease = desk.lease(row)
    desk.unit(lease)
    assert unknown(row).refusal_reason == "duplicate"
    assert desk.unit(lease).turn is Turn.WAIT
    assert desk.posts("binance", ORDERS["binance"]) == 1


def test_read_lag_is_not_taken_for_absence(desk: TestDesk) -> None:
    row = desk.open()
    lose(desk, "F4", "binance", ORDERS["binance"])
    desk.fault(fault="F15", venue="binance", path_regex="/api/v3/order$", times=3)
    lease = desk.lease(row)
    desk.unit(lease)
    assert desk.unit(lease).turn is Turn.WAIT  # the venue does not show it yet
    desk.control("/control/faults", method="DELETE")
    desk.unit(lease)
    assert outcomes(row) == ["DONE"]
    assert desk.posts("binance", ORDERS["binance"]) == 1


@pytest.mark.parametrize("venue", ["binance", "upbit"])
def test_a_withdrawal_whose_reply_was_lost_is_found_and_not_sent_again(
    desk: TestDesk, venue: str
) -> None:
    row = desk.open()
    lose(desk, "F24", venue, SENDING[venue])
    desk.drive_until(row, "COMPLETED")
    sent = ExchangeCall.objects.filter(cycle=row, venue=venue, operation="WITHDRAW")
    assert [call.outcome for call in sent] == ["DONE"]
    assert desk.posts(venue, SENDING[venue]) == 1
    assert len(withdrawals(desk, venue)) == 1
    assert verifying.verify_ledger().matches_venues


def dead_by_unknown_withdrawal(desk: TestDesk) -> Cycle:
    """Lose a withdrawal before the venue took it, and wait beyond the grace."""
    row = desk.open()
    give_back(units_until(desk, row, "BUY"))
    lose(desk, "F25", "binance", SENDING["binance"])
    desk.step(row)
    assert outcomes(row)[-1] == "UNKNOWN"
    age(row, 61)
    return desk.drive_until(row, "DEAD_LETTER")


def test_an_unknown_withdrawal_is_never_resent_but_a_dead_letter(desk: TestDesk) -> None:
    row = dead_by_unknown_withdrawal(desk)
    assert (row.failure_class, row.retry_count) == ("UNKNOWN_WITHDRAWAL", 0)
    assert "proves nothing" in row.failure_reason
    assert Alert.objects.filter(cycle=row, key__startswith="dead_letter").count() == 1
    assert dead_letters.process_dead_letters() == 0
    assert reconciling.reconcile_open_calls().still_unknown == 1
    assert desk.posts("binance", SENDING["binance"]) == 1
    assert withdrawals(desk, "binance") == []


def test_a_redrive_of_an_unknown_withdrawal_asks_again_and_sends_nothing(desk: TestDesk) -> None:
    row = dead_by_unknown_withdrawal(desk)
    intervening.redrive(row.pk, actor=operator(), reason="try", seen_version=row.version)
    row.refresh_from_db()
    desk.drive_until(row, "DEAD_LETTER")
    assert desk.posts("binance", SENDING["binance"]) == 1


def test_what_a_person_states_as_never_accepted_is_sent_anew_under_a_new_id(
    desk: TestDesk,
) -> None:
    row = dead_by_unknown_withdrawal(desk)
    resolving.resolve(
        row.pk, actor=operator(), reason="support says so", seen_version=row.version,
        resolution=Resolution(outcome=ResolutionOutcome.CALL_ABSENT, evidence="ticket 7"),
    )  # fmt: skip
    row.refresh_from_db()
    intervening.redrive(row.pk, actor=operator(), reason="go on", seen_version=row.version)
    row.refresh_from_db()
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    sent = ExchangeCall.objects.filter(cycle=row, venue="binance", operation="WITHDRAW")
    assert [(call.attempt, call.outcome) for call in sent] == [(1, "ABSENT"), (2, "DONE")]
    assert len(withdrawals(desk, "binance")) == 1


def test_two_withdrawals_that_look_alike_are_not_guessed_between(desk: TestDesk) -> None:
    row = desk.drive_until(desk.open(), "INITIAL_TRADE_COMPLETED")
    lease = units_until(desk, row, "BUY", "upbit")
    lose(desk, "F24", "upbit", SENDING["upbit"])
    desk.unit(lease)
    call = unknown(row)
    rows = registry.venue("upbit").withdrawals(call.request["asset"], since=call.intended_at)
    assert call.destination is not None
    more = {"venue": "upbit", "asset": call.request["asset"], "credit": "100000"}
    desk.control("/control/balances", more)
    registry.venue("upbit").withdraw(
        WithdrawalRequest(
            destination=call.destination.destination,
            quantity=Decimal(call.request["quantity"]),
            network_fee=Decimal(call.request["network_fee"]),
            client_withdrawal_id="another",
        )
    )
    assert len(rows) == 1
    progress = desk.unit(lease)
    assert (progress.turn, progress.failure) == (Turn.FAIL, "UNKNOWN_WITHDRAWAL")
    assert "look like" in progress.reason


def left_behind(desk: TestDesk, row: Cycle, *, sent: bool) -> ExchangeCall:
    """Intend an order as a worker does that dies before noting, or even before sending."""
    lease = desk.lease(row)
    step = Step.objects.filter(cycle=row, kind="BUY")[0]
    venue = registry.venue("binance")
    book = venue.book(market_of(step))
    request = OrderRequest(
        market=book.market,
        side=Side.BUY,
        quantity=Decimal(100),
        limit_price=book.asks[5].price,
        client_order_id=client_order_id(row.pk, position=step.position, attempt=1),
    )
    call = calling.intend(lease, step, order_intent(request))
    if sent:
        venue.place_order(request)
    give_back(lease)
    return call


@pytest.mark.parametrize("is_stale", [True, False])
def test_only_who_may_have_the_call_begins_its_window(desk: TestDesk, is_stale: bool) -> None:
    """A worker that slept past its lease finds the newest's intent, which may be about to be sent."""
    row = desk.open()
    lost = desk.lease(row, "sleeper")
    Cycle.objects.filter(pk=row.pk).update(lease_expires_at=Now())
    call = left_behind(desk, row, sent=False)
    looker = lost if is_stale else desk.lease(row, "newest")
    advancing.advance(looker)
    call.refresh_from_db()
    assert (call.outcome, call.noted_at is None) == (
        ("INTENDED", True) if is_stale else ("UNKNOWN", False)
    )


def test_an_intent_whose_worker_died_after_sending_is_adopted(desk: TestDesk) -> None:
    row = desk.open()
    call = left_behind(desk, row, sent=True)
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    assert ExchangeCall.objects.get(pk=call.pk).is_settled
    assert accepted(desk, "binance")[call.client_order_id] == 1
    assert set(accepted(desk, "binance").values()) == {1}
    assert verifying.verify_ledger().matches_venues


def test_an_intent_whose_worker_died_is_never_sent_by_another(desk: TestDesk) -> None:
    row = desk.open()
    call = left_behind(desk, row, sent=False)
    desk.step(row)
    assert desk.posts("binance", ORDERS["binance"]) == 0
    assert outcomes(row) == ["UNKNOWN"]
    age(row, 21)
    desk.step(row)
    assert outcomes(row) == ["UNKNOWN"]
    age(row, SECOND_LOOK)
    desk.step(row)
    assert ExchangeCall.objects.get(pk=call.pk).outcome == CallOutcome.ABSENT
    assert call.client_order_id not in accepted(desk, "binance")


def test_the_sweep_reconciles_what_no_worker_holds(desk: TestDesk) -> None:
    row = desk.open()
    lose(desk, "F4", "binance", ORDERS["binance"])
    lease = desk.lease(row)
    desk.unit(lease)
    held = reconciling.reconcile_open_calls()
    assert held.looked_at == 0
    give_back(lease)
    swept = reconciling.reconcile_open_calls()
    assert (swept.looked_at, swept.resolved, swept.still_unknown) == (1, 1, 0)
    assert outcomes(row) == ["DONE"]
    row.refresh_from_db()
    assert row.status == CycleStatus.STARTED  # facts are noted; deciding is a worker's


def test_one_cycles_calls_can_be_reconciled_by_hand(desk: TestDesk) -> None:
    row = desk.open()
    lose(desk, "F4", "binance", ORDERS["binance"])
    give_back(claimed(row))
    desk.unit(desk.lease(row))
    done = reconciling.reconcile_cycle(row.pk)
    assert (done.looked_at, done.resolved) == (1, 1)


def test_a_request_that_never_left_is_tried_again_under_a_new_id(desk: TestDesk) -> None:
    row = desk.open()
    lease = desk.lease(row)
    Cycle.objects.filter(pk=row.pk).update(lease_expires_at=Now() - timedelta(seconds=1))
    progress = desk.unit(lease)
    assert (progress.turn, progress.failure) == (Turn.FAIL, "TRANSIENT")
    assert outcomes(row) == ["NOT_SENT"]
    assert desk.posts("binance", ORDERS["binance"]) == 0
    desk.step(row)
    assert set(accepted(desk, "binance").values()) == {1}
