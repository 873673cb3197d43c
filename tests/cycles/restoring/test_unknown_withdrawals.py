"""A withdrawal whose outcome no look-up tells: no role is needed to bring it before a person, and the desk may resume."""

from __future__ import annotations

import io
import re
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from cycles.domain.words import CallOutcome, FailureClass, Role
from cycles.management.base import TRY_LATER
from cycles.models import Alert, Cycle, ExchangeCall, Posting, SeenOrder
from cycles.services import booking, dead_letters, homing, leasing, resolving
from cycles.services.resolving import Received, Resolution, ResolutionOutcome
from exchanges import registry
from tests.cycles.restoring.acts import (
    ACCEPT,
    WORDS,
    catch_up,
    credited,
    looked_at,
    redrive,
    resume,
    sent,
)
from tests.cycles.restoring.dumps import Backups
from tests.cycles.services.acts import (
    age,
    fail,
    give_back,
    lose_worker,
    make_due,
    units_until,
    withdrawals,
)
from tests.cycles.services.review import WITHDRAWALS, no_faults, told
from tests.cycles.services.test_rest_in_korea import return_only
from tests.cycles.services.test_stating import shown
from tests.desk import TestDesk, eventually, operator

pytestmark = pytest.mark.django_db(transaction=True)

SENDING = "/sapi/v1/capital/withdraw/apply"
NEVER_TAKEN, REPLY_LOST = "F25", "F24"
BEYOND_THE_GRACE = 61  # seconds
NOT_FOUND_ALONE: dict[str, Any] = {
    "venue": "binance", "method": "GET", "path_regex": "/api/v3/order$", "phase": "before",
    "action": "status", "args": {"status": 400, "json": {"code": -2013, "msg": "no order"}},
}  # fmt: skip


@pytest.fixture(autouse=True)
def _short_patience(settings: Any) -> None:
    """Let a venue hang for two seconds only."""
    settings.KIMP_VENUE_DEADLINE_SECONDS = 2
    registry.forget()


def unknown_withdrawal(desk: TestDesk, fault: str, asset: str = "XRP") -> Cycle:
    """Lose a cycle's first withdrawal, before or after its venue took it; USDT is sent as it is."""
    row = desk.open(asset)
    lease = desk.lease(row) if asset == "USDT" else units_until(desk, row, "BUY")
    desk.fault(fault=fault, venue="binance", method="POST", path_regex=f"{SENDING}$", when="once")
    sent_ones = ExchangeCall.objects.filter(cycle=row, operation="WITHDRAW")
    while not sent_ones.exists():
        desk.unit(lease)
    give_back(lease)
    assert sent_ones.get().outcome == "UNKNOWN"
    row.refresh_from_db()
    return row


def lost_order(
    desk: TestDesk, fault: str = "", lost: str = REPLY_LOST
) -> tuple[Cycle, ExchangeCall]:
    """Lose a cycle's first order, or its answer; by F13 it rests there, and nothing of it is filled."""
    row = desk.open()
    if fault:
        desk.fault(fault=fault, action="rests", args={"value": "0"}, when="once", venue="binance")
    desk.fault(fault=lost, venue="binance", method="POST", path_regex="/order$", when="once")
    lease = desk.lease(row)
    desk.unit(lease)
    give_back(lease)
    return row, ExchangeCall.objects.get(cycle=row, outcome=CallOutcome.UNKNOWN)


def call_absent(cycle: Cycle) -> None:
    """State that a dead letter's request never reached its venue."""
    cycle.refresh_from_db()
    resolving.resolve(
        cycle.pk, actor=operator(), reason="support says so", seen_version=cycle.version,
        resolution=Resolution(outcome=ResolutionOutcome.CALL_ABSENT, evidence="ticket 7"),
    )  # fmt: skip


def arrived_by_hand(cycle: Cycle) -> None:
    """State of a dead letter what its USDT became: it has arrived at Upbit, though its venue does not list it as sent."""
    asked = ExchangeCall.objects.get(cycle=cycle, operation="WITHDRAW").request
    quantity = Decimal(asked["quantity"])
    known = booking.desk_balance("upbit", "USDT")
    eventually(lambda: registry.venue("upbit").balances()["USDT"].free >= known + quantity)
    cycle.refresh_from_db()
    received = Received(venue="upbit", asset="USDT", quantity=quantity)
    resolving.resolve(
        cycle.pk, actor=operator(), reason="it is there", seen_version=cycle.version,
        resolution=Resolution(
            outcome=ResolutionOutcome.COMPLETED, evidence="its page", received=(received,)
        ),
    )  # fmt: skip


def said_by_catch_up(*words: str) -> tuple[int, str, str]:
    """Run the command for people; its exit code, its output and its last sentence."""
    operator()
    out = io.StringIO()
    try:
        call_command("catch_up", *words, stdout=out, stderr=io.StringIO())
    except CommandError as error:
        return error.returncode, out.getvalue(), str(error)
    return 0, out.getvalue(), ""


def test_after_its_longest_wait_it_is_a_dead_letter_and_the_desk_may_resume(
    committed_desk: TestDesk, backups: Backups
) -> None:
    desk = committed_desk
    cycle = unknown_withdrawal(desk, NEVER_TAKEN)
    dump = backups.dump()
    backups.restore(dump)
    before = sent(desk)
    age(cycle, BEYOND_THE_GRACE)
    done = catch_up(*WORDS)
    assert sent(desk) == before, "nothing may be sent"
    assert (done["code"], done["is_in_step"], done["parked"]) == (1, True, [cycle.code])
    (undecided,) = done["undecided"]
    assert "which proves nothing there" in undecided
    cycle.refresh_from_db()
    assert (cycle.status, cycle.failure_class) == ("DEAD_LETTER", "UNKNOWN_WITHDRAWAL")
    assert cycle.assignee == operator().user
    assert Alert.objects.filter(cycle=cycle, key__startswith="dead_letter").count() == 1
    assert ExchangeCall.objects.get(cycle=cycle, operation="WITHDRAW").outcome == "UNKNOWN"
    assert dead_letters.process_dead_letters() == 0
    assert catch_up(*WORDS)["code"] == 0

    resume()
    call_absent(cycle)
    redrive(cycle)
    desk.drive_until(cycle, "COMPLETED")
    assert len(withdrawals(desk, "binance")) == 1


def test_before_its_longest_wait_it_is_named_with_what_to_do(desk: TestDesk) -> None:
    cycle = unknown_withdrawal(desk, NEVER_TAKEN)
    code, _, told_last = said_by_catch_up(*WORDS)
    assert (code, homing.is_at_home()) == (TRY_LATER, False)
    assert f"{cycle.code} STARTED" in told_last
    assert "run it again in two minutes" in told_last
    cycle.refresh_from_db()
    assert cycle.status == "STARTED"
    assert_named_role_takes(cycle, told_last)
    age(cycle, BEYOND_THE_GRACE)
    code, out, told_last = said_by_catch_up(*WORDS)
    assert (code, homing.is_at_home()) == (1, True)
    assert f"{cycle.code}: binance shows no trace" in out
    assert "the desk may resume; 1 dead letter waits" in told_last


def assert_named_role_takes(cycle: Cycle, told_last: str) -> None:
    """Claim as the role that is named: it takes the cycle."""
    (named,) = re.findall(r"`manage.py (\w+)`", told_last)
    make_due(cycle)
    assert [one.cycle_id for one in leasing.claim(Role(named), "named", limit=9)] == [cycle.pk]
    lose_worker(cycle)


def test_of_one_that_waits_for_a_retry_on_its_way_out_the_initiator_is_named(
    desk: TestDesk,
) -> None:
    cycle = fail(unknown_withdrawal(desk, NEVER_TAKEN), FailureClass.TRANSIENT)
    assert (cycle.status, cycle.resume_status) == ("RETRY_PENDING", "STARTED")
    _, _, told_last = said_by_catch_up(*WORDS)
    assert_named_role_takes(cycle, told_last)


def test_of_one_on_its_way_home_the_finalizer_is_named(desk: TestDesk) -> None:
    cycle = return_only(desk)
    desk.fault(fault="F13", action="rests", args={"value": "0"}, when="once", venue="upbit")
    lease = desk.lease(cycle)
    while not ExchangeCall.objects.filter(cycle=cycle, outcome="DONE").exists():
        desk.unit(lease)
    give_back(lease)
    _, _, told_last = said_by_catch_up(*WORDS)
    assert_named_role_takes(cycle, told_last)


@pytest.mark.parametrize(
    ("fault", "is_found"), [(NEVER_TAKEN, False), (REPLY_LOST, True), (REPLY_LOST, False)]
)
def test_what_differs_is_not_accepted_before_a_person_has_told_of_it(
    desk: TestDesk, fault: str, is_found: bool
) -> None:
    """What it took would be booked as the desk's capital, and once more when it is told that it left."""
    cycle = unknown_withdrawal(desk, fault, "USDT")
    told(desk, "binance", WITHDRAWALS, [])
    credited(desk, "binance", "USDT", -7)
    age(cycle, BEYOND_THE_GRACE)
    done = catch_up(*ACCEPT)
    assert (done["parked"], done["accepted"], done["is_in_step"]) == ([cycle.code], [], False)
    assert [row["asset"] for row in done["differences"]] == ["USDT"]
    again = catch_up(*ACCEPT)  # by whom it was shown
    assert (again["accepted"], again["is_in_step"]) == ([], False)
    assert any(
        f"{cycle.code} may have sent USDT from binance to upbit" in line for line in again["left"]
    )
    assert not Posting.objects.filter(key__startswith="capital:caught_up").exists()
    if not is_found:
        call_absent(cycle)
    if fault == REPLY_LOST and not is_found:
        arrived_by_hand(cycle)
    if is_found:
        no_faults(desk)
        redrive(cycle)
        looked_at(desk, cycle, ExchangeCall.objects.filter(cycle=cycle, outcome="DONE").exists)
    last = catch_up(*ACCEPT)
    assert (last["accepted"], last["is_in_step"]) == (["binance: -7 USDT"], True)


def test_why_nothing_was_accepted_is_said(desk: TestDesk) -> None:
    cycle = unknown_withdrawal(desk, NEVER_TAKEN, "USDT")
    credited(desk, "binance", "USDT", -7)
    age(cycle, BEYOND_THE_GRACE)
    code, _, told_last = said_by_catch_up(*ACCEPT)
    assert code == 1
    assert "nothing was accepted" in told_last


@pytest.mark.parametrize("fault", ["", "F13"])
def test_one_whose_order_is_found_by_the_same_run_in_a_list_is_no_dead_letter(
    desk: TestDesk, fault: str
) -> None:
    """Whether it is filled, or rests there still with nothing bought: that is under way, and no matter of opinion."""
    row, call = lost_order(desk, fault)
    desk.fault(**NOT_FOUND_ALONE, when="once")
    age(row, 600)
    done = catch_up(*WORDS)
    assert (done["undecided"], done["parked"]) == ([], [])
    row.refresh_from_db()
    call.refresh_from_db()
    assert (row.status, call.outcome) == ("STARTED", CallOutcome.DONE)
    assert (done["unsettled"], done["is_in_step"]) == ((1, False) if fault else (0, True))


def test_what_it_may_have_taken_explains_the_difference_while_its_venue_does_not_show_it(
    desk: TestDesk,
) -> None:
    cycle = unknown_withdrawal(desk, REPLY_LOST)
    told(desk, "binance", WITHDRAWALS, [])
    age(cycle, BEYOND_THE_GRACE)
    done = catch_up(*WORDS)
    assert (done["parked"], done["differences"], done["is_in_step"]) == ([cycle.code], [], True)
    no_faults(desk)
    resume()
    redrive(cycle)
    desk.drive_until(cycle, "COMPLETED")
    assert len(withdrawals(desk, "binance")) == 1


def test_one_that_its_venue_shows_is_settled_and_no_dead_letter(desk: TestDesk) -> None:
    cycle = unknown_withdrawal(desk, REPLY_LOST)
    age(cycle, BEYOND_THE_GRACE)
    done = catch_up(*WORDS)
    assert (done["code"], done["parked"], done["is_in_step"]) == (0, [], True)
    cycle.refresh_from_db()
    assert cycle.status == "STARTED"


def test_a_dry_run_says_that_an_open_request_is_asked_about_first(desk: TestDesk) -> None:
    cycle = unknown_withdrawal(desk, NEVER_TAKEN)
    age(cycle, BEYOND_THE_GRACE)
    code, _, told_last = said_by_catch_up()
    assert code == TRY_LATER
    assert f"{cycle.code} STARTED" in told_last
    assert "with --yes they are asked about first" in told_last
    cycle.refresh_from_db()
    assert cycle.status == "STARTED"


def test_an_order_that_only_a_person_can_tell_of_is_theirs_before_the_desk_resumes(
    desk: TestDesk,
) -> None:
    row, call = lost_order(desk, lost=NEVER_TAKEN)
    shown(call, "open", 1)
    desk.fault(**NOT_FOUND_ALONE)
    age(row, 600)
    code, out, told_last = said_by_catch_up(*WORDS)
    row.refresh_from_db()
    assert (row.status, row.failure_class) == ("DEAD_LETTER", FailureClass.UNKNOWN_ORDER.value)
    assert (code, homing.is_at_home()) == (1, False)
    assert call.client_order_id in out
    assert f"resolve {row.code}" in told_last
    assert said_by_catch_up(*WORDS)[0::2] == (1, told_last), "as long as nobody has resolved it"


def test_an_order_that_rested_once_and_that_its_venue_knew_nothing_of_can_be_stated_as_never_accepted(
    desk: TestDesk,
) -> None:
    """The run that parks it has asked for it itself."""
    row, call = lost_order(desk, lost=NEVER_TAKEN)
    SeenOrder.objects.filter(pk=shown(call, "open", 0).pk).update(is_shown=False)
    desk.fault(**NOT_FOUND_ALONE)
    age(row, 600)
    assert catch_up(*WORDS)["parked"] == [row.code]
    call_absent(row)
    call.refresh_from_db()
    assert call.outcome == CallOutcome.ABSENT


def test_a_dead_letter_is_left_to_whom_it_waits_for(desk: TestDesk) -> None:
    cycle = unknown_withdrawal(desk, NEVER_TAKEN)
    age(cycle, BEYOND_THE_GRACE)
    cycle = desk.drive_until(cycle, "DEAD_LETTER")
    assert catch_up(*WORDS)["code"] == 0
    version = cycle.version
    cycle.refresh_from_db()
    assert (cycle.version, cycle.assignee) == (version, None)
