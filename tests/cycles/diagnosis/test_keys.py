"""Each thing that can be wrong with a key: asked of the simulated venue, told with what to do."""

from __future__ import annotations

from typing import Any

import pytest

from cycles.diagnosis import venues
from cycles.diagnosis.findings import Finding, Level
from cycles.domain.words import CallOutcome
from cycles.models import ExchangeCall
from exchanges import registry
from tests.cycles.diagnosis.conftest import line
from tests.desk import TestDesk, eventually

DAY_MS = 86_400_000


def change(desk: TestDesk, venue: str, **what: Any) -> None:
    desk.control("/control/keys", {"venue": venue, **what})


def looked_at(venue: str) -> list[Finding]:
    return venues.of_venue(venue, registry.utc_now())


@pytest.mark.parametrize("venue", ["binance", "upbit"])
def test_a_key_that_is_rejected_ends_the_venues_lines_with_what_to_do(
    desk: TestDesk, venue: str
) -> None:
    change(desk, venue, addresses=["192.0.2.1"])
    *before, last = looked_at(venue)
    assert [one.subject for one in before] == ["clock"]
    assert (last.subject, last.level) == ("key", Level.FAIL)
    assert "allow-list" in last.remedy


@pytest.mark.parametrize("venue", ["binance", "upbit"])
@pytest.mark.parametrize(
    ("left_ms", "level"),
    [(15 * DAY_MS, Level.OK), (13 * DAY_MS, Level.WARN)],
)
def test_a_key_that_ends_soon_is_told_two_weeks_before(
    desk: TestDesk, venue: str, left_ms: int, level: Level
) -> None:
    change(desk, venue, expires_in_ms=left_ms)
    assert line(looked_at(venue), "expiry").level is level


def test_a_key_past_its_end_is_refused_and_says_so(desk: TestDesk) -> None:
    change(desk, "upbit", expires_in_ms=-1)
    refused = line(looked_at("upbit"), "key")
    assert refused.level is Level.FAIL
    assert "expired_access_key" in refused.detail
    assert "new key" in refused.remedy


@pytest.mark.parametrize(
    ("permissions", "subject"),
    [(["read", "withdraw"], "trading"), (["read", "trade"], "withdrawing")],
)
def test_a_missing_scope_that_the_venue_tells_of_fails(
    desk: TestDesk, permissions: list[str], subject: str
) -> None:
    assert line(looked_at("binance"), subject).level is Level.OK
    change(desk, "binance", permissions=permissions)
    assert line(looked_at("binance"), subject).level is Level.FAIL


@pytest.mark.parametrize(
    ("view", "told"),
    [
        ("assets", "balances"),
        ("orders", "orders' terms"),
        ("withdrawals", "withdrawals, allowed destinations"),
        ("deposits", "deposits"),
    ],
)
def test_a_view_that_a_korean_key_lacks_fails(desk: TestDesk, view: str, told: str) -> None:
    change(desk, "upbit", withheld=[view])
    reading = line(looked_at("upbit"), "reading")
    assert reading.level is Level.FAIL
    assert reading.detail == f"the key may not read {told}"


def test_what_a_key_may_do_besides_is_a_warning_with_its_names(desk: TestDesk) -> None:
    assert line(looked_at("binance"), "excess").level is Level.OK
    change(desk, "binance", extras=["enableMargin", "permitsUniversalTransfer"])
    excess = line(looked_at("binance"), "excess")
    assert excess.level is Level.WARN
    assert "enableMargin, permitsUniversalTransfer" in excess.detail


@pytest.mark.parametrize(
    ("permissions", "level"),
    [(["read", "trade", "withdraw"], Level.FAIL), (["read", "trade"], Level.WARN)],
)
def test_a_key_without_an_allow_list_fails_if_it_may_withdraw(
    desk: TestDesk, permissions: list[str], level: Level
) -> None:
    change(desk, "binance", has_allow_list=False, permissions=permissions)
    assert line(looked_at("binance"), "allow-list").level is level


@pytest.mark.parametrize("korea", [["bithumb"]])
def test_what_bithumb_does_not_tell_is_for_a_person_to_look_at(desk: TestDesk) -> None:
    found = looked_at("bithumb")
    warned = [one.subject for one in found if one.level is Level.WARN]
    assert warned == ["allow-list", "trading", "withdrawing"]
    assert line(found, "reading").level is Level.OK


def test_upbits_withdrawal_block_is_known_from_the_newest_withdrawal(desk: TestDesk) -> None:
    assert line(looked_at("upbit"), "withdrawal block").level is Level.WARN
    change(desk, "upbit", has_withdrawal_block=True)
    row = desk.open()
    refused = ExchangeCall.objects.filter(venue="upbit", outcome=CallOutcome.REFUSED)

    def is_refused() -> bool:
        desk.step(row)
        return refused.exists()

    eventually(is_refused)
    blocked = line(looked_at("upbit"), "withdrawal block")
    assert blocked.level is Level.FAIL
    assert "open_api_withdraw_locked" in blocked.detail
    assert "mobile app" in blocked.remedy


def test_won_that_came_in_lately_is_a_warning_with_its_amount(desk: TestDesk) -> None:
    assert line(looked_at("upbit"), "account").level is Level.OK
    won = {"venue": "upbit", "asset": "KRW", "credit": "3000000", "delayed_ms": DAY_MS}
    desk.control("/control/balances", won)
    held = line(looked_at("upbit"), "account")
    assert held.level is Level.WARN
    assert "3,000,000 KRW may not leave yet" in held.detail


def test_a_clock_that_is_off_fails(desk: TestDesk) -> None:
    desk.control("/control/skew", {"venue": "binance", "ms": 7000})
    registry.forget()
    clock = line(looked_at("binance"), "clock")
    assert clock.level is Level.FAIL
    assert "ahead of ours" in clock.detail
    assert "time synchronisation" in clock.remedy


def test_a_clock_that_is_a_little_off_is_a_warning(desk: TestDesk) -> None:
    desk.control("/control/skew", {"venue": "binance", "ms": -3000})
    registry.forget()
    assert line(looked_at("binance"), "clock").level is Level.WARN


def test_a_process_without_keys_says_with_which_settings_to_run(db: None, settings: Any) -> None:
    settings.KIMP_LIVE = True
    settings.KIMP_UPBIT_ACCESS_KEY = settings.KIMP_UPBIT_SECRET_KEY = ""
    registry.configure(database_is_live=True)
    try:
        (only,) = looked_at("upbit")
    finally:
        registry.configure(database_is_live=False)
    assert (only.subject, only.level) == ("key", Level.FAIL)
    assert "KIMP_ROLE=worker" in only.remedy
