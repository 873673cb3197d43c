"""More cycles than the desk has capital for at once were opened after the backup, one after another.

What an earlier one brought home is what a later one began with: it is told in the order in which it happened.
"""

from __future__ import annotations

import io
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command

from cycles.domain.words import FailureClass
from cycles.models import Alert, Cycle
from cycles.services import booking, intervening
from cycles.services.resolving import Resolution, ResolutionOutcome, resolve
from exchanges.models import NetworkRule
from tests.cycles.restoring.acts import (
    ACCEPT,
    WORDS,
    assert_ends,
    assert_ledger_equals_venues,
    catch_up,
    credited,
    driven_to,
    resume,
    sent,
)
from tests.cycles.restoring.dumps import Backups
from tests.cycles.services.acts import fail, give_back, units_until
from tests.cycles.services.test_judging import long_ago
from tests.desk import TestDesk, operator

pytestmark = pytest.mark.django_db(transaction=True)

CAPITAL = Decimal(5_000)
NOTIONAL = "2000"


@pytest.fixture
def small_desk(committed_desk: TestDesk) -> TestDesk:
    """Give a desk whose capital is enough for two cycles at once."""
    spare = CAPITAL - booking.desk_balance("binance", "USDT")
    paid_in(committed_desk, spare)
    assert catch_up(*ACCEPT)["is_in_step"]
    resume()
    assert booking.desk_balance("binance", "USDT") == CAPITAL
    return committed_desk


def paid_in(desk: TestDesk, usdt: Decimal) -> None:
    """Let somebody pay in, or take out, outside of kimp."""
    credited(desk, "binance", "USDT", usdt)


def completed(desk: TestDesk, asset: str) -> Cycle:
    """Open a cycle and bring it home."""
    return desk.drive_until(desk.open(asset, NOTIONAL), "COMPLETED")


def ends_of(cycles: list[Cycle]) -> list[tuple[str, str]]:
    """Give how cycles ended, by the database of the moment."""
    rows = Cycle.objects.filter(pk__in=[one.pk for one in cycles]).order_by("pk")
    return list(rows.values_list("code", "status"))


def test_cycles_that_came_home_give_their_capital_back_before_the_next_is_made_again(
    small_desk: TestDesk, backups: Backups
) -> None:
    """No two send as much home: of a withdrawal from Korea, which bears no id of ours, it tells whose it is."""
    desk = small_desk
    known = driven_to(desk, desk.open("XRP", "1900"), 1)
    dump = backups.dump()
    desk.drive_until(known, "COMPLETED")
    ended = [completed(desk, asset) for asset in ("SOL", "XRP", "ETH", "USDT")]
    under_way = driven_to(desk, desk.open("SOL", NOTIONAL), 1)
    before = sent(desk)

    backups.restore(dump)
    shown = catch_up()
    done = catch_up(*WORDS)
    assert sent(desk) == before, "nothing may be sent"
    assert (done["left"], done["differences"], done["is_in_step"]) == ([], [], True)
    assert set(done["remade"]) == {one.code for one in (*ended, under_way)}
    assert set(done["ended"]) == {one.code for one in (known, *ended)}
    assert (shown["ended"], shown["left"]) == (done["ended"], [])
    assert (done["parked"], done["code"]) == ([under_way.code], 1)
    assert_ledger_equals_venues()

    assert_ends(desk, under_way)


def test_the_last_lines_and_the_exit_status_say_one_thing(
    small_desk: TestDesk, backups: Backups
) -> None:
    desk = small_desk
    dump = backups.dump()
    under_way = driven_to(desk, desk.open("SOL", NOTIONAL), 1)
    backups.restore(dump)
    said = io.StringIO()
    with pytest.raises(CommandError) as left:
        call_command("catch_up", *WORDS, stdout=said, stderr=io.StringIO())
    assert left.value.returncode == 1
    assert "the desk may resume; 1 dead letter waits" in str(left.value)
    *_, made_again, verdict = said.getvalue().splitlines()
    assert made_again.endswith(f"redrive: {under_way.code}")
    assert verdict == "the desk is in step with the venues, and halted until: manage.py resume"
    said = io.StringIO()
    call_command("catch_up", *WORDS, stdout=said, stderr=io.StringIO())  # exit status 0
    assert said.getvalue().splitlines()[-1] == verdict


def test_a_cycle_that_was_unwound_after_the_backup_gives_back_what_it_has_left(
    small_desk: TestDesk, backups: Backups
) -> None:
    desk = small_desk
    desk.sample()  # what is too little to trade is told by a price
    dump = backups.dump()
    unwound = [sold_back(desk, driven_to(desk, desk.open("XRP", NOTIONAL), 1)) for _ in range(3)]
    backups.restore(dump)
    done = catch_up(*WORDS)
    assert (done["left"], done["code"], done["is_in_step"]) == ([], 0, True)
    assert ends_of(unwound) == [(one.code, "FAILED") for one in unwound]
    assert_ledger_equals_venues()


def test_of_won_that_a_cycle_unwound_in_korea_has_left_there_people_are_told(
    small_desk: TestDesk, backups: Backups
) -> None:
    desk = small_desk
    desk.sample()
    dump = backups.dump()
    cycle = desk.open("XRP", NOTIONAL)
    give_back(units_until(desk, cycle, "DEPOSIT", "upbit"))
    unwound = sold_back(desk, cycle)
    backups.restore(dump)
    catch_up(*WORDS)
    assert ends_of([unwound]) == [(unwound.code, "FAILED")]
    assert Alert.objects.filter(key=f"rest:{unwound.code}").exists()
    assert_ledger_equals_venues()


def sold_back(desk: TestDesk, cycle: Cycle) -> Cycle:
    """Let a cycle die with its coins bought, and sell them where they lie."""
    fail(cycle, FailureClass.POLICY_DENIED)
    intervening.unwind(cycle.pk, actor=operator(), reason="sell", seen_version=cycle.version)
    return desk.drive_until(cycle, "FAILED")


def test_one_whose_capital_is_not_there_is_told_in_words_and_made_again_once_it_is(
    small_desk: TestDesk, backups: Backups
) -> None:
    desk = small_desk
    dump = backups.dump()
    paid_in(desk, CAPITAL)
    assert catch_up(*ACCEPT)["is_in_step"]
    resume()
    cycles = [driven_to(desk, desk.open(asset, NOTIONAL), 1) for asset in ("XRP", "SOL", "ETH")]

    backups.restore(dump)
    done = catch_up(*WORDS)
    assert (done["is_in_step"], set(done["remade"])) == (False, {one.code for one in cycles[:2]})
    (told,) = done["left"]
    assert told.startswith(f"{cycles[2].code}: ")
    assert "USDT at binance" in told
    assert "--accept" in told
    assert "constraint" not in told

    accepted = catch_up(*ACCEPT)
    assert (accepted["is_in_step"], accepted["remade"]) == (True, [cycles[2].code])
    assert_ledger_equals_venues()
    assert_ends(desk, *cycles)


def test_one_that_ended_flat_since_is_a_persons_where_a_later_one_began_with_what_it_gave_back(
    small_desk: TestDesk, backups: Backups
) -> None:
    """It left no request behind, and a desk that is not in step judges nobody."""
    desk = small_desk
    flat = desk.open("XRP", NOTIONAL)
    dump = backups.dump()
    wallet = NetworkRule.objects.filter(venue="binance", asset="XRP")
    wallet.update(withdraw_is_open=False)
    long_ago(flat)
    desk.drive_until(flat, "FAILED")
    wallet.update(withdraw_is_open=True)
    cycles = [driven_to(desk, desk.open(asset, NOTIONAL), 1) for asset in ("SOL", "ETH")]

    backups.restore(dump)
    assert [told for told in catch_up()["left"] if told.startswith(flat.code)]
    done = catch_up(*WORDS)
    assert (done["is_in_step"], done["remade"]) == (False, [cycles[0].code])
    assert flat.code in done["parked"]
    flat.refresh_from_db()
    stated = Resolution(outcome=ResolutionOutcome.COMPLETED, evidence="the venue shows no order")
    resolve(
        flat.pk,
        actor=operator(),
        reason="it had ended flat",
        seen_version=flat.version,
        resolution=stated,
    )
    again = catch_up(*WORDS)
    assert (again["is_in_step"], again["remade"], again["left"]) == (True, [cycles[1].code], [])
    assert_ledger_equals_venues()
    assert_ends(desk, *cycles)
