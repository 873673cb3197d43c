"""What was seen at a venue is forgotten when it is old, but for what tells of a cycle that has not ended."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from cycles.domain.words import CallOutcome, CycleStatus, FailureClass
from cycles.models import ExchangeCall, SeenDeposit, SeenOrder, SeenWithdrawal
from cycles.services import pruning
from cycles.services.resolving import Received
from tests import builders
from tests.benchmarks import copying
from tests.cycles.services.acts import fail, holding_coins
from tests.cycles.services.test_stating import cancel_of, order, settle_by_hand

__all__ = ["order"]

pytestmark = pytest.mark.django_db
See = Callable[[ExchangeCall], Any]
LONG_AGO = Now() - timedelta(days=101)
SEEN = {"look": 1, "first_seen_at": LONG_AGO, "changed_at": LONG_AGO}


def an_order(call: ExchangeCall) -> SeenOrder:
    """Write that an order was seen long ago."""
    return SeenOrder.objects.create(
        venue=call.venue, client_order_id=call.client_order_id, venue_order_id="7", status="open",
        market="XRP/USDT", quantity=2000, executed_quantity=0, **SEEN,
    )  # fmt: skip


def a_withdrawal(call: ExchangeCall, **facts: Any) -> SeenWithdrawal:
    """Write that a withdrawal was seen long ago."""
    columns: dict[str, Any] = {"venue_withdrawal_id": "w1", "asset": call.request["asset"]}
    told = {"quantity": 1990, "network_fee": 0, "status": "done", **SEEN}
    return SeenWithdrawal.objects.create(venue=call.venue, **(columns | told | facts))


def under_our_id(call: ExchangeCall) -> SeenWithdrawal:
    return a_withdrawal(call, client_withdrawal_id=call.client_order_id)


def without_our_id(call: ExchangeCall) -> SeenWithdrawal:
    return a_withdrawal(call)


def a_deposit(call: ExchangeCall) -> SeenDeposit:
    """Write that what a withdrawal sent was seen to arrive long ago."""
    return SeenDeposit.objects.create(
        venue="upbit", venue_deposit_id="d1", asset="XRP", quantity=1990, txid="AB-12",
        txid_key="ab12", status="credited", **SEEN,
    )  # fmt: skip


def open_order() -> ExchangeCall:
    return builders.order_call(fail(holding_coins(), FailureClass.BUG), CallOutcome.UNKNOWN)


def unsettled_order() -> ExchangeCall:
    return builders.order_call(fail(holding_coins(), FailureClass.BUG), venue_order_id="7")


def open_withdrawal() -> ExchangeCall:
    """Give a withdrawal of which nobody knows whether it was accepted, sent long ago."""
    row = fail(holding_coins(), FailureClass.BUG)
    unknown: dict[str, Any] = {"outcome": CallOutcome.UNKNOWN, "noted_at": LONG_AGO}
    return builders.withdrawal_call(row, intended_at=LONG_AGO - timedelta(days=1), **unknown)


def unsettled_withdrawal() -> ExchangeCall:
    row = fail(holding_coins(), FailureClass.BUG)
    return builders.withdrawal_call(row, txid="ab12", venue_order_id="w1")


TOLD = [
    (open_order, an_order),
    (unsettled_order, an_order),
    (open_withdrawal, under_our_id),
    (open_withdrawal, without_our_id),
    (unsettled_withdrawal, without_our_id),
    (unsettled_withdrawal, a_deposit),
]


@pytest.mark.parametrize(("sent", "see"), TOLD)
def test_what_tells_of_a_request_of_a_cycle_that_goes_on_is_not_forgotten(
    sent: Callable[[], ExchangeCall], see: See
) -> None:
    """A person who states what came of a dead letter's request relies on it, however late."""
    seen = see(sent())
    assert pruning.prune().seen == 0
    assert type(seen).objects.filter(pk=seen.pk).exists()


def test_what_went_along_in_the_transaction_of_a_request_of_a_cycle_that_goes_on_is_not_forgotten() -> (
    None
):
    """Its credit is divided by what else was sent."""
    call = unsettled_withdrawal()
    along = a_withdrawal(call, venue_withdrawal_id="w2", txid="AB-12")
    a_withdrawal(call, venue_withdrawal_id="w3")
    assert pruning.prune().seen == 1
    assert SeenWithdrawal.objects.filter(pk=along.pk).exists()


def test_what_tells_of_a_cancels_order_is_not_forgotten(order: ExchangeCall) -> None:
    cancel_of(order)
    an_order(order)
    ExchangeCall.objects.filter(pk=order.pk).update(is_settled=True)
    assert pruning.prune().seen == 0


def test_what_tells_of_nothing_of_a_cycle_that_goes_on_is_forgotten() -> None:
    call = open_withdrawal()
    other = "1" * 32
    a_withdrawal(call, client_withdrawal_id=other, asset="ETH")
    a_withdrawal(call, venue_withdrawal_id="w2", changed_at=LONG_AGO - timedelta(days=2))
    a_deposit(call)
    assert pruning.prune().seen == 3


def test_what_tells_of_a_cycle_that_has_ended_is_forgotten(order: ExchangeCall) -> None:
    an_order(order)
    settle_by_hand(order.cycle, Received(venue="binance", asset="USDT", quantity=Decimal(990)))
    assert order.cycle.status == CycleStatus.COMPLETED
    assert pruning.prune().seen == 1


def test_no_call_of_a_cycle_that_has_ended_is_read(order: ExchangeCall) -> None:
    settle_by_hand(order.cycle, Received(venue="binance", asset="USDT", quantity=Decimal(990)))
    changed = copying.OWN_ID | {"client_order_id": "'c' || g", "attempt": "g + 1"}
    copying.copy("cycles_exchangecall", 5000, changed, where=f"t.id = {order.pk}")
    open_order()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE cycles_exchangecall, cycles_cycle")
        with CaptureQueriesContext(connection) as made:
            pruning.prune()
        seen = [one["sql"] for one in made.captured_queries if "cycles_seen" in one["sql"]]
        assert len(seen) == 3
        for statement in seen:
            cursor.execute(f"EXPLAIN {statement}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
            assert "Seq Scan on cycles_exchangecall" not in plan, plan
