"""All sections in the order in which they are mended: what a later one needs, an earlier one has looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from django.db import Error, connection

from cycles.diagnosis import desk, rates, venues, ways
from cycles.diagnosis.findings import Finding, Level, amiss
from exchanges import registry
from exchanges.errors import ModeError
from kimp.diagnosis import composition, database, machine

UNREACHED = {"server", "reachable"}  # without a database nothing else can be looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Findings on one thing, under its name."""

    name: str
    findings: tuple[Finding, ...]


def sections(now: datetime, *, sends_test_alert: bool = False) -> Iterator[Section]:
    """Look at everything, section by section.

    Venues get reads alone: no order and no withdrawal is sent, no address made. Only a test alert, if one is
    asked for, tells anybody anything.
    """
    yield _section("machine", machine.of_machine)
    yield _section("settings", composition.of_settings)
    seen = _section("database", _database)
    yield seen
    if any(one.subject in UNREACHED and one.level is Level.FAIL for one in seen.findings):
        yield _section("ports", partial(machine.of_ports, desk_runs=False))
        return
    workers = _section("workers", _workers)
    yield workers
    runs = any(one.level is Level.OK for one in workers.findings if one.subject != "schedule")
    yield _section("ports", partial(machine.of_ports, desk_runs=runs))
    yield _section("desk", desk.of_desk)
    yield _section("alerts", partial(desk.of_alerts, sends_test=sends_test_alert))
    yield from _outside(now)


def _database() -> Iterator[Finding]:
    server = database.of_server()
    yield server
    if server.level is not Level.FAIL:
        yield from database.of_database()


def _workers() -> Iterator[Finding]:
    yield from composition.of_workers()
    yield composition.of_schedule()


def _outside(now: datetime) -> Iterator[Section]:
    """Look at venues, the ways between them, and rates."""
    try:
        registry.is_live()
    except ModeError:  # told under `desk`: with the two at odds no venue is called
        return
    for code in registry.desk_venues():
        yield _section(code, partial(venues.of_venue, code, now))
    yield _section("rules", partial(ways.of_rules, now))
    for korea in registry.korea_venues():
        name = f"{registry.GLOBAL_VENUE} and {korea}"
        yield _section(name, partial(ways.of_ways, korea))
    yield _section("rates", partial(_rates, now))


def _rates(now: datetime) -> Iterator[Finding]:
    yield from rates.of_sources(now)
    yield from rates.of_samples()


def _section(name: str, look: Callable[[], Iterable[Finding]]) -> Section:
    """Run one section to its end; a database that fails on the way is its last line."""
    found: list[Finding] = []
    try:
        found.extend(look())  # those before an error stay
    except Error as error:
        connection.close()
        cure = "see that PostgreSQL runs and takes connections, and DATABASE_URL (manage.py config)"
        told = f"the database did not answer ({type(error).__name__})"
        found.append(amiss("reachable", told, cure))
    return Section(name=name, findings=tuple(found))
