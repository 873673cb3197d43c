"""Nothing is accepted as come or gone outside of kimp while anything that is known has to be explained still."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from cycles.domain import postings
from cycles.domain.words import AccountOwner, FailureClass, PostingKind
from cycles.models import Account, Cycle, ExchangeCall, Posting
from cycles.services import booking, homing, opening
from exchanges import registry
from exchanges.values import DepositStatus, Market, OrderRequest, Side, WithdrawalRequest
from tests import builders
from tests.cycles.restoring.acts import (
    ACCEPT,
    WON,
    WORDS,
    XRP,
    assert_ends,
    assert_ledger_equals_venues,
    catch_up,
    credited,
    driven_to,
    has,
    looked_at,
    redrive,
    settled_by_hand,
    times_placed,
)
from tests.cycles.restoring.dumps import Backups
from tests.cycles.restoring.test_capital_again import completed, small_desk
from tests.cycles.restoring.test_not_there_yet import orders
from tests.cycles.restoring.test_unknown_withdrawals import BEYOND_THE_GRACE, REPLY_LOST
from tests.cycles.restoring.test_while_capital_lacks import ended_flat
from tests.cycles.services.acts import age, fail, give_back, set_policy
from tests.cycles.services.review import told as lists
from tests.cycles.services.test_rest_in_korea import return_only
from tests.desk import TestDesk, eventually, operator

__all__ = ["small_desk"]
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


def left_again(desk: TestDesk, cycle: Cycle) -> None:
    """Let coins leave Binance a second time, by the same id."""
    call = ExchangeCall.objects.get(cycle=cycle, operation="WITHDRAW")
    quantity, network_fee = (Decimal(call.report[name]) for name in ("quantity", "network_fee"))
    credited(desk, "binance", "XRP", quantity + network_fee)
    assert call.destination is not None
    registry.venue("binance").withdraw(
        WithdrawalRequest(
            destination=call.destination.destination,
            quantity=quantity,
            network_fee=network_fee,
            client_withdrawal_id=call.client_order_id,
        )
    )


@pytest.mark.parametrize("known", [1, 2])
def test_of_a_withdrawal_that_is_shown_twice_the_cycle_is_a_dead_letter_also_where_the_journal_knows_one(
    wide_desk: TestDesk, backups: Backups, known: int
) -> None:
    cycle = driven_to(wide_desk, wide_desk.open("XRP", NOTIONAL), known)
    dump = backups.dump()
    driven_to(wide_desk, cycle, 2)
    left_again(wide_desk, cycle)
    backups.restore(dump)
    assert_ends_by_hand(cycle, "UNKNOWN_WITHDRAWAL")


def assert_ends_by_hand(cycle: Cycle, failure: str = "UNKNOWN_ORDER") -> None:
    """A plain run and one that accepts leave it to a person, who settles it by hand; what differs then is accepted."""
    before = accepted()
    done = catch_up(*WORDS)
    assert (done["code"], done["parked"], done["is_in_step"]) == (1, [cycle.code], False)
    cycle.refresh_from_db()
    assert (cycle.status, cycle.failure_class) == ("DEAD_LETTER", failure)
    assert "it is shown 2 times" in cycle.failure_reason
    done = catch_up(*ACCEPT)
    assert (done["code"], done["accepted"], done["is_in_step"]) == (1, [], False)
    assert any(
        told.startswith(f"no difference was accepted: what {cycle.code} did")
        for told in done["left"]
    )
    assert accepted() == before
    settled_by_hand(cycle)
    assert catch_up(*ACCEPT)["is_in_step"]
    assert_ledger_equals_venues()


def pays_fees_in_bnb(desk: TestDesk, quantity: Decimal | int) -> None:
    """Let somebody pay in BNB, which Binance takes fees in from then on."""
    credited(desk, "binance", "BNB", quantity)
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
    done = catch_up(*ACCEPT)
    assert (done["left"], done["remade"], done["is_in_step"]) == ([], [], True)
    assert sum(Decimal(line.split()[1]) for line in done["accepted"]) == 100
    assert all("BNB" in line for line in done["accepted"])
    assert_ledger_equals_venues()
    assert_ends(desk, beside=[known, later])


def test_bnb_that_was_paid_in_is_accepted_also_where_less_is_left_of_it_than_there_was_before(
    wide_desk: TestDesk, backups: Backups
) -> None:
    desk = wide_desk
    has(desk, "binance", "BNB", Decimal("0.002"))
    known, other = desk.open("XRP", NOTIONAL), desk.open("SOL", NOTIONAL)
    dump = backups.dump()
    pays_fees_in_bnb(desk, Decimal("0.003"))
    for one in (known, other):
        driven_to(desk, one, 1)
    assert registry.venue("binance").balances()["BNB"].free < Decimal("0.002")
    backups.restore(dump)
    assert not catch_up(*WORDS)["is_in_step"]
    done = catch_up(*ACCEPT)
    assert (done["left"], done["is_in_step"]) == ([], True)
    assert sum(Decimal(line.split()[1]) for line in done["accepted"]) == Decimal("0.003")
    assert_ledger_equals_venues()


def test_cycles_that_came_home_meanwhile_give_back_their_capital_though_their_fees_were_paid_in_it(
    small_desk: TestDesk, backups: Backups
) -> None:
    desk = small_desk
    known = driven_to(desk, desk.open("XRP", NOTIONAL), 1)
    dump = backups.dump()
    pays_fees_in_bnb(desk, 100)
    desk.drive_until(known, "COMPLETED")
    ended = {completed(desk, asset).code for asset in ("SOL", "ETH")}
    later = driven_to(desk, desk.open("SOL", NOTIONAL), 1)
    backups.restore(dump)
    assert catch_up(*WORDS)["ended"] == []
    done = catch_up(*ACCEPT)
    assert (set(done["ended"]), done["left"]) == ({known.code, *ended}, [])
    assert (done["parked"], done["is_in_step"]) == ([later.code], True)
    assert_ledger_equals_venues()
    assert_ends(desk, later)


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
    credited(desk, "binance", "BNB", -registry.venue("binance").balances()["BNB"].free)
    backups.restore(dump)
    before = accepted()
    done = catch_up(*ACCEPT)
    assert (done["accepted"], done["is_in_step"], accepted()) == ([], False, before)
    assert set(done["parked"]) == {known.code, holder.code}


def swept(desk: TestDesk, venue: str, asset: str, quantity: Decimal) -> None:
    """Let somebody take out what is there ("convert small balances")."""
    credited(desk, venue, asset, -quantity)


def test_dust_that_was_swept_is_accepted_as_gone_and_is_missing_of_no_cycle(
    wide_desk: TestDesk, backups: Backups
) -> None:
    desk = wide_desk
    desk.drive_until(desk.open("XRP", NOTIONAL), "COMPLETED")
    left = Account.objects.filter(owner="DUST", balance__gt=0).order_by("-balance")
    venue, asset, dust = left.values_list("venue", "asset", "balance")[0]
    holder = driven_to(desk, desk.open(asset, NOTIONAL), 1 if venue == "binance" else 5)
    assert booking.held_by_cycle(holder, venue, asset) > dust
    swept(desk, venue, asset, dust)
    done = catch_up(*WORDS)
    assert (done["parked"], done["left"], done["is_in_step"]) == ([], [], False)
    assert catch_up(*ACCEPT)["is_in_step"]
    assert booking.desk_balance(venue, asset, AccountOwner.DUST) == 0
    assert_ends(desk, beside=[holder])


def arrived(venue: str, asset: str) -> None:
    """Wait until a venue has credited what was sent there."""

    def is_credited() -> bool:
        rows = (
            registry.venue(venue).all_deposits(since=registry.utc_now() - timedelta(hours=1)).rows
        )
        return (asset, DepositStatus.CREDITED) in {(one.asset, one.status) for one in rows}

    eventually(is_credited)


def test_beside_what_has_arrived_and_is_not_booked_nothing_is_accepted_before_it_is(
    wide_desk: TestDesk, backups: Backups
) -> None:
    desk = wide_desk
    cycle = driven_to(desk, desk.open("XRP", "4000"), 2)
    backups.restore(backups.dump())
    arrived("upbit", "XRP")
    credited(desk, "upbit", "XRP", 100)
    before = accepted()
    done = catch_up(*ACCEPT)
    assert (done["is_in_step"], done["accepted"], accepted()) == (False, [], before)
    (told,) = done["left"]
    assert told.startswith(
        f"no difference was accepted: XRP is on its way to upbit by {cycle.code}"
    )
    booked = Posting.objects.filter(cycle=cycle, kind=PostingKind.CREDITED)
    looked_at(desk, cycle, booked.exists)
    done = catch_up(*ACCEPT)
    assert (done["left"], done["accepted"]) == ([], ["upbit: 100 XRP"])
    assert_ledger_equals_venues()
    assert_ends(desk, beside=[cycle])


def flat_and_homeward(desk: TestDesk) -> tuple[Cycle, Cycle]:
    """Open one that holds all USDT there is at Binance, beside one that is to bring some home."""
    desk.sample()
    set_policy(allowed_assets=["USDT"])
    homeward = opening.open_return_only(notional_krw=WON, actor=operator(), reason="a test")
    set_policy(allowed_assets=["XRP", "SOL"])
    has(desk, "binance", "USDT", Decimal(1500))
    return desk.open("XRP", "1500"), homeward


def test_what_has_arrived_and_is_not_booked_hides_nobody_of_whom_a_later_one_had_its_capital(
    wide_desk: TestDesk, backups: Backups
) -> None:
    desk = wide_desk
    flat, homeward = flat_and_homeward(desk)
    fail(driven_to(desk, homeward, 2), FailureClass.POLICY_DENIED)
    dump = backups.dump()
    ended_flat(desk, flat)
    later = driven_to(desk, desk.open("SOL", "1500"), 1)
    backups.restore(dump)
    arrived("binance", "USDT")
    before = accepted()
    done = catch_up(*ACCEPT)
    assert (done["remade"], done["accepted"], accepted()) == ([], [], before)
    assert any("USDT is on its way to binance by" in told for told in done["left"])
    booked = Posting.objects.filter(cycle=homeward, kind=PostingKind.CREDITED)
    redrive(homeward)
    looked_at(desk, homeward, booked.exists)
    flat.refresh_from_db()
    assert flat.status == "DEAD_LETTER"
    settled_by_hand(flat)
    done = catch_up(*WORDS)
    assert (done["left"], done["remade"], done["is_in_step"]) == ([], [later.code], True)
    assert_ledger_equals_venues()


def test_what_may_have_arrived_and_only_a_person_can_tell_of_hides_nobody_either(
    wide_desk: TestDesk, backups: Backups
) -> None:
    desk = wide_desk
    flat, homeward = flat_and_homeward(desk)
    sent_but_unanswered(desk, homeward)
    fail(homeward, FailureClass.UNKNOWN_WITHDRAWAL)
    dump = backups.dump()
    ended_flat(desk, flat)
    driven_to(desk, desk.open("SOL", "1500"), 1)
    backups.restore(dump)
    arrived("binance", "USDT")
    before = accepted()
    for _ in range(2):
        done = catch_up(*ACCEPT)
        assert (done["remade"], done["accepted"], accepted()) == ([], [], before)
        assert any(
            f"{homeward.code} may have sent USDT from upbit to binance" in told
            for told in done["left"]
        )


def sent_but_unanswered(desk: TestDesk, cycle: Cycle) -> None:
    """Lose the answer to a withdrawal from Korea, which the venue's lists do not show."""
    lists(desk, "upbit", "/v1/withdraws$", [])
    desk.fault(
        fault=REPLY_LOST, venue="upbit", method="POST", path_regex="/withdraws/coin$", when="once"
    )
    lease = desk.lease(cycle)
    calls = ExchangeCall.objects.filter(cycle=cycle, operation="WITHDRAW")
    while not calls.exists():
        desk.unit(lease)
    give_back(lease)
    assert calls.get().outcome == "UNKNOWN"
    age(cycle, BEYOND_THE_GRACE)


def test_where_a_request_of_another_fits_nowhere_no_capital_comes_in_before_that_is_settled(
    xrp_desk: TestDesk, backups: Backups
) -> None:
    """It sold, and left to the desk, what the later one began with."""
    desk = xrp_desk
    has(desk, "upbit", "KRW", WON)
    has(desk, "upbit", "XRP", Decimal(0))
    known = driven_to(desk, return_only(desk, WON), 1)
    dump = backups.dump()
    sold = orders(desk, known, 9, 500, side=Side.SELL)
    settled_by_hand(fail(known, FailureClass.POLICY_DENIED))
    report = registry.venue("upbit").order(XRP, client_order_id=sold)
    assert report is not None
    price = Decimal(report.fills[0].price)
    builders.capital("upbit", "KRW", int(500 * price))
    later = driven_to(desk, return_only(desk, 400 * price), 1)

    backups.restore(dump)
    before = accepted()
    done = catch_up(*ACCEPT)
    assert (done["remade"], done["accepted"], accepted()) == ([], [], before)
    assert any(
        told.startswith(f"no difference was accepted: what {known.code} did")
        for told in done["left"]
    )
    settled_by_hand(known)
    assert not catch_up(*WORDS)["remade"]
    assert catch_up(*ACCEPT)["is_in_step"]
    later.refresh_from_db()
    assert_ledger_equals_venues()
