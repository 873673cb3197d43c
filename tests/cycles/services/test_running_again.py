"""A transaction that is rolled back at its very end runs again, and does everything once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

import pytest
from django.db import IntegrityError, OperationalError

from cycles.domain.plan import client_order_id
from cycles.domain.words import CallOutcome
from cycles.models import Cycle, ExchangeCall, Fill, Posting, Step
from cycles.services import calling
from cycles.services.calling import Noted
from cycles.services.intents import order_intent
from cycles.services.moving import Lease
from cycles.services.settling import market_of, settle_order
from exchanges import registry
from exchanges.values import OrderReport, OrderRequest, Side
from tests.builders import person
from tests.desk import TestDesk


@dataclass(frozen=True)
class Bought:
    """An order that a venue has filled, and nobody has noted."""

    lease: Lease
    call: ExchangeCall
    noted: Noted

    @property
    def report(self) -> OrderReport:
        assert isinstance(self.noted.report, OrderReport)
        return self.noted.report


def bought(desk: TestDesk) -> Bought:
    """Buy as a worker does, up to the answer."""
    person("alice", "administrator")
    row = desk.open()
    book = {"venue": "binance", "symbol": "XRPUSDT", "mid": "2", "quantity": "100000"}
    desk.control("/control/book", book)  # the order is to be filled, however slow we are
    lease = desk.lease(row)
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
    return Bought(lease, call, calling.called(call, lambda: venue.place_order(request)))


def test_an_outcome_whose_transaction_is_lost_at_its_end_is_noted_and_settled_once(
    committed_desk: TestDesk,
) -> None:
    one = bought(committed_desk)
    runs: list[bool] = []

    def settle(cycle: Cycle, written: ExchangeCall) -> None:
        settle_order(cycle, written, one.report)
        runs.append(written.is_settled)
        if len(runs) == 1:
            raise OperationalError("the connection was lost")

    calling.note(one.lease, one.call, one.noted, settle)

    assert runs == [True, True]
    kept = ExchangeCall.objects.get(pk=one.call.pk)
    assert (kept.outcome, kept.is_settled) == (CallOutcome.DONE, True)
    assert Fill.objects.filter(call=kept).count() == len(kept.report["fills"]) > 0
    assert Posting.objects.filter(key=f"order:{kept.client_order_id}").count() == 1
    assert one.call.report["venue_order_id"] == kept.venue_order_id


def test_an_outcome_is_noted_even_where_the_database_refuses_all_that_follows_from_it(
    committed_desk: TestDesk,
) -> None:
    one = bought(committed_desk)

    def settle(cycle: Cycle, written: ExchangeCall) -> None:
        settle_order(cycle, written, replace(one.report, fills=one.report.fills * 2))

    with pytest.raises(IntegrityError, match="fill_once"):
        calling.note(one.lease, one.call, one.noted, settle)

    kept = ExchangeCall.objects.get(pk=one.call.pk)
    assert (kept.outcome, kept.is_settled) == (CallOutcome.DONE, False)
    assert kept.venue_order_id == one.report.venue_order_id
    assert not Fill.objects.exists()
    assert not Posting.objects.filter(key=f"order:{kept.client_order_id}").exists()
