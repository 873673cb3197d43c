"""The proof of a day sees what it is there to see: an order of nobody's, a second withdrawal, money that is not there."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from exchanges import registry
from exchanges.values import Market, OrderRequest, Side
from kimp.demo import day_proof
from kimp.demo.day import Day
from kimp.demo.day_proof import prove_day
from kimp.demo.harm import Harm
from kimp.demo.housekeeper import Housekeeper
from kimp.demo.operator import Operator
from kimp.demo.website import Website
from tests.desk import TestDesk

OWN_ORDERS = "every order at a venue stands in the journal, and no other"
SINGLE = "no withdrawal was doubled"
OWN_WITHDRAWALS = "every withdrawal at a venue stands in the journal, and no other"
EXACT = "the ledger equals the venues to the last digit"
ENDED = "every cycle has ended"


@pytest.fixture
def played(desk: TestDesk, monkeypatch: pytest.MonkeyPatch) -> Day:
    """Give a day whose one cycle has come home."""
    monkeypatch.setattr(day_proof, "VENUES_ANSWER_WITHIN_SECONDS", 0)
    desk.drive_until(desk.open(), "COMPLETED")
    url = desk.running.control_url
    group: Any = None
    operator = Operator(
        website=Website(control_url=url), patience=timedelta(0), say=lambda _text: None
    )
    return Day(
        control_url=url,
        turn=lambda _seconds: True,
        say=lambda _text: None,
        wanted=1,
        operator=operator,
        harm=Harm(group=group, wanted=0, source=group),
    )


def broken(played: Day) -> set[str]:
    """Name the claims that do not hold."""
    proof = prove_day(played, Housekeeper(speed=1), seconds=1)
    return {claim for claim, holds in proof.claims.items() if not holds}


def test_a_day_that_went_well_is_proven(played: Day) -> None:
    assert broken(played) == set()


def test_an_order_that_the_journal_does_not_know_is_seen(played: Day) -> None:
    book = registry.venue("upbit").book(Market("XRP", "KRW"))
    price = book.asks[-1].price  # however the market moves meanwhile, it is filled
    stray = OrderRequest(
        market=Market("XRP", "KRW"), side=Side.BUY, quantity=Decimal(10), limit_price=price,
        client_order_id="kstray",
    )  # fmt: skip
    registry.venue("upbit").place_order(stray)
    assert broken(played) == {OWN_ORDERS, EXACT}


def test_a_withdrawal_that_went_out_twice_is_seen(played: Day, desk: TestDesk) -> None:
    (row, *_) = played.operator.website.withdrawals()
    again = row | {"venue_withdrawal_id": "second"}
    pages = played.operator.website.withdrawals
    twice = [*pages(), again]

    class Twice(Website):
        """Shows the withdrawal a second time."""

        def withdrawals(self) -> list[dict[str, Any]]:
            return twice

    played.operator.website = Twice(control_url=played.control_url)
    assert broken(played) == {SINGLE, OWN_WITHDRAWALS}


def test_money_that_is_not_where_the_ledger_has_it_and_a_cycle_under_way_are_seen(
    played: Day, desk: TestDesk
) -> None:
    desk.open()
    desk.control(
        "/control/balances", {"venue": "binance", "asset": "USDT", "credit": "-0.00000001"}
    )
    assert broken(played) == {ENDED, EXACT}
