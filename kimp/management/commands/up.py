"""Run the whole simulated desk in the foreground."""

from __future__ import annotations

import os
import subprocess
import sys
from argparse import ArgumentTypeError
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from exchanges import official
from exchanges.simulator.candles import DEFAULT_STRETCH, load_tape
from exchanges.simulator.core.scenarios.library import (
    CALM,
    SCENARIOS,
    UnknownScenarioError,
    scenario,
)
from exchanges.simulator.core.values import VENUES
from kimp import desk, first_admin, locks, postgres, queue_health
from kimp.children import Child
from kimp.demo.folder import end_left_over
from kimp.desk import RolePlan, Simulation
from kimp.environment_table import ROLES
from kimp.sockets import is_free
from kimp.supervisor import Printer, Supervisor, SupervisorError

_START_SECONDS = 60
_TRIES = 3
_PATIENT_SECONDS = 15.0  # where nobody was told to end
_SERVER_SECONDS = 1.0  # at least, however long all else took
SPEED = 60


class Command(BaseCommand):
    """manage.py up: migrations, an admin, the venues, every role; Ctrl-C ends all of it."""

    help = (
        "Runs the simulated desk: venues, feeder, initiator, finalizer, queue, web. Ctrl-C ends it."
    )
    requires_system_checks: list[str] = []
    _seconds_left: Callable[[], float] = staticmethod(lambda: _PATIENT_SECONDS)

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare how the simulated market runs."""
        parser.add_argument("--seed", type=int, default=7, help="of generated books and faults")
        parser.add_argument("--speed", type=_speed, help=f"market seconds per second; {SPEED}")
        parser.add_argument(
            "--first-port", type=_first_port, help="web there, everything else after it"
        )
        parser.add_argument(
            "--scenario",
            metavar="NAME",
            help=f"what the venues are like, KIMP_SCENARIO if not named: {', '.join(SCENARIOS)}",
        )
        parser.add_argument(
            "--calm",
            action="store_const",
            dest="scenario",
            const=CALM,
            help=f"the same as --scenario {CALM}: nothing goes wrong on purpose",
        )
        parser.add_argument("--stretch", help=f"recorded market to replay; {DEFAULT_STRETCH}")
        parser.add_argument(
            "--data", type=Path, help="folder of a recording, or of candles, to play instead"
        )
        parser.add_argument(
            "--live-books",
            nargs="*",
            metavar="VENUE=URL",
            help="paper trading on today's market: take the books from the venues' public feeds",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Start the desk and stay until a signal ends it."""
        try:
            chosen = _chosen(options)
            lock = _only_one(settings.KIMP_HOME)
            for name in end_left_over(settings.KIMP_HOME):
                self._say(f"ended {name}, left over from a demonstration that was killed")
            plans = desk.plans(_extra(options, chosen["speed"]), options["first_port"])
            url = plans["web"].environment.get("KIMP_SIMULATOR_URL")
            self._run(plans, desk.simulation_of_settings(**chosen, control_url=url))
        except (SupervisorError, postgres.PostgresError, UnknownScenarioError) as error:
            raise CommandError(str(error)) from error
        finally:
            connections.close_all()
            self._give_back_the_server()
        lock.close()
        self._say("the desk is down")

    def _run(self, plans: Mapping[str, RolePlan], simulation: Simulation | None) -> None:
        printer = Printer(write=self._write, has_colours=_has_colours())
        with Supervisor(settings.KIMP_HOME / "children.json", printer) as group:
            self._seconds_left = group.seconds_left
            taken = desk.taken_ports(plans, simulation)
            if taken:
                raise SupervisorError("\n".join(taken))
            password = self._prepare(group)
            if simulation is not None and not group.is_ending:
                venues = group.start(desk.simulator(simulation, plans["web"]))
                _wait_for(group, venues, simulation.control_port)
                self._say_what_is_played(simulation.scenario)
            if not group.is_ending:
                self._start_roles(group, plans)
            if not group.is_ending:
                self._greet(plans["web"], password)
            group.run()
            self._say("ending: what is in flight is finished or handed back")

    def _say_what_is_played(self, name: str) -> None:
        """Say what the venues are like, and how to have them otherwise."""
        calm = "" if name == CALM else " (--calm: nothing goes wrong)"
        self._say(f"scenario {name}: {scenario(name).about}{calm}")

    def _start_roles(self, group: Supervisor, plans: Mapping[str, RolePlan]) -> None:
        group.unless_ended(partial(_seed, plans["web"]))
        if group.is_ending:
            return
        children = [group.start(spec) for spec in desk.roles(plans, queue_health.ask)]
        web = next(child for child in children if child.spec.name == "web")
        _wait_for(group, web, plans["web"].port)

    def _prepare(self, group: Supervisor) -> str | None:
        """Bring the database up to date; return the admin's password if one was made."""
        self._say("database: migrating")
        password = group.unless_ended(self._migrate)
        connections.close_all()  # the thread that watches the queue has its own
        return password

    def _migrate(self) -> str | None:
        call_command("migrate", verbosity=0, interactive=False)
        return first_admin.ensure(self._tell_at_once)

    def _tell_at_once(self, password: str) -> None:
        self._say(f"first operator: {first_admin.NAME} / {password}   (shown at this start only)")

    def _give_back_the_server(self) -> None:
        """End the embedded server within what is left of the seconds in which all of it ends."""
        try:
            left = max(self._seconds_left(), _SERVER_SECONDS)
            postgres.release(settings.KIMP_HOME, patience_seconds=left, say=self._say)
        except postgres.PostgresError as error:
            self._say(f"the database server may still run: {error}")

    def _greet(self, web: RolePlan, password: str | None) -> None:
        lines = ["", f"  Admin   http://127.0.0.1:{web.port}/admin/"]
        if password is not None:
            lines.append(f"  Log in  {first_admin.NAME} / {password}   (shown at this start only)")
        else:
            lines.append(f"  Log in  {first_admin.NAME}, with the password of the first start")
        again = f"{Path(sys.executable).name} manage.py changepassword {first_admin.NAME}"
        lines.append(f"          (a new one: .venv/bin/{again})")
        venues = web.environment.get("KIMP_SIMULATOR_URL", settings.KIMP_SIMULATOR_URL)
        if venues != settings.KIMP_SIMULATOR_URL:
            lines.append(f"  In other terminals  export KIMP_SIMULATOR_URL={venues}")
        lines += ["  Ctrl-C ends the desk.", ""]
        self._write("\n".join(lines) + "\n")

    def _say(self, text: str) -> None:
        self._write(f"{'kimp':<10} | {text}\n")

    def _write(self, text: str) -> None:
        self.stdout.write(text, ending="")
        self.stdout.flush()


def _speed(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) >= 1):
        raise ArgumentTypeError("must be a whole number, 1 or more")
    return int(text)


def _first_port(text: str) -> int:
    last = 65_535 - len(ROLES) - len(VENUES)
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= last):
        raise ArgumentTypeError(f"must be a port from 1 to {last}: the next ones are taken too")
    return int(text)


def _only_one(home: Path) -> locks.FileLock:
    """Refuse a second desk in the same home, and a home that cannot be written."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = locks.FileLock(home / "desk.lock")
    except OSError as error:
        raise SupervisorError(
            f"KIMP_HOME: {home} cannot be used ({error.strerror}); name a folder you may write."
        ) from error
    if not lock.try_exclusive():
        lock.close()
        raise SupervisorError("This desk is up already, in another terminal.")
    return lock


def _chosen(options: Mapping[str, Any]) -> dict[str, Any]:
    """Read how the venues are to be; a name or a pace that cannot be is said before anything starts."""
    live = options["live_books"]
    if live is not None and options["speed"] not in {None, 1}:
        raise SupervisorError("Live books come at the market's own pace: no --speed beside them.")
    stretch, data = options["stretch"], options["data"]
    if data is not None and not data.is_dir():
        raise SupervisorError(f"--data: there is no folder {data}.")
    if data is None and stretch is not None:
        _demand_stretch(stretch)
    return {
        "seed": options["seed"],
        "speed": options["speed"] or (SPEED if live is None else 1),
        # A folder says itself what is played if nothing is asked for.
        "stretch": stretch or (None if options["data"] else DEFAULT_STRETCH),
        "scenario": scenario(options["scenario"] or settings.KIMP_SCENARIO).name,
        "data": options["data"],
        "live_books": None if live is None else tuple(live),
    }


def _demand_stretch(name: str) -> None:
    """Refuse a market that nobody recorded before anything starts."""
    try:
        load_tape(name)
    except LookupError as error:
        raise SupervisorError(str(error.args[0])) from error


def _extra(options: Mapping[str, Any], speed: int) -> dict[str, str]:
    """Choose what all children share: lines for eyes, durations that pass like the market's."""
    chosen = {"KIMP_LOG_FORMAT": "console", "KIMP_TIME_SCALE": str(speed)}
    if options["live_books"] is not None:  # the simulator knows no rate of today
        chosen["KIMP_FX_FRANKFURTER_URL"] = official.FRANKFURTER
        chosen["KIMP_FX_ERAPI_URL"] = official.OPEN_ER_API
    if _has_colours():
        chosen["FORCE_COLOR"] = "1"  # their terminal is this one, seen through a pipe
    if settings.KIMP_LIVE:
        del chosen["KIMP_TIME_SCALE"]
    return {name: text for name, text in chosen.items() if name not in os.environ}


def _wait_for(group: Supervisor, child: Child, port: int) -> None:
    """Serve until the child listens; raises SupervisorError when it died thrice or takes too long."""

    def is_decided() -> bool:
        return child.failures >= _TRIES or not is_free(port)

    is_in_time = group.pump(is_decided, patience_seconds=_START_SECONDS)
    if not group.is_ending and (child.failures >= _TRIES or not is_in_time):
        raise SupervisorError(f"The {child.spec.name} does not start; its lines above say why.")


def _seed(plan: RolePlan) -> None:
    """Give the desk its opening balances, policy and schedules, where it has none."""
    # A process of its own: it must see the children's settings, not the supervisor's.
    for command in ("seed_desk", "sync_schedules"):
        words = desk.manage(command)
        if subprocess.run(words, env=dict(plan.environment), check=False).returncode != 0:  # noqa: S603
            raise SupervisorError(f"{command} failed; its lines above say why.")


def _has_colours() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ
