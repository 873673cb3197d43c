"""Nothing is accepted as come or gone outside of kimp while anything that is known has to be explained still."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from cycles.domain import postings
from cycles.domain.words import AccountOwner, PostingKind
from cycles.models import Cycle, ExchangeCall, Posting
from cycles.services import booking, homing
from exchanges import registry
from exchanges.values import Market, OrderRequest, Side
from tests import builders
from tests.cycles.restoring.acts import (
    WORDS,
    assert_ends,
    assert_ledger_equals_venues,
    catch_up,
    driven_to,
    times_placed,
)
from tests.cycles.restoring.dumps import Backups
from tests.cycles.restoring.test_while_capital_lacks import has
from tests.cycles.restoring.test_who_holds_it import credited, settled_by_hand, wide_desk
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


def pays_fees_in_bnb(desk: TestDesk, quantity: int) -> None:
    """Let somebody pay in BNB, which Binance takes fees in from then on."""
    credited(desk, "BNB", Decimal(quantity))
    desk.control("/control/settings", {"bnb_usdt": "600"})
    builders.capital("binance", "BNB", quantity)
    builders.sample("BNB", global_bid=Decimal(600), krw_per_usdt_bid=Decimal(1400))


def test_bnb_that_was_paid_in_since_is_accepted_with_all_the_fees_that_were_paid_in_it(
    wide_desk: TestDesk, backups: Backups
) -> None:
    desk = wide_desk
    known = desk.open("XRP", NOTIONAL)
    dump = backups.dump()
    pays_fees_in_bnb(desk, 100)
    driven_to(desk, known, 1)
    later = driven_to(desk, desk.open("SOL", NOTIONAL), 2)

    backups.restore(dump)
    done = catch_up(*WORDS)
    assert (set(done["parked"]), done["is_in_step"]) == ({known.code, later.code}, False)
    known.refresh_from_db()
    assert known.failure_reason.endswith("if it was paid in since the backup, --accept books it")
    done = catch_up("--accept", *WORDS)
    assert (done["left"], done["remade"], done["is_in_step"]) == ([], [], True)
    assert sum(Decimal(line.split()[1]) for line in done["accepted"]) == 100
    assert all("BNB" in line for line in done["accepted"])
    assert_ledger_equals_venues()
    assert_ends(desk, beside=[known, later])


def test_of_fees_in_what_a_venue_has_less_of_than_the_ledger_says_nothing_came_in(
    wide_desk: TestDesk, backups: Backups
) -> None:
    """All BNB was taken out again, with what another cycle holds of it."""
    desk = wide_desk
    has(desk, "binance", "BNB", Decimal(1))
    known, holder = (desk.open("XRP", NOTIONAL) for _ in range(2))
    ways = {"origin": AccountOwner.DESK, "target": AccountOwner.CYCLE}
    lines = postings.moved("binance", "BNB", Decimal(1), **ways)
    booking.post("bnb", PostingKind.FILL, lines, cycle=holder)
    dump = backups.dump()
    pays_fees_in_bnb(desk, 100)
    driven_to(desk, known, 1)
    credited(desk, "BNB", -registry.venue("binance").balances()["BNB"].free)
    backups.restore(dump)
    before = accepted()
    done = catch_up("--accept", *WORDS)
    assert (done["accepted"], done["is_in_step"], accepted()) == ([], False, before)
    assert set(done["parked"]) == {known.code, holder.code}
