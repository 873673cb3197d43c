"""What the venues show and no cycle explains is a person's: the desk stays halted until they have said so."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError
from django.db import connection, transaction

from cycles.domain.plan import sendable_quantity
from cycles.domain.words import FailureClass, Mode
from cycles.errors import NotAllowedNowError, StaleVersionError
from cycles.management.base import TRY_LATER
from cycles.models import Alert, Cycle, Desk, ExchangeCall, Intervention, Posting, Step
from cycles.services import catching_up, dead_letters, homing, leasing, redriving, verifying
from cycles.services.desk import set_mode
from cycles.services.locking import locked
from cycles.services.moving import Lease
from cycles.services.redriving import Filter
from exchanges import destinations, registry
from exchanges.values import WithdrawalRequest
from tests import builders
from tests.cycles.restoring.acts import (
    ACCEPT,
    WORDS,
    assert_ledger_equals_venues,
    catch_up,
    driven_to,
    resume,
    sent,
)
from tests.cycles.services.acts import fail
from tests.cycles.services.test_holding import locked_elsewhere
from tests.desk import TestDesk, operator


def facts() -> tuple[Any, ...]:
    """Give what a dry run must leave as it is."""
    row = Desk.objects.get()
    counts = (ExchangeCall.objects.count(), Posting.objects.count(), Intervention.objects.count())
    return (*counts, row.mode, row.home, row.version)


def brought_in(desk: TestDesk, quantity: str) -> None:
    """Let somebody pay in outside of kimp."""
    desk.control("/control/balances", {"venue": "binance", "asset": "USDT", "credit": quantity})


def test_where_nothing_was_forgotten_nothing_is_found_and_the_desk_may_resume(
    desk: TestDesk,
) -> None:
    driven_to(desk, desk.open(), 2)
    done = catch_up(*WORDS)
    assert (done["code"], done["found"], done["differences"], done["left"]) == (0, [], [], [])
    assert Desk.objects.get().mode == "HALT"
    resume()


def test_without_yes_and_with_dry_run_nothing_is_written_or_halted(desk: TestDesk) -> None:
    driven_to(desk, desk.open(), 2)
    brought_in(desk, "500")
    before = facts()
    for words in ((), (*WORDS, "--dry-run")):
        assert catch_up(*words)["differences"] != []
        assert facts() == before


@pytest.mark.django_db(transaction=True)
def test_a_dry_run_passes_over_what_somebody_is_at_and_locks_no_other_cycle(
    committed_desk: TestDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = committed_desk
    at_work, kept, free = (driven_to(desk, desk.open(), 2) for _ in range(3))
    desk.lease(at_work)
    compared = verifying.venue_lines
    free_to_lock: list[bool] = []

    def look(*args: Any) -> Any:
        free_to_lock.append(claimable(at_work) and claimable(free))
        return compared(*args)

    monkeypatch.setattr(verifying, "venue_lines", look)
    with locked_elsewhere(Lease(cycle_id=kept.pk, owner="", fence=0)):
        done = catch_up()
    assert set(done["passed_over"]) == {at_work.code, kept.code}
    assert done["code"] == TRY_LATER
    assert free_to_lock
    assert all(free_to_lock)


def claimable(cycle: Cycle) -> bool:
    """Say whether somebody else could lock a cycle's row at this moment."""

    def lock() -> bool:
        try:
            with transaction.atomic():
                return locked(Cycle.objects.filter(pk=cycle.pk), skip=True).exists()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lock).result(20)


def test_capital_from_outside_keeps_the_desk_halted_until_a_person_accepts_it(
    desk: TestDesk,
) -> None:
    brought_in(desk, "500")
    done = catch_up(*WORDS)
    assert (done["code"], done["is_in_step"]) == (1, False)
    (line,) = done["differences"]
    assert (line["venue"], line["asset"], line["difference"]) == ("binance", "USDT", "500")
    with pytest.raises(NotAllowedNowError):
        resume()
    accepted = catch_up(*ACCEPT)
    assert (accepted["code"], accepted["accepted"]) == (0, ["binance: 500 USDT"])
    assert_ledger_equals_venues()
    resume()
    told = Intervention.objects.filter(verb="catch_up").first()
    assert told is not None
    assert told.payload["accepted"] == ["binance: 500 USDT"]
    assert told.actor == "alice"


def test_a_withdrawal_of_no_cycle_stops_the_cycle_that_may_send_it_again(desk: TestDesk) -> None:
    cycle = driven_to(desk, desk.open(), 5)
    by_hand(cycle)
    before = sent(desk)
    done = catch_up(*WORDS)
    assert sent(desk) == before
    assert (done["code"], done["is_in_step"], done["parked"]) == (1, False, [cycle.code])
    cycle.refresh_from_db()
    assert (cycle.status, cycle.failure_class) == ("DEAD_LETTER", "UNKNOWN_WITHDRAWAL")
    assert cycle.assignee is not None
    done = catch_up(
        "--accept", *WORDS
    )  # the coins were the cycle's: only its end by hand explains it
    assert (done["code"], done["is_in_step"], done["accepted"]) == (1, False, [])
    assert any("does not hold that" in told for told in done["left"])
    assert not homing.is_at_home()


def test_a_dead_letter_that_may_have_sent_meanwhile_is_taken_on_by_whom_caught_up(
    desk: TestDesk,
) -> None:
    cycle = fail(driven_to(desk, desk.open(), 5), FailureClass.BUG, "it died before the backup")
    by_hand(cycle)
    assert catch_up(*WORDS)["parked"] == [cycle.code]
    cycle.refresh_from_db()
    assert (cycle.status, cycle.failure_class) == ("DEAD_LETTER", "UNKNOWN_WITHDRAWAL")
    assert cycle.assignee == operator().user
    assert Alert.objects.filter(cycle=cycle, title__contains="UNKNOWN_WITHDRAWAL").exists()
    assert dead_letters.process_dead_letters() == 0
    seen = redriving.look(Filter(), actor=operator("otto"))
    assert (seen.count, seen.taken_on) == (0, 1)


def test_two_withdrawals_that_a_cycle_may_have_sent_are_a_persons_to_tell_apart(
    desk: TestDesk,
) -> None:
    cycle = driven_to(desk, desk.open(), 5)
    step = Step.objects.get(cycle=cycle, kind="WITHDRAW", venue=cycle.korea_venue)
    held = registry.venue(step.venue).balances()[step.asset].free
    spare = {"venue": step.venue, "asset": step.asset, "credit": str(held)}
    desk.control("/control/balances", spare)
    for _ in range(2):
        by_hand(cycle, held=held)
    done = catch_up(*WORDS)
    assert (done["code"], done["is_in_step"], done["parked"]) == (1, False, [cycle.code])
    assert any("2 withdrawals" in told and "sent none of them" in told for told in done["left"])
    assert not ExchangeCall.objects.filter(step=step).exists()


def test_the_only_withdrawal_that_a_cycle_may_have_sent_is_its_own(desk: TestDesk) -> None:
    cycle = driven_to(desk, desk.open(), 5)
    step = Step.objects.get(cycle=cycle, kind="WITHDRAW", venue=cycle.korea_venue)
    by_hand(cycle, held=registry.venue(step.venue).balances()[step.asset].free)
    done = catch_up(*WORDS)
    assert (done["code"], done["left"], done["differences"]) == (0, [], [])
    assert ExchangeCall.objects.get(step=step).is_settled
    resume()
    desk.drive_until(cycle, "COMPLETED")
    assert len(desk.control("/control/transfers")["withdrawals"]) == 2


def by_hand(cycle: Cycle, *, held: Decimal | None = None) -> None:
    """Withdraw at a cycle's Korean venue what `held` allows, as a person in the venue's own pages would.

    Half of what is there, if nothing is named.
    """
    step = Step.objects.get(cycle=cycle, kind="WITHDRAW", venue=cycle.korea_venue)
    venue = registry.venue(step.venue)
    address = destinations.confirmed_address(
        step.venue, step.to_venue, step.asset, step.network, registry.utc_now()
    )
    rows = venue.network_rules(step.asset)
    (rules,) = [row for row in rows if row.network == step.network]
    whole = held or venue.balances()[step.asset].free / 2
    request = WithdrawalRequest(
        destination=address.destination,
        quantity=sendable_quantity(whole, rules),
        network_fee=rules.withdraw_fee,
        client_withdrawal_id="by-hand",
    )
    venue.withdraw(request)


def test_who_saw_a_halt_before_it_caught_up_does_not_resume_over_that(desk: TestDesk) -> None:
    seen = set_mode(Mode.HALT, actor=operator("bob"), reason="maintenance").version
    assert catch_up(*WORDS)["is_in_step"]
    with pytest.raises(StaleVersionError):
        set_mode(Mode.RUN, actor=operator(), reason="maintenance is over", seen_version=seen)
    told = Desk.objects.get()
    assert told.mode_reason == f"{WORDS[-1]}; earlier, by bob: maintenance"
    assert catch_up(*WORDS)["is_in_step"]
    assert Desk.objects.get().version == told.version
    assert Intervention.objects.filter(verb="halt", actor="alice").count() == 1
    resume()


def test_while_a_venue_does_not_answer_the_desk_is_halted_and_cannot_resume(
    desk: TestDesk,
) -> None:
    cycle = driven_to(desk, desk.open(), 2)
    desk.fault(fault="F20", venue="binance", path_regex="/deposit/hisrec", args={"code": -2015})
    with pytest.raises(CommandError, match="binance could not be asked") as refused:
        catch_up(*WORDS)
    assert refused.value.returncode == 75
    assert (Desk.objects.get().mode, homing.is_at_home()) == ("HALT", False)
    with pytest.raises(NotAllowedNowError):
        resume()
    desk.control("/control/faults", method="DELETE")
    assert catch_up(*WORDS)["code"] == 0
    resume()
    desk.drive_until(cycle, "COMPLETED")


def test_while_workers_hold_cycles_it_halts_and_asks_for_patience(desk: TestDesk) -> None:
    cycle = desk.open()
    lease = desk.lease(cycle)
    with pytest.raises(CommandError, match="stop all roles") as refused:
        catch_up(*WORDS)
    assert refused.value.returncode == 75
    assert Desk.objects.get().mode == "HALT"
    leasing.release(lease, wake_in=None)
    assert catch_up(*WORDS)["code"] == 0


def test_a_lease_that_is_forgotten_too_is_below_every_lease_of_afterwards(desk: TestDesk) -> None:
    cycle = desk.open()
    known = desk.lease(cycle)
    leasing.release(known, wake_in=None)
    forgotten = known.fence + 7  # claims that a promoted standby lacks; the worker still runs
    assert catch_up(*WORDS)["code"] == 0
    resume()
    assert desk.lease(cycle).fence > forgotten


def test_an_operator_of_less_rank_changes_nothing(desk: TestDesk) -> None:
    builders.person("bob", "operator")
    before = facts()
    with pytest.raises(CommandError) as refused:
        catch_up("--yes", "--as", "bob", "--reason", "r")
    assert refused.value.returncode == 3
    assert facts() == before


def test_it_asks_from_before_the_last_intent_and_from_the_beginning_of_what_is_under_way(
    desk: TestDesk,
) -> None:
    with_calls = driven_to(desk, desk.open(), 2)
    last = ExchangeCall.objects.order_by("-intended_at").first()
    first = ExchangeCall.objects.order_by("intended_at").first()
    assert last is not None
    assert first is not None
    assert catching_up.default_since() == last.intended_at - catching_up.MARGIN
    later = registry.utc_now()
    shown = catching_up.preview(since=later)
    assert shown.since == first.intended_at - catching_up.MARGIN
    assert with_calls.status == "STARTED"


@pytest.mark.parametrize("when", ["2026-11-26T03:00", "yesterday"])
def test_an_instant_names_its_zone(desk: TestDesk, when: str) -> None:
    with pytest.raises(CommandError, match="an instant names its zone, as"):
        catch_up("--since", when)


def test_the_future_is_no_backup(desk: TestDesk) -> None:
    ahead = (registry.utc_now() + timedelta(hours=1)).isoformat()
    with pytest.raises(CommandError, match="future") as refused:
        catch_up("--since", ahead)
    assert refused.value.returncode == 2
