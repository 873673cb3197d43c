"""Nothing is accepted as come or gone outside of kimp while anything that is known has to be explained still."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from cycles.models import Cycle, ExchangeCall, Posting
from cycles.services import homing
from exchanges import registry
from exchanges.values import Market, OrderRequest, Side
from tests.cycles.restoring.acts import (
    WORDS,
    assert_ledger_equals_venues,
    catch_up,
    driven_to,
    times_placed,
)
from tests.cycles.restoring.dumps import Backups
from tests.cycles.restoring.test_who_holds_it import settled_by_hand, wide_desk
from tests.desk import TestDesk

__all__ = ["wide_desk"]
pytestmark = pytest.mark.django_db(transaction=True)

NOTIONAL = "2000"


def accepted() -> list[str]:
    """Give what a person's word has booked as capital that came or went."""
    keys = Posting.objects.filter(key__startswith="capital:caught_up").order_by("pk")
    return list(keys.values_list("key", flat=True))


def test_an_order_that_was_sent_again_before_anybody_caught_up_is_a_dead_letters_and_nothing_is_accepted(
    committed_desk: TestDesk, backups: Backups
) -> None:
    desk = committed_desk
    cycle = desk.open()
    dump = backups.dump()
    driven_to(desk, cycle, 1)
    backups.restore(dump)
    homing.settle()  # as if the database were where it always was
    driven_to(desk, cycle, 1)
    assert times_placed(desk) == 2
    assert_ends_by_hand(cycle)


def sent_again(desk: TestDesk, cycle: Cycle) -> None:
    """Let Binance execute a cycle's first order a second time, by the same id."""
    own_id = ExchangeCall.objects.get(cycle=cycle).client_order_id
    market = Market.parse("XRP/USDT")
    book = registry.book("binance", market, newest=timedelta(seconds=9))
    order = OrderRequest(
        market=market,
        side=Side.BUY,
        quantity=Decimal(100),
        limit_price=book.asks[0].price,
        client_order_id=own_id,
    )
    registry.venue("binance").place_order(order)


def test_of_an_order_that_is_shown_twice_and_that_the_journal_has_forgotten_the_cycle_is_a_dead_letter(
    wide_desk: TestDesk, backups: Backups
) -> None:
    cycle = wide_desk.open("XRP", NOTIONAL)
    dump = backups.dump()
    driven_to(wide_desk, cycle, 1)
    sent_again(wide_desk, cycle)
    backups.restore(dump)
    assert_ends_by_hand(cycle)


def assert_ends_by_hand(cycle: Cycle) -> None:
    """A plain run and one that accepts leave it to a person, who settles it by hand; what differs then is accepted."""
    before = accepted()
    done = catch_up(*WORDS)
    assert (done["code"], done["parked"], done["is_in_step"]) == (1, [cycle.code], False)
    cycle.refresh_from_db()
    assert (cycle.status, cycle.failure_class) == ("DEAD_LETTER", "UNKNOWN_ORDER")
    assert "it is shown 2 times" in cycle.failure_reason
    done = catch_up("--accept", *WORDS)
    assert (done["code"], done["accepted"], done["is_in_step"]) == (1, [], False)
    assert any(
        told.startswith(f"no difference was accepted: what {cycle.code} did")
        for told in done["left"]
    )
    assert accepted() == before
    settled_by_hand(cycle)
    assert catch_up("--accept", *WORDS)["is_in_step"]
    assert_ledger_equals_venues()
