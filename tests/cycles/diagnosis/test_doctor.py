"""The whole doctor against the simulator over sockets: a good desk, a broken one, a silent venue."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from cycles.domain.words import DeskKind
from cycles.models import Heartbeat
from exchanges import registry
from exchanges.models import MarketRule, RegisteredAddress
from tests import builders
from tests.cycles.diagnosis.conftest import doctor
from tests.cycles.telegram_sink import Sink
from tests.desk import TestDesk

UNTOLD = {("upbit", "trading"), ("upbit", "withdrawal block")}
FAR = "http://127.0.0.1:9/fx"


def asked(desk: TestDesk) -> list[tuple[str, str]]:
    """Give method and path of every request that the venues got."""
    return [(row["method"], row["path"]) for row in desk.control("/control/requests")]


def secrets(desk: TestDesk) -> list[str]:
    """List what must never be shown: keys, and addresses of ours."""
    accounts = desk.control("/control/accounts")["accounts"].values()
    keys = [row[name] for row in accounts for name in ("access_key", "secret_key")]
    return [*keys, *RegisteredAddress.objects.values_list("address", flat=True), "hushhush"]


def test_a_good_desk_has_only_lines_that_a_first_small_cycle_clears(ready: TestDesk) -> None:
    report = doctor("--json")
    assert {(row["section"], row["subject"]) for row in report.lines(level="WARN")} == UNTOLD
    assert report.lines(level="FAIL") == []
    assert report.status == 1
    sections = {row["section"] for row in report.rows}
    assert sections >= {"machine", "database", "workers", "alerts", "binance", "upbit", "rates"}


def test_after_a_whole_cycle_every_line_is_ok(ready: TestDesk) -> None:
    ready.drive_until(ready.open(), "COMPLETED")
    ready.sample()
    report = doctor()
    assert report.status == 0, report.text
    assert re.search(r"^\d+ OK, 0 WARN, 0 FAIL$", report.text, re.MULTILINE)


def test_the_documents_example_has_the_lines_of_the_code(ready: TestDesk) -> None:
    text = (Path(__file__).parents[3] / "docs/doctor.md").read_text("utf-8")
    shown = re.findall(r"```text\n(.*?)```", text, re.DOTALL)[0]
    assert "withdrawal block" in subjects(shown)
    assert subjects(shown) == subjects(doctor().text)


def subjects(text: str) -> list[str]:
    """List sections and subjects in the order in which they are printed."""
    told = re.findall(r"^(?:(\S[^,\n]*)|  (?:OK  |WARN|FAIL)  (.{18})  .*)$", text, re.MULTILINE)
    return [(section or subject).strip() for section, subject in told]


def test_only_reads_reach_the_venues(ready: TestDesk) -> None:
    before = len(asked(ready))
    doctor("--json")
    new = asked(ready)[before:]
    assert ("GET", "/sapi/v1/account/apiRestrictions") in new
    assert ("GET", "/v1/api_keys") in new
    assert {method for method, _ in new} == {"GET"}


def broken(desk: TestDesk, settings: Any) -> None:
    """Break every kind of thing at once."""
    Heartbeat.objects.filter(name="finalizer@here").delete()
    MarketRule.objects.filter(venue="binance", market="BTC/USDT").delete()
    desk.control("/control/keys", {"venue": "binance", "permissions": ["read", "trade"]})
    desk.control("/control/keys", {"venue": "upbit", "expires_in_ms": -1})
    settings.KIMP_FX_ERAPI_URL = FAR


def test_a_broken_desk_says_of_each_trouble_what_to_do(ready: TestDesk, settings: Any) -> None:
    broken(ready, settings)
    report = doctor("--json")
    failed = {(row["section"], row["subject"]) for row in report.lines(level="FAIL")}
    assert failed == {
        ("workers", "finalizer"),
        ("rules", "rules binance"),
        ("binance", "withdrawing"),
        ("upbit", "key"),
        ("rates", "open-er-api"),
        ("rates", "agreement"),
    }
    assert report.status == 2
    assert all(row["remedy"] for row in report.rows if row["level"] != "OK")
    assert not any(row["remedy"] for row in report.lines(level="OK"))


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_no_key_and_no_address_is_shown(
    ready: TestDesk, settings: Any, words: tuple[str, ...]
) -> None:
    good = doctor(*words).text
    broken(ready, settings)
    told = good + doctor(*words).text
    assert [secret for secret in secrets(ready) if secret in told] == []


def test_a_venue_that_is_down_is_one_line_and_the_others_are_looked_at(
    ready: TestDesk, settings: Any
) -> None:
    settings.KIMP_VENUE_DEADLINE_SECONDS = 1
    registry.forget()
    ready.fault(fault="F1", venue="binance", method="GET", path_regex=".")
    report = doctor("--json")
    (only,) = report.lines("binance")
    assert (only["subject"], only["level"]) == ("answers", "FAIL")
    assert "status page" in only["remedy"]
    assert len(report.lines("upbit", "OK")) >= 4
    assert report.lines("rates", "FAIL") == []


def test_with_database_and_environment_at_odds_no_venue_is_called(db: None) -> None:
    builders.desk(kind=DeskKind.LIVE)
    registry.configure(database_is_live=True)
    try:
        report = doctor("--json")
    finally:
        registry.configure(database_is_live=False)
    assert [row["subject"] for row in report.lines("desk", "FAIL")] == ["kind"]
    assert {"binance", "upbit", "rates"}.isdisjoint(row["section"] for row in report.rows)


def test_columns_are_aligned_and_what_to_do_stands_below(ready: TestDesk, settings: Any) -> None:
    settings.KIMP_TELEGRAM_TOKEN = ""
    text = doctor().text
    assert "\nalerts\n  WARN  channel             alerts are only logged" in text
    assert (
        "\n                            -> set KIMP_TELEGRAM_TOKEN and KIMP_TELEGRAM_CHAT_ID\n"
        in text
    )


def test_a_test_alert_is_sent_only_when_asked_for(ready: TestDesk, telegram: Sink) -> None:
    before = len(telegram.texts)
    doctor()
    assert len(telegram.texts) == before
    report = doctor("--send-test-alert", "--json")
    assert "kimp doctor" in telegram.texts[-1]
    assert "took a test message" in report.lines("alerts")[0]["detail"]
