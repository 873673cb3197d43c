"""An order that its venue does not find, and for which it has locked the funds, is not absent: there only time bounds what is late."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db.models.functions import Now

from cycles.domain.words import CallOutcome
from cycles.models import ExchangeCall, Step
from cycles.services import gathering, reconciling
from exchanges import registry
from exchanges.values import Market, OrderRequest, Side, WithdrawalRequest
from tests import builders
from tests.cycles.services.test_outcome_rules import said
from tests.cycles.services.test_stating import RESTS
from tests.desk import TestDesk

pytestmark = pytest.mark.django_db

XRP = Market("XRP", "KRW")
# Seconds: Upbit's 10 are over, and the minute after which a person is asked.
WINDOW, PERSON = 11, 71
LATE = {"fault": "F15", "venue": "upbit", "method": "GET", "args": {"value": 600_000}}
LONG_AGO = Now() - timedelta(minutes=1)
SIDES = pytest.mark.parametrize("side", [Side.BUY, Side.SELL])


@pytest.fixture(autouse=True)
def _has_coins(desk: TestDesk) -> None:
    desk.control("/control/balances", {"venue": "upbit", "asset": "XRP", "credit": "5000"})


def lost(
    side: Side,
    outcome: CallOutcome = CallOutcome.UNKNOWN,
    *,
    quantity: str = "2000",
    **facts: Any,
) -> ExchangeCall:
    """Write an order at Upbit whose reply was lost, of a dead letter."""
    price = registry.venue("upbit").book(XRP).asks[0].price
    request = {"market": "XRP/KRW", "side": side, "quantity": quantity, "limit_price": str(price)}
    row = builders.dead_letter()
    return builders.order_call(row, outcome, venue="upbit", request=request, duration_ms=0, **facts)


def taken(desk: TestDesk, call: ExchangeCall) -> None:
    """Let Upbit take an order and not execute it yet, so that it has its funds locked."""
    desk.fault(
        fault="F13", action="rests", args={"value": "0"}, when="once", venue="upbit", method="POST",
        path_regex="/v1/orders$",
    )  # fmt: skip
    asked = call.request
    registry.venue("upbit").place_order(
        OrderRequest(
            market=XRP,
            side=Side(asked["side"]),
            quantity=Decimal(asked["quantity"]),
            limit_price=Decimal(asked["limit_price"]),
            client_order_id=call.client_order_id,
        )
    )


def accepted(desk: TestDesk, side: Side) -> ExchangeCall:
    """Let another order of ours rest at Upbit, known to have been accepted a minute ago."""
    call = lost(side, CallOutcome.DONE, report=RESTS, noted_at=LONG_AGO)
    taken(desk, call)
    return call


def hidden(desk: TestDesk) -> None:
    """Let Upbit find no order; what its account has locked it shows."""
    desk.fault(path_regex="/v1/orders?(/uuids)?$", **LATE)


def looks(desk: TestDesk) -> int:
    """Count how often Upbit was asked for its balances."""
    rows = desk.control("/control/requests")
    return sum((one["venue"], one["path"]) == ("upbit", "/v1/accounts") for one in rows)


@SIDES
def test_an_order_that_is_taken_and_not_shown_yet_is_not_absent(desk: TestDesk, side: Side) -> None:
    call = lost(side)
    taken(desk, call)
    hidden(desk)
    assert said(call, WINDOW) == "UNKNOWN"
    assert said(call, PERSON) == "UNKNOWN_ORDER"
    desk.control("/control/faults", method="DELETE")
    assert said(call, WINDOW) == "DONE"


@SIDES
def test_an_order_that_never_arrived_is_absent_while_anothers_has_as_much_locked(
    desk: TestDesk, side: Side
) -> None:
    accepted(desk, side)
    call, before = lost(side), looks(desk)
    assert said(call, WINDOW) == "ABSENT"
    assert looks(desk) == before + 1


def test_an_order_of_ours_that_has_ended_since_explains_nothing(desk: TestDesk) -> None:
    ended = accepted(desk, Side.BUY)
    registry.venue("upbit").cancel_order(XRP, client_order_id=ended.client_order_id)
    taken(desk, lost(Side.BUY))
    assert said(lost(Side.BUY), WINDOW) == "UNKNOWN"


def test_what_is_locked_by_a_buy_whose_limit_is_not_known_explains_nothing(desk: TestDesk) -> None:
    """Of an order that catching up wrote the venue has not told what it locks."""
    call = lost(Side.BUY)
    other = builders.order_call(
        builders.dead_letter(), CallOutcome.DONE, venue="upbit", report=RESTS, noted_at=LONG_AGO,
        request={"market": "XRP/KRW", "side": "buy", "quantity": "2000"},
    )  # fmt: skip
    other.request["limit_price"] = call.request["limit_price"]  # as Upbit knows it
    taken(desk, other)
    assert said(call, WINDOW) == "UNKNOWN"


def test_what_is_locked_by_an_order_that_was_accepted_only_since_explains_nothing(
    desk: TestDesk,
) -> None:
    """What explains it must have been there when the balance was read."""
    accepted(desk, Side.BUY)
    call = lost(Side.BUY)
    later = ExchangeCall.objects.filter(outcome=CallOutcome.DONE)
    later.update(noted_at=Now() + timedelta(minutes=1))
    assert said(call, WINDOW) == "UNKNOWN"


def test_what_is_locked_in_another_currency_or_of_less_denies_nothing(desk: TestDesk) -> None:
    taken(desk, lost(Side.SELL))
    bought, more = lost(Side.BUY), lost(Side.SELL, quantity="2001")
    assert said(bought, WINDOW) == "ABSENT"
    assert said(more, WINDOW) == "ABSENT"


def test_a_sale_is_absent_while_a_withdrawal_of_ours_has_its_coins_locked(desk: TestDesk) -> None:
    call = lost(Side.SELL)
    sent = sending(desk)
    assert said(call, WINDOW) == "ABSENT"
    again = lost(Side.SELL)
    ExchangeCall.objects.filter(pk=sent.pk).update(venue_order_id="of somebody else")
    assert said(again, WINDOW) == "UNKNOWN"


def test_a_withdrawal_whose_coins_have_left_explains_nothing_that_is_locked(desk: TestDesk) -> None:
    """It is under way until it is confirmed, and locks nothing any more."""
    sending(desk, args={"value": "stuck_with_txid"})
    call = lost(Side.SELL)
    taken(desk, call)
    hidden(desk)
    assert said(call, WINDOW) == "UNKNOWN"


def sending(desk: TestDesk, **how: Any) -> ExchangeCall:
    """Let Upbit have taken a withdrawal of ours that it has not sent yet, or not confirmed."""
    desk.fault(fault="F28", venue="upbit", when="once", **how)
    to = builders.confirmed_address("upbit", venue="binance")
    sent = registry.venue("upbit").withdraw(
        WithdrawalRequest(
            destination=to.destination,
            quantity=Decimal(2000),
            network_fee=Decimal(1),
            client_withdrawal_id="ours",
        )
    )
    row = builders.dead_letter()
    Step.objects.filter(cycle=row, kind="WITHDRAW").update(venue="upbit", to_venue="binance")
    return builders.withdrawal_call(
        row, venue="upbit", destination=to, noted_at=LONG_AGO,
        venue_order_id=sent.venue_withdrawal_id,
        report={"asset": "XRP", "quantity": "2000", "network_fee": "1", "status": "pending"},
    )  # fmt: skip


def test_the_absences_of_many_cycles_at_a_venue_share_one_look_at_its_balances(
    desk: TestDesk,
) -> None:
    calls = ExchangeCall.objects.filter(pk__in=[lost(Side.BUY).pk for _ in range(3)])
    before = looks(desk)
    assert reconciling.reconcile_open_calls().resolved == 0  # the first "not found"
    assert looks(desk) == before
    calls.update(missed_at=LONG_AGO)
    assert reconciling.reconcile_open_calls().resolved == 3
    assert set(calls.values_list("outcome", flat=True)) == {"ABSENT"}
    assert looks(desk) == before + 1


def test_who_was_asked_for_long_after_the_balances_were_read_has_them_read_again(
    desk: TestDesk,
) -> None:
    """Its order may have come meanwhile."""
    early, late = lost(Side.BUY), lost(Side.BUY)
    among, before = gathering.Gathered([early, late], None), looks(desk)
    assert among.withheld(early) == ""
    taken(desk, late)
    assert looks(desk) == before + 1
    among._locked_since["upbit"] -= gathering.SECOND_LOOK  # so much time passes
    assert late.client_order_id in among.withheld(late)
    assert looks(desk) == before + 2


def test_no_order_is_absent_while_the_balances_cannot_be_read(desk: TestDesk) -> None:
    call = lost(Side.BUY)
    desk.fault(fault="F3", venue="upbit", method="GET", path="/v1/accounts", when="always")
    assert said(call, WINDOW) in {"UNKNOWN", "TRANSIENT"}
    call.refresh_from_db()
    assert call.outcome == CallOutcome.UNKNOWN
