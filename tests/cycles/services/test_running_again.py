"""A transaction that is rolled back at its very end runs again, and does everything once."""

from __future__ import annotations

from decimal import Decimal

from django.db import OperationalError

from cycles.domain.plan import client_order_id
from cycles.domain.words import CallOutcome
from cycles.models import Cycle, ExchangeCall, Fill, Posting, Step
from cycles.services import calling
from cycles.services.intents import order_intent
from cycles.services.settling import market_of, settle_order
from exchanges import registry
from exchanges.values import OrderReport, OrderRequest, Side
from tests.builders import person
from tests.desk import TestDesk


def test_an_outcome_whose_transaction_is_lost_at_its_end_is_noted_and_settled_once(
    committed_desk: TestDesk,
) -> None:
    person("alice", "administrator")
    row = committed_desk.open()
    book = {"venue": "binance", "symbol": "XRPUSDT", "mid": "2", "quantity": "100000"}
    committed_desk.control("/control/book", book)  # the order is to be filled, however slow we are
    lease = committed_desk.lease(row)
    step = Step.objects.get(cycle=row, position=1)
    venue = registry.venue("binance")
    request = OrderRequest(
        market=market_of(step),
        side=Side.BUY,
        quantity=Decimal(100),
        limit_price=Decimal("2.1"),
        client_order_id=client_order_id(row.pk, position=1, attempt=1),
    )
    call = calling.intend(lease, step, order_intent(request))
    noted = calling.called(call, lambda: venue.place_order(request))
    runs: list[bool] = []

    def settle(cycle: Cycle, written: ExchangeCall) -> None:
        assert isinstance(noted.report, OrderReport)
        settle_order(cycle, written, noted.report)
        runs.append(written.is_settled)
        if len(runs) == 1:
            raise OperationalError("the connection was lost")

    calling.note(lease, call, noted, settle)

    assert runs == [True, True]
    kept = ExchangeCall.objects.get(pk=call.pk)
    assert (kept.outcome, kept.is_settled) == (CallOutcome.DONE, True)
    assert Fill.objects.filter(call=call).count() == len(kept.report["fills"]) > 0
    assert Posting.objects.filter(key=f"order:{call.client_order_id}").count() == 1
    assert call.report["venue_order_id"] == kept.venue_order_id
