"""What lacks, or was sent by nobody known, is asked of no one else than whose it may have been."""

from __future__ import annotations

import io
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command

from cycles.domain.money import ZERO
from cycles.domain.postings import moved
from cycles.domain.words import AccountOwner, PostingKind
from cycles.models import Account, Cycle, ExchangeCall
from cycles.services import booking, opening
from cycles.services.resolving import Received, Resolution, ResolutionOutcome, resolve
from exchanges import registry
from tests.cycles.restoring.acts import (
    ACCEPT,
    MILLION,
    WON,
    WORDS,
    assert_ends,
    assert_ledger_equals_venues,
    catch_up,
    credited,
    driven_to,
    has,
    redrive,
    resume,
    settled_by_hand,
    won_paid_in,
)
from tests.cycles.restoring.dumps import Backups
from tests.cycles.restoring.test_accepting import (
    NOTIONAL,
    accepted,
    arrived,
    pays_fees_in_bnb,
    swept,
)
from tests.cycles.restoring.test_capital_again import sold_back
from tests.cycles.restoring.test_not_there_yet import orders
from tests.cycles.restoring.test_what_is_left import by_hand
from tests.cycles.restoring.test_while_capital_lacks import ended_flat
from tests.cycles.services.acts import set_policy
from tests.cycles.services.test_rebalancing import waiting
from tests.cycles.services.test_rest_in_korea import return_only
from tests.cycles.services.test_trading import pin, top
from tests.desk import TestDesk, operator

pytestmark = pytest.mark.django_db(transaction=True)


def became(
    cycle: Cycle,
    quantity: Decimal,
    *,
    venue: str = "binance",
    asset: str = "XRP",
    beside: tuple[Received, ...] = (),
) -> None:
    """State of a dead letter that its coins became so much; if nothing else is named, XRP that arrived at Binance."""
    cycle.refresh_from_db()
    received = Received(venue=venue, asset=asset, quantity=quantity)
    resolve(
        cycle.pk,
        actor=operator(),
        reason="it had sent it",
        seen_version=cycle.version,
        resolution=Resolution(
            outcome=ResolutionOutcome.COMPLETED,
            evidence="the venue's page",
            received=(received, *beside),
        ),
    )


def alike(
    desk: TestDesk, backups: Backups, *, of: int, sent: int, rest: Decimal = ZERO
) -> list[Cycle]:
    """Give cycles that had as much, of which the first so many sent it after the backup; a first run has parked them all.

    `rest`: USDT that each holds at Binance as well.
    """
    has(desk, "upbit", "KRW", of * WON)
    cycles = [driven_to(desk, return_only(desk, WON), 1) for _ in range(of)]
    for cycle in cycles:
        lines = moved("binance", "USDT", rest, origin=AccountOwner.DESK, target=AccountOwner.CYCLE)
        booking.post(f"rest:{cycle.pk}", PostingKind.FILL, lines, cycle=cycle)
    dump = backups.dump()
    for cycle in cycles[:sent]:
        driven_to(desk, cycle, 2)
    backups.restore(dump)
    arrived("binance", "XRP")
    assert set(catch_up(*WORDS)["parked"]) == {cycle.code for cycle in cycles}
    return cycles


def test_what_became_of_ones_coins_by_a_persons_word_is_not_given_to_another_that_could_have_sent_them(
    xrp_desk: TestDesk, backups: Backups
) -> None:
    desk = xrp_desk
    one, other = alike(desk, backups, of=2, sent=1)
    became(one, registry.venue("binance").balances()["XRP"].free)
    redrive(other)
    assert catch_up(*WORDS)["parked"] == []
    assert not ExchangeCall.objects.filter(cycle=other, operation="WITHDRAW").exists()
    assert catch_up(*ACCEPT)["is_in_step"]
    assert_ends(desk, beside=[other])


def test_what_a_person_sold_where_it_lay_was_not_sent_and_leaves_a_withdrawal_to_the_other(
    xrp_desk: TestDesk, backups: Backups
) -> None:
    desk = xrp_desk
    other, one = alike(desk, backups, of=2, sent=1)
    swept(desk, "upbit", "XRP", booking.held_by_cycle(one, "upbit", "XRP"))
    credited(desk, "upbit", "KRW", WON)
    rest = booking.held_by_cycle(one, "upbit", "KRW")
    became(one, WON + rest, venue="upbit", asset="KRW")
    done = catch_up(*WORDS)
    assert (done["left"], done["differences"], done["is_in_step"]) == ([], [], True)
    assert ExchangeCall.objects.filter(cycle=other, operation="WITHDRAW").exists()
    assert_ends(desk, beside=[other])


def test_a_rest_at_another_venue_that_it_held_already_is_nothing_that_it_sent_there(
    xrp_desk: TestDesk, backups: Backups
) -> None:
    """What becomes of a cycle names all that it holds: left out, its rest would be booked as gone."""
    desk = xrp_desk
    other, one = alike(desk, backups, of=2, sent=1, rest=Decimal(1))
    swept(desk, "upbit", "XRP", booking.held_by_cycle(one, "upbit", "XRP"))
    credited(desk, "upbit", "KRW", WON)
    won = WON + booking.held_by_cycle(one, "upbit", "KRW")
    rest = Received(venue="binance", asset="USDT", quantity=Decimal(1))
    became(one, won, venue="upbit", asset="KRW", beside=(rest,))
    done = catch_up(*WORDS)
    assert ExchangeCall.objects.filter(cycle=other, operation="WITHDRAW").exists()
    assert (done["left"], done["differences"], done["is_in_step"]) == ([], [], True)
    assert_ends(desk, beside=[other])


def test_a_later_withdrawal_of_the_others_is_its_own_also_after_another_restore(
    xrp_desk: TestDesk, backups: Backups
) -> None:
    desk = xrp_desk
    one, other = alike(desk, backups, of=2, sent=1)
    became(one, registry.venue("binance").balances()["XRP"].free)
    redrive(other)
    assert catch_up(*ACCEPT)["is_in_step"]
    resume()
    dump = backups.dump()
    driven_to(desk, other, 2)
    backups.place.leave()
    backups.restore(dump)
    done = catch_up(*WORDS)
    assert (done["parked"], done["is_in_step"]) == ([], True)
    assert ExchangeCall.objects.filter(cycle=other, operation="WITHDRAW").exists()
    assert_ends(desk, beside=[other])


@pytest.mark.parametrize("is_told", [True, False])
def test_who_was_redriven_when_it_had_been_told_that_either_may_be_anothers_sent_neither(
    xrp_desk: TestDesk, backups: Backups, is_told: bool
) -> None:
    """Of the two that had, one was settled with what its coins became, or as it is, and one as it is."""
    desk = xrp_desk
    one, second, third = alike(desk, backups, of=3, sent=2)
    if is_told:
        became(one, registry.venue("binance").balances()["XRP"].free / 2)
    else:
        settled_by_hand(one)
    settled_by_hand(second)
    assert catch_up(*WORDS)["parked"] == [third.code]
    third.refresh_from_db()
    assert "redrive it only if it sent none of them" in third.failure_reason
    redrive(third)
    done = catch_up(*ACCEPT)
    assert not any("may be another" in told for told in done["left"])
    assert done["parked"] == [third.code]  # a transfer of nobody's sending is another matter
    redrive(third)
    assert catch_up(*ACCEPT)["is_in_step"]
    assert_ends(desk, beside=[third])


def test_who_was_redriven_sent_it_not_and_leaves_it_to_the_only_other_that_could_have(
    xrp_desk: TestDesk, backups: Backups
) -> None:
    desk = xrp_desk
    one, other = alike(desk, backups, of=2, sent=1)
    other.refresh_from_db()
    assert "redrive it only if it did not send it" in other.failure_reason
    redrive(other)
    done = catch_up(*WORDS)
    assert (done["parked"], done["is_in_step"]) == ([], True)
    calls = ExchangeCall.objects.filter(operation="WITHDRAW")
    assert [call.cycle for call in calls] == [one]
    assert_ends(desk, beside=[one, other])


def test_of_two_such_withdrawals_the_one_that_a_person_did_not_tell_of_waits_for_them_too(
    xrp_desk: TestDesk, backups: Backups
) -> None:
    desk = xrp_desk
    one, second, third = alike(desk, backups, of=3, sent=2)
    each = Account.objects.get(cycle=one, venue="upbit", asset="XRP").balance
    became(one, each.quantize(Decimal("0.000001")) - Decimal("0.4"))
    assert set(catch_up(*WORDS)["parked"]) == {second.code, third.code}
    became(second, each.quantize(Decimal("0.000001")) - Decimal("0.4"))
    redrive(third)
    assert catch_up(*WORDS)["parked"] == []
    assert catch_up(*ACCEPT)["is_in_step"]
    assert_ends(desk, beside=[third])


def test_a_withdrawal_of_no_cycles_sending_may_be_of_one_that_is_made_again_by_the_same_run(
    xrp_desk: TestDesk, backups: Backups
) -> None:
    desk = xrp_desk
    has(desk, "upbit", "KRW", WON + MILLION)
    innocent = driven_to(desk, return_only(desk, MILLION), 1)
    dump = backups.dump()
    later = driven_to(desk, return_only(desk, WON), 1)
    by_hand(later, held=Decimal(400))
    backups.restore(dump)
    said = io.StringIO()
    with pytest.raises(CommandError):
        call_command("catch_up", stdout=said, stderr=io.StringIO())
    assert f"of which something is left to a person: {later.code}" in said.getvalue()
    for _ in range(2):
        assert catch_up(*WORDS)["parked"] == [later.code]
        later.refresh_from_db()
        assert "or it is this one's" in later.failure_reason
    settled_by_hand(later)
    assert catch_up(*ACCEPT)["is_in_step"]
    assert_ends(desk, beside=[innocent])


def test_what_one_lacks_that_spent_elsewhere_what_fits_nowhere_was_anothers_that_had_ended(
    wide_desk: TestDesk, backups: Backups
) -> None:
    desk = wide_desk
    has(desk, "binance", "USDT", Decimal(2500))
    flat = desk.open("XRP", "1000")
    dump = backups.dump()
    ended_flat(desk, flat)
    later = sold_back(desk, driven_to(desk, desk.open("SOL", NOTIONAL), 1))
    orders(desk, later, 15, 5)
    backups.restore(dump)
    before = accepted()
    for words in (WORDS, ACCEPT):
        done = catch_up(*words)
        assert (done["remade"], done["accepted"], accepted()) == ([], [], before)
        flat.refresh_from_db()
        assert flat.status == "DEAD_LETTER"
    settled_by_hand(flat)
    assert not catch_up(*ACCEPT)["is_in_step"]
    settled_by_hand(later)
    done = catch_up(*ACCEPT)
    assert done["is_in_step"]
    assert not any("USDT" in line for line in done["accepted"])
    assert_ledger_equals_venues()


def test_what_one_sold_back_it_does_not_lack_and_another_that_had_ended_does(
    wide_desk: TestDesk, backups: Backups
) -> None:
    """None of its requests fits: their fees were paid in what came in since the backup."""
    desk = wide_desk
    has(desk, "binance", "USDT", Decimal(2500))
    flat = desk.open("XRP", "1000")
    dump = backups.dump()
    ended_flat(desk, flat)
    pays_fees_in_bnb(desk, 100)
    later = sold_back(desk, driven_to(desk, desk.open("SOL", NOTIONAL), 1))
    backups.restore(dump)
    done = catch_up(*ACCEPT)
    assert (done["remade"], done["parked"]) == ([], [flat.code])
    assert not any(key.endswith(str(later.pk)) for key in accepted())
    settled_by_hand(flat)
    catch_up(*WORDS)
    assert catch_up(*ACCEPT)["is_in_step"]
    assert_ledger_equals_venues()


def test_what_fits_nowhere_of_one_that_lacks_its_capital_is_missing_of_nobody_else(
    xrp_desk: TestDesk, backups: Backups
) -> None:
    desk = xrp_desk
    has(desk, "upbit", "KRW", Decimal(0))
    innocent = waiting(desk)
    dump = backups.dump()
    won_paid_in(desk, 4_000_000)
    later = driven_to(desk, return_only(desk, WON), 1)
    orders(desk, later, 9)
    free = registry.venue("upbit").balances()["KRW"].free
    swept(desk, "upbit", "KRW", free - booking.held_by_cycle(innocent, "upbit", "KRW"))
    backups.restore(dump)
    assert catch_up(*WORDS)["parked"] == []
    innocent.refresh_from_db()
    assert innocent.status == "AWAITING_REBALANCE"


def test_what_one_of_two_may_have_sent_there_hides_nobody_of_whom_a_later_one_had_its_capital(
    wide_desk: TestDesk, backups: Backups
) -> None:
    desk = wide_desk
    desk.sample()
    ask = top(desk, "upbit", "KRW-USDT")[1]
    bids, asks = [[str(ask - 1), "10000000"]], [[str(ask), "10000000"]]
    pin(desk, "upbit", "KRW-USDT", bids=bids, asks=asks)
    has(desk, "upbit", "KRW", 2 * WON)
    set_policy(allowed_assets=["USDT"])
    both = [
        driven_to(
            desk, opening.open_return_only(notional_krw=WON, actor=operator(), reason="a test"), 1
        )
        for _ in range(2)
    ]
    set_policy(allowed_assets=["XRP", "SOL"])
    has(desk, "binance", "USDT", Decimal(1500))
    flat = desk.open("XRP", "1500")
    dump = backups.dump()
    driven_to(desk, both[0], 2)
    ended_flat(desk, flat)
    driven_to(desk, desk.open("SOL", "1500"), 1)
    backups.restore(dump)
    arrived("binance", "USDT")
    before = accepted()
    done = catch_up(*ACCEPT)
    assert (done["remade"], done["accepted"], accepted()) == ([], [], before)
    codes = ", ".join(one.code for one in both)
    assert any(f"no difference was accepted: what {codes} did" in told for told in done["left"])
