"""A venue that rejects our key: told once, paused once, bounded retries, and a person lifts it (F20)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from cycles import tasks
from cycles.domain.progress import Turn
from cycles.domain.words import Channel, FailureClass, PauseScope
from cycles.models import Alert, Intervention, Pause
from cycles.services import desk as desk_services, opening, verifying
from tests.cycles.services.acts import (
    accepted,
    balance,
    each_was_sent_once,
    give_back,
    make_due,
    sent_ids,
    units_until,
)
from tests.desk import TestDesk, operator

SIGNED = {
    "binance": r"/(order|account|myTrades|withdraw|capital)",
    "upbit": r"/v1/(orders?|acc|w|d)",
}
WORDS = [
    ("binance", {"code": -2015}),
    ("upbit", {"name": "expired_access_key"}),
    ("upbit", {"name": "nonce_used"}),
]


def reject(desk: TestDesk, venue: str, args: dict[str, Any]) -> None:
    """Let a venue reject our key from now on."""
    desk.fault(fault="F20", venue=venue, path_regex=SIGNED[venue], args=args)


def key_alerts() -> int:
    """Count the alerts about keys."""
    return Alert.objects.filter(key__startswith="key:").count()


@pytest.mark.parametrize(("venue", "args"), WORDS)
def test_f20_a_key_rejected_mid_run_pauses_its_venue_and_tells_people_once(
    desk: TestDesk, venue: str, args: dict[str, Any]
) -> None:
    row = desk.open()
    if venue == "upbit":
        give_back(units_until(desk, row, "DEPOSIT", "upbit"))
    reject(desk, venue, args)
    for _ in range(3):
        make_due(row)
        desk.step(row)
        assert (row.status, row.failure_class) == ("RETRY_PENDING", FailureClass.KEY_REJECTED)
    pause = Pause.objects.get()
    assert (pause.scope, pause.key, pause.created_by) == (PauseScope.VENUE, venue, None)
    assert "rejects our key" in pause.reason
    told = Alert.objects.get(key=f"key:{venue}:{pause.pk}")
    assert (told.severity, key_alerts()) == (Alert.Severity.CRITICAL, 1)
    audited = Intervention.objects.get(verb="pause")
    assert (audited.actor, audited.channel) == ("system", Channel.SYSTEM)
    assert accepted(desk, venue) == {}


def test_f20_nothing_opens_at_a_paused_venue_until_a_person_lifts_it(desk: TestDesk) -> None:
    row = desk.open()
    desk.sample()
    assert opening.decide().opens
    reject(desk, "binance", {"code": -2015})
    desk.step(row)
    desk.sample()
    assert not opening.decide().opens
    seen = opening.preview_by_hand(asset="XRP", notional_usdt=Decimal(100))
    assert any("paused" in objection for objection in seen.objections)
    desk.control("/control/faults", method="DELETE")
    desk_services.unpause(Pause.objects.get().pk, actor=operator(), reason="a new key")
    desk.sample()
    assert opening.decide().opens
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    each_was_sent_once(desk)


def test_f20_retries_end_with_a_person_and_each_asked_the_venue_once(desk: TestDesk) -> None:
    row = desk.open()
    reject(desk, "binance", {"code": -2015})
    while row.status != "DEAD_LETTER":
        make_due(row)
        desk.step(row)
    assert (row.failure_class, row.retry_count) == (
        FailureClass.KEY_REJECTED,
        row.policy.calm_attempts,
    )
    assert set(sent_ids(desk).values()) == {1}
    assert sum(sent_ids(desk).values()) == row.policy.calm_attempts + 1
    assert balance("binance", "USDT", "CYCLE", row) == row.notional_usdt
    assert key_alerts() == 1


def test_f20_a_key_that_may_not_even_look_up_is_no_passing_trouble(desk: TestDesk) -> None:
    row = desk.open()
    give_back(units_until(desk, row, "BUY"))
    desk.step(row)  # sends the withdrawal
    desk.fault(fault="F20", venue="binance", path_regex="/withdraw/history", args={"code": -2015})
    progress = desk.unit(desk.lease(row))
    assert (progress.turn, progress.failure) == (Turn.FAIL, FailureClass.KEY_REJECTED)


def test_f20_the_proof_of_the_ledger_notices_a_rejected_key_with_nothing_under_way(
    desk: TestDesk,
) -> None:
    reject(desk, "upbit", {"name": "expired_access_key"})
    assert verifying.verify_ledger_job() is False
    assert [pause.key for pause in Pause.objects.all()] == ["upbit"]
    assert key_alerts() == 1
    assert desk_services.current().mode == "RUN"  # blindness is no difference


def test_f20_the_refresh_of_the_rules_notices_a_rejected_key(desk: TestDesk) -> None:
    reject(desk, "upbit", {"name": "expired_access_key"})
    tasks.refresh_markets()
    tasks.refresh_markets()
    assert [pause.key for pause in Pause.objects.all()] == ["upbit"]
    assert key_alerts() == 1


def test_f20_a_key_rejected_again_after_the_pause_was_lifted_is_told_again(desk: TestDesk) -> None:
    row = desk.open()
    reject(desk, "binance", {"code": -2015})
    desk.step(row)
    desk_services.unpause(Pause.objects.get().pk, actor=operator(), reason="I thought so")
    make_due(row)
    desk.step(row)
    assert (Pause.objects.count(), key_alerts()) == (1, 2)


def test_f20_at_a_venue_that_a_person_paused_already_people_are_told_all_the_same(
    desk: TestDesk,
) -> None:
    row = desk.open()
    desk_services.pause(PauseScope.VENUE, "binance", actor=operator(), reason="holidays")
    reject(desk, "binance", {"code": -2015})
    desk.step(row)
    assert Pause.objects.get().reason == "holidays"
    assert key_alerts() == 1
