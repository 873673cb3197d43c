"""A dump restored in the middle of a run: nothing is sent twice, nothing is lost, and the cycles end."""

from __future__ import annotations

import contextlib
import io
import json
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command

from cycles.domain.words import CallOutcome, FailureClass
from cycles.errors import NotAllowedNowError
from cycles.models import Alert, Desk, ExchangeCall
from cycles.services import homing, intervening, leasing, opening, reconciling, verifying
from tests import builders
from tests.cycles.restoring.acts import (
    WORDS,
    assert_ends,
    assert_ledger_equals_venues,
    catch_up,
    driven_to,
    resume,
    sent,
    times_placed,
)
from tests.cycles.restoring.dumps import Backups
from tests.cycles.services.acts import fail
from tests.desk import TestDesk, operator

pytestmark = pytest.mark.django_db(transaction=True)


def test_cycles_go_on_where_the_venues_say_they_are(
    committed_desk: TestDesk, programs: Backups
) -> None:
    """One's coins are on their way home, one's stand before it: it was opened after the backup."""
    desk = committed_desk
    known = driven_to(desk, desk.open(), 1)
    dump = programs.dump()
    driven_to(desk, known, 6)
    forgotten = driven_to(desk, desk.open("SOL"), 5)
    before = sent(desk)

    programs.restore(dump)
    done = catch_up(*WORDS)
    assert sent(desk) == before, "nothing may be sent"
    assert (done["code"], done["is_in_step"], done["left"]) == (1, True, [])
    assert done["remade"] == [forgotten.code]
    assert_ledger_equals_venues()
    again = catch_up(*WORDS)
    assert (again["code"], again["found"], again["remade"], again["differences"]) == (0, [], [], [])

    assert_ends(desk, forgotten, beside=[known])


def test_without_catching_up_the_same_order_is_sent_again_and_then_a_person_must_see_it(
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
    assert not verifying.verify_ledger().matches_venues
    done = catch_up(*WORDS)
    assert (done["code"], done["is_in_step"]) == (1, False)
    assert any("2 times" in told for told in done["left"])


def test_a_restored_database_halts_itself_at_the_first_intent_and_cannot_resume(
    committed_desk: TestDesk, programs: Backups
) -> None:
    desk = committed_desk
    cycle = desk.open()
    dump = programs.dump()
    driven_to(desk, cycle, 1)
    before = sent(desk)
    programs.restore(dump)
    desk.step(cycle)
    assert sent(desk) == before
    assert not ExchangeCall.objects.exists()
    row = Desk.objects.get()
    assert (row.mode, row.mode_reason) == ("HALT", homing.AWAY)
    assert Alert.objects.filter(key=f"away:{homing.here()}").count() == 1
    with pytest.raises(NotAllowedNowError, match="catch_up"):
        resume()
    assert catch_up(*WORDS)["is_in_step"]
    resume()


def test_a_request_whose_reply_was_lost_before_the_backup_is_found_with_all_that_followed(
    committed_desk: TestDesk, backups: Backups
) -> None:
    desk = committed_desk
    cycle = desk.open()
    desk.fault(
        fault="F24", venue="binance", method="POST", path_regex="/api/v3/order$", when="once"
    )
    lease = desk.lease(cycle)
    desk.unit(lease)
    leasing.release(lease, wake_in=None)
    assert ExchangeCall.objects.get().outcome == "UNKNOWN"
    dump = backups.dump()
    driven_to(desk, cycle, 2)
    backups.restore(dump)
    done = catch_up(*WORDS)
    assert (done["code"], done["left"], done["is_in_step"]) == (0, [], True)
    assert_ledger_equals_venues()
    assert_ends(desk, beside=[cycle])


def test_a_dead_letter_that_was_unwound_after_the_backup_goes_on_unwinding(
    committed_desk: TestDesk, backups: Backups
) -> None:
    desk = committed_desk
    cycle = fail(driven_to(desk, desk.open(), 1), FailureClass.POLICY_DENIED)
    assert cycle.status == "DEAD_LETTER"
    dump = backups.dump()
    intervening.unwind(cycle.pk, actor=operator(), reason="sell it", seen_version=cycle.version)
    driven_to(desk, cycle, 5)
    backups.restore(dump)
    done = catch_up(*WORDS)
    assert (done["code"], done["left"], done["is_in_step"]) == (0, [], True)
    assert_ledger_equals_venues()
    assert_ends(desk, beside=[cycle], ends="FAILED")


def test_cycles_of_every_kind_are_made_again_by_what_they_sent(
    committed_desk: TestDesk, backups: Backups
) -> None:
    desk = committed_desk
    desk.sample()
    dump = backups.dump()
    homeward = opening.open_return_only(
        notional_krw=Decimal(3_000_000), actor=operator(), reason="send it home"
    )
    driven_to(desk, homeward, 2)  # its withdrawal bears no id of ours
    stable = driven_to(desk, desk.open("USDT"), 1)  # it begins with a withdrawal
    before = sent(desk)
    backups.restore(dump)
    done = catch_up(*WORDS)
    assert sent(desk) == before
    assert (done["left"], done["differences"], done["is_in_step"]) == ([], [], True)
    assert set(done["remade"]) == {homeward.code, stable.code}
    assert_ledger_equals_venues()
    kinds = [homeward.kind, stable.kind]
    assert_ends(desk, homeward, stable)
    assert [homeward.kind, stable.kind] == kinds


def test_what_is_open_is_asked_about_to_its_end_in_one_run_which_says_how_far_it_is(
    committed_desk: TestDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciling, "BATCH", 1)
    calls = [builders.order_call(builders.dead_letter(), CallOutcome.UNKNOWN) for _ in range(3)]
    operator()
    said, told = io.StringIO(), io.StringIO()
    with contextlib.suppress(CommandError):  # the venues know nothing of what these cycles own
        call_command("catch_up", "--json", *WORDS, stdout=said, stderr=told)
    assert json.loads(said.getvalue())["unsettled"] == 0
    assert told.getvalue().count("asked about 1 open requests: 1 are known now") == len(calls)
