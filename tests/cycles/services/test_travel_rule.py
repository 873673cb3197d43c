"""Held deposits: verified by the desk once per ten minutes, and otherwise a person's."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.db.models import F
from pytest_django import Settings

from cycles.domain.progress import Turn
from cycles.domain.words import FailureClass
from cycles.models import Alert, Cycle, DepositVerification, Step
from cycles.services import travel_rule
from exchanges import registry
from exchanges.values import DepositReport, DepositStatus
from tests import builders
from tests.concurrency.unguarded import take_out
from tests.cycles.services.acts import balance
from tests.desk import TestDesk

pytestmark = pytest.mark.django_db
VERIFYING = "/v1/travel_rule/deposit"
REPORT = DepositReport(
    venue="upbit", venue_deposit_id="d1", asset="XRP", network="XRP", quantity=Decimal(1),
    status=DepositStatus.HELD, txid="t1", detail="TRAVEL_RULE_SUSPECTED", created_at=None,
    wants_sender=True,
)  # fmt: skip


def flown(desk: TestDesk, scenario: str) -> Cycle:
    """Open a cycle whose deposit Upbit will hold."""
    row = desk.open()
    desk.control("/control/scenario", {"name": scenario})
    return row


def test_the_desk_verifies_a_held_deposit_itself_and_goes_on(desk: TestDesk) -> None:
    row = flown(desk, "travel-rule")
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    assert desk.posts("upbit", VERIFYING) == 1
    kept = DepositVerification.objects.get()
    assert (kept.venue, kept.sender, kept.outcome, kept.attempts) == (
        "upbit",
        "binance",
        "RELEASED",
        1,
    )
    assert not Alert.objects.filter(key__startswith="travel-rule").exists()


def test_what_the_venue_does_not_believe_is_shown_to_a_person_with_what_to_do(
    desk: TestDesk,
) -> None:
    row = flown(desk, "travel-rule-refused")
    desk.drive_until(row, "RETRY_PENDING")
    assert row.failure_class == FailureClass.TRAVEL_RULE_HOLD
    assert "venue's own pages" in row.failure_reason
    assert balance("upbit", "XRP", "CYCLE", row) == 0
    alert = Alert.objects.get(key__startswith="travel-rule")
    assert "failed" in alert.body
    desk.drive_until(row, "DEAD_LETTER")
    assert Alert.objects.filter(key__startswith="travel-rule").count() == 1


def held(settings: Settings, scale: int = 1) -> tuple[Cycle, Step]:
    """Give a cycle that waits for a deposit, at a pace at which ten minutes do not pass by."""
    settings.KIMP_TIME_SCALE = Decimal(scale)
    row = builders.cycle()
    return row, Step.objects.get(cycle=row, kind="DEPOSIT")


def release(row: Cycle, step: Step) -> tuple[Turn, FailureClass]:
    progress = travel_rule.release(row, step, REPORT, sender="binance")
    return progress.turn, progress.failure


def minutes_pass(minutes: int) -> None:
    DepositVerification.objects.update(asked_at=F("asked_at") - timedelta(minutes=minutes))


def test_a_deposit_is_verified_once_per_ten_minutes_whoever_looks(
    desk: TestDesk, settings: Settings
) -> None:
    row, step = held(settings)
    for _ in range(5):  # Upbit knows no such deposit: a definite refusal
        assert release(row, step) == (Turn.FAIL, FailureClass.TRAVEL_RULE_HOLD)
    assert desk.posts("upbit", VERIFYING) == 1
    minutes_pass(9)
    release(row, step)
    assert desk.posts("upbit", VERIFYING) == 1
    minutes_pass(1)
    release(row, step)
    assert desk.posts("upbit", VERIFYING) == 2
    assert DepositVerification.objects.get().attempts == 2


def test_an_attempt_is_written_before_it_is_made_so_a_crash_does_not_repeat_it(
    desk: TestDesk, settings: Settings
) -> None:
    row, step = held(settings)
    assert travel_rule._claim(step, REPORT, "binance") is not None  # and the worker dies here
    assert release(row, step)[0] is Turn.WAIT
    assert desk.posts("upbit", VERIFYING) == 0
    assert DepositVerification.objects.get().outcome == "ASKED"


def test_an_answer_that_comes_late_does_not_replace_that_of_a_newer_attempt(
    desk: TestDesk, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, step = held(settings)
    late = travel_rule._claim(step, REPORT, "binance")
    assert late is not None  # and its worker sleeps for ten minutes
    minutes_pass(10)
    assert travel_rule._claim(step, REPORT, "binance") is not None
    DepositVerification.objects.update(outcome="RELEASED")
    assert travel_rule._told(row, late, REPORT).turn is Turn.WAIT
    assert DepositVerification.objects.get().outcome == "RELEASED"
    assert not Alert.objects.filter(key__startswith="travel-rule").exists()
    take_out(monkeypatch, travel_rule._ask, ", attempts=row.attempts")  # the negative control
    with transaction.atomic():  # what was taken out is not known by its place
        assert travel_rule._told(row, late, REPORT).turn is Turn.FAIL
    assert DepositVerification.objects.get().outcome == "REFUSED"


@pytest.mark.parametrize("action", ["rst", "fin", "status"])
def test_a_lost_answer_counts_as_an_attempt_and_is_waited_out(
    desk: TestDesk, settings: Settings, action: str
) -> None:
    row, step = held(settings)
    rule = {"venue": "upbit", "method": "POST", "path_regex": VERIFYING, "phase": "before"}
    desk.fault(action=action, args={"status": 502}, **rule)
    for _ in range(2):
        assert release(row, step)[0] is Turn.WAIT
    assert DepositVerification.objects.get().outcome == "UNKNOWN"
    assert desk.posts("upbit", VERIFYING) == 1


def test_two_deposits_do_not_wait_for_one_another(desk: TestDesk, settings: Settings) -> None:
    row, step = held(settings)
    release(row, step)
    other = DepositReport(
        **{name: getattr(REPORT, name) for name in REPORT.__slots__} | {"venue_deposit_id": "d2"}
    )
    travel_rule.release(row, step, other, sender="binance")
    assert desk.posts("upbit", VERIFYING) == 2


def test_a_local_entitys_account_flies_the_whole_round_with_its_questionnaires(
    desk: TestDesk,
) -> None:
    desk.control("/control/scenario", {"name": "local-entity"})
    registry.forget()
    row = desk.open()
    desk.drive_until(row, "COMPLETED")
    assert desk.posts("binance", "/sapi/v1/localentity/withdraw/apply") == 1
    assert desk.posts("binance", "/sapi/v1/capital/withdraw/apply") == 0
    assert {one.outcome for one in DepositVerification.objects.all()} == {"RELEASED"}
