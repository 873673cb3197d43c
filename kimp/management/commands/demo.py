"""Run a bounded desk that proves itself, in a database and on ports of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from exchanges.simulator.candles import load_tape, stretches
from exchanges.simulator.core.scenarios.library import SCENARIOS, scenario
from kimp import postgres
from kimp.demo.folder import end_left_over, own_folder, taking_part
from kimp.demo.place import Place, own_place
from kimp.demo.proof import Proof
from kimp.demo.run import Script, run
from kimp.supervisor import SupervisorError

STRETCH = "crash-2024-12-03"
SPEED = 60
DAY_SPEED = 240
CYCLES = 14
# Both Korean venues; many cycles at a time; nobody waits long for what is lost or killed.
DAY_SETTINGS = {
    "KIMP_KOREA_VENUES": "upbit,bithumb",
    "KIMP_WORKER_THREADS": "8",
    "KIMP_VENUE_DEADLINE_SECONDS": "4",
    "KIMP_LEASE_SECONDS": "10",
}
INTERRUPTED = 130


class Command(BaseCommand):
    """manage.py demo: opens, spoils, retries, buries, redrives and proves."""

    help = (
        "Run the desk headless over a stretch of recorded market, with faults, and prove what it "
        "did. Exit status 0 only if every claim holds."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare how it is played."""
        parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
        parser.add_argument("--seed", type=int, default=7, help="of generated books and faults")
        parser.add_argument(
            "--speed", type=int, help=f"market seconds a second; {SPEED}, of a day {DAY_SPEED}"
        )
        parser.add_argument("--stretch", default=STRETCH, help="recorded market to replay")
        parser.add_argument("--cycles", type=int, default=CYCLES, help="cycles to open at least")
        parser.add_argument(
            "--scenario",
            metavar="NAME",
            help=f"play a day in a scenario of the venues instead: {', '.join(SCENARIOS)}",
        )
        parser.add_argument(
            "--kills", type=int, default=0, help="processes of the desk to kill at random meanwhile"
        )
        parser.add_argument("--verbose", action="store_true", help="show the processes' own lines")
        parser.add_argument("--prepared", metavar="PORTS", help="used by demo itself")

    def handle(self, *args: Any, **options: Any) -> None:
        """Prepare a place and play in it, in a process of its own settings."""
        try:
            if options["prepared"]:
                self._play(options)
                return
            # Before anything is made: a wrong name costs nothing.
            load_tape(options["stretch"])
            if options["cycles"] < 1:
                raise CommandError("--cycles: at least one")
            if options["scenario"] is not None:
                scenario(options["scenario"])
            code = self._prepare_and_play(_read(options, role_ports=()))
        except LookupError as error:
            raise CommandError(str(error.args[0])) from error
        except (SupervisorError, postgres.PostgresError, OSError) as error:
            raise CommandError(str(error)) from error
        sys.exit(code)

    def _prepare_and_play(self, script: Script) -> int:
        """Play in a child whose environment names the place; clear the place away afterwards."""
        home = Path(settings.KIMP_HOME)
        end_left_over(home)
        try:
            with own_place() as place, own_folder(home) as folder:
                connections.close_all()
                return _play_in_child(place, _environment(script, place, folder))
        finally:
            connections.close_all()
            self._give_back_the_server()

    def _give_back_the_server(self) -> None:
        """End the embedded server if nobody else uses it; what the play has proved stands all the same."""
        try:
            postgres.release(settings.KIMP_HOME, say=self._say)
        except (postgres.PostgresError, OSError) as error:
            self._say(f"the database server may still run: {error}")

    def _play(self, options: dict[str, Any]) -> None:
        """Play, show, and fail unless every claim holds."""
        ports = tuple(map(int, options["prepared"].split(",")))
        script = _read(options, role_ports=ports)
        self._introduce(script)
        with taking_part(Path(settings.KIMP_HOME)):
            proof = run(script, self._say)
        if options["json"]:
            self.stdout.write(json.dumps({**proof.figures, "claims": proof.claims}))
        else:
            self._show(proof)
        for problem in proof.problems:
            self._say(problem)
        broken = [claim for claim, holds in proof.claims.items() if not holds]
        if broken:
            raise CommandError("not proved: " + "; ".join(broken))

    def _introduce(self, script: Script) -> None:
        """Say which market is replayed, and what of it is generated."""
        told = stretches().get(script.stretch)
        self._say(f"stretch {script.stretch}, {script.speed} times as fast, seed {script.seed}")
        if told is not None:
            self._say(f"{told.description}; from {told.start} to {told.end}")
            self._say(f"recorded: {told.recorded}; generated: {told.generated}")
        if script.scenario is not None:
            self._say(f"scenario {script.scenario}: {scenario(script.scenario).about}")

    def _show(self, proof: Proof) -> None:
        """Print the figures and the claims as a table."""
        for name, value in proof.figures.items():
            is_counted = isinstance(value, dict)
            shown = ", ".join(f"{n} {s}" for s, n in value.items()) if is_counted else value
            self.stdout.write(f"  {name:<24} {shown}")
        self.stdout.write("")
        for claim, holds in proof.claims.items():
            self.stdout.write(f"  {'proved' if holds else 'BROKEN':<8} {claim}")

    def _say(self, text: str) -> None:
        """Tell progress, beside the data."""
        self.stderr.write(text, self.style.NOTICE if sys.stderr.isatty() else lambda x: x)
        self.stderr.flush()


def _read(options: Mapping[str, Any], *, role_ports: tuple[int, ...]) -> Script:
    """Read the command line."""
    is_day = options["scenario"] is not None or options["kills"] > 0
    return Script(
        seed=options["seed"],
        speed=options["speed"] or (DAY_SPEED if is_day else SPEED),
        stretch=options["stretch"],
        scenario=options["scenario"],
        wanted=options["cycles"],
        kills=options["kills"],
        is_verbose=options["verbose"],
        role_ports=role_ports,
        parent=os.getppid(),
    )


def _environment(script: Script, place: Place, home: Path) -> dict[str, str]:
    """Give the environment in which the demonstration's processes find their place."""
    return {
        **os.environ,
        **(DAY_SETTINGS if script.is_day else {"KIMP_KOREA_VENUES": "upbit"}),
        "DATABASE_URL": place.database_url,
        "KIMP_HOME": str(home),
        "KIMP_ROLE": "web",
        "KIMP_LIVE": "0",
        "KIMP_SIMULATOR_URL": f"http://127.0.0.1:{place.control_port}",
        "KIMP_FX_FRANKFURTER_URL": f"http://127.0.0.1:{place.control_port}/fx/usdkrw",
        "KIMP_FX_ERAPI_URL": f"http://127.0.0.1:{place.control_port}/fx/v6/latest/USD",
        "KIMP_TELEGRAM_TOKEN": "",  # a demonstration alarms nobody
        "KIMP_LOG_LEVEL": os.environ.get(
            "KIMP_LOG_LEVEL", "WARNING" if script.is_verbose else "ERROR"
        ),
        "KIMP_TIME_SCALE": str(script.speed),
    }


def _play_in_child(place: Place, environment: dict[str, str]) -> int:
    """Run the play; Ctrl-C reaches the child too, which ends its own children.

    We wait for it then, by a handler that only notes it: the child would inherit that we ignore it. A child that
    was still beginning, and had no handler of its own, says 1.
    """
    ports = ",".join(map(str, place.role_ports))
    command = [sys.executable, *sys.argv, f"--prepared={ports}"]
    interrupts: list[int] = []
    before = signal.signal(signal.SIGINT, lambda signum, _frame: interrupts.append(signum))
    try:
        child = subprocess.Popen(command, env=environment)  # noqa: S603  our own command line
        forward = signal.signal(signal.SIGTERM, lambda *_: child.terminate())
        code = child.wait()
        signal.signal(signal.SIGTERM, forward)
    finally:
        signal.signal(signal.SIGINT, before)
    return INTERRUPTED if code < 0 or (interrupts and code == 1) else code
