"""A desk of real processes on the test's own database, for tests that kill, stop and cut them off."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

from django.db import connection
from django.db.models import Max

from cycles.errors import PolicyDeniedError
from cycles.models import Cycle, PremiumSample
from cycles.services import opening, seeding
from exchanges import registry
from kimp.sockets import free_port, free_row, is_free
from tests.desk import eventually, operator
from tests.kimp.processes import PROJECT, environ_of

LEASE_SECONDS = 2
SPEED = 60
POLICY: dict[str, Any] = {
    "notional_usdt": Decimal(1000),
    "min_open_edge_bps": Decimal(10_000),  # cycles are opened by the test
    "min_rebalance_edge_bps": Decimal(-5000),
    "daily_loss_limit_usdt": Decimal(1_000_000),
    "max_open_cycles": 50,
    "max_open_cycles_per_asset": 50,
    "max_exposure_usdt": Decimal(1_000_000),
    "max_exposure_per_asset_usdt": Decimal(1_000_000),
    "allowed_assets": ["SOL", "USDT", "XRP"],
}
DESK_APPLICATIONS = ("kimp-feeder", "kimp-initiator", "kimp-finalizer")


class Child(Protocol):
    """A process that was started: as much of `Popen` as these tests need."""

    pid: int

    def poll(self) -> int | None:
        """Say how it has ended, if it has."""

    def send_signal(self, sign: int, /) -> None:
        """Signal it."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end."""


@dataclass
class RunningDesk:
    """Children by name: `simulator`, or a role with a number, as `initiator-1`."""

    policy: ClassVar[dict[str, Any]] = POLICY
    home: Path
    ports: tuple[int, ...]
    variables: dict[str, str]
    children: dict[str, Child] = field(default_factory=dict)
    sleepers: dict[str, str] = field(default_factory=dict)
    own: dict[str, dict[str, str]] = field(default_factory=dict)  # variables of one child alone

    @property
    def control_url(self) -> str:
        """Where the simulator is steered."""
        return f"http://127.0.0.1:{self.ports[0]}"

    def start(self, *names: str) -> None:
        """Start children; their lines go to files under home."""
        for name in names:
            role = name.partition("-")[0]
            variables = self.environment(role) | self.own.get(name, {})
            with self.log(name).open("ab") as log:
                self.children[name] = subprocess.Popen(
                    self.command(name),
                    cwd=self.code(name), env=variables, stdin=subprocess.DEVNULL,
                    stdout=log, stderr=log, start_new_session=True,
                )  # fmt: skip

    def code(self, name: str) -> Path:
        """Name the folder of the code that a child runs."""
        return PROJECT

    def log(self, name: str) -> Path:
        """Name the file of a child's lines."""
        return self.home / f"{name}.log"

    def start_sleeper(self, name: str, place: str) -> None:
        """Start a child that stops itself at a place (`tests.crashes.sleeping`), and wait until it has."""
        self.sleepers[name] = place
        self.start(name)
        eventually(lambda: self.is_asleep(name))

    def command(self, name: str) -> list[str]:
        """Give the command line of a child."""
        place = self.sleepers.get(name)
        program = ["-m", "tests.crashes.sleeping", place] if place else ["manage.py"]
        return [sys.executable, *program, *self.words(name.partition("-")[0])]

    def words(self, role: str) -> list[str]:
        """Give the management command of a role, and its options."""
        if role != "simulator":
            return [role, "--no-metrics"]
        control, upbit, binance, bithumb = self.ports
        return [
            "simulator", "--seed=7", f"--speed={SPEED}", "--stretch=crash-2024-12-03",
            f"--control-port={control}", f"--upbit-port={upbit}", f"--binance-port={binance}",
            f"--bithumb-port={bithumb}", f"--state={self.home / 'simulator.state'}",
        ]  # fmt: skip

    def environment(self, role: str) -> dict[str, str]:
        """Give the environment of a role."""
        return {
            **environ_of("web" if role == "simulator" else role, 1, self.home),
            "KIMP_SIMULATOR_URL": self.control_url,
            "KIMP_TIME_SCALE": str(SPEED),
            "KIMP_LEASE_SECONDS": str(LEASE_SECONDS),
            **self.variables,
        }

    def start_venues(self) -> None:
        """Start the simulator and wait until it listens."""
        self.start("simulator")
        eventually(lambda: not any(is_free(port) for port in self.ports))

    def signal(self, name: str, sign: signal.Signals) -> None:
        """Signal one child."""
        self.children[name].send_signal(sign)

    def is_asleep(self, name: str) -> bool:
        """Say whether a child is stopped."""
        status = Path(f"/proc/{self.children[name].pid}/stat").read_text("ascii")
        return status.rpartition(")")[2].split()[0] == "T"

    def kill(self, name: str) -> None:
        """End a child as the kernel's out-of-memory killer would."""
        self.signal(name, signal.SIGKILL)
        self.children[name].wait()

    def end_all(self) -> None:
        """Kill what runs."""
        for name, child in self.children.items():
            if child.poll() is None:
                self.kill(name)

    def lines(self, name: str) -> list[dict[str, Any]]:
        """Read what a child has logged, whole JSON lines only."""
        text = self.log(name).read_text("utf-8", "replace")
        return [
            json.loads(line)
            for line in text.splitlines()
            if line.startswith("{") and line.endswith("}")
        ]

    def tail(self, name: str) -> str:
        """Give a child's last words."""
        return self.log(name).read_text("utf-8", "replace")[-3000:]

    def control(self, path: str, payload: dict[str, Any] | None = None, method: str = "") -> Any:
        """Speak to the simulator's control port."""
        body = None if payload is None else json.dumps(payload).encode()
        verb = method or ("GET" if body is None else "POST")
        request = urllib.request.Request(self.control_url + path, data=body, method=verb)
        with urllib.request.urlopen(request, timeout=10) as reply:
            return json.loads(reply.read(), parse_float=Decimal)

    def fault(self, **rule: Any) -> int:
        """Add a fault rule; gives its number."""
        number: int = self.control("/control/faults", rule)["number"]
        return number

    def fired(self, number: int) -> int:
        """Say how often a rule has hit."""
        rules = self.control("/control/faults")
        return sum(rule["fired"] for rule in rules if rule["number"] == number)

    def pin(self, asset: str, usdt: str, krw: str) -> None:
        """Give an asset deep books whose price stands still: one order fills whole."""
        for venue, symbol, mid in (
            ("binance", f"{asset}USDT", usdt),
            ("upbit", f"KRW-{asset}", krw),
        ):
            book = {"venue": venue, "symbol": symbol, "mid": mid, "quantity": "1000000"}
            self.control("/control/book", book)

    def open(self, asset: str = "XRP", notional: str = "1000") -> Cycle:
        """Open a cycle by hand, as soon as the feeder's samples let it: what one refused, only a newer one lets in."""
        opened: list[Cycle] = []
        tried: set[int | None] = set()

        def is_open() -> bool:
            newest = PremiumSample.objects.aggregate(newest=Max("pk"))["newest"]
            if newest not in tried:
                tried.add(newest)
                opened.extend(self.try_open(asset, notional))
            return bool(opened)

        eventually(is_open)
        return opened[0]

    def try_open(self, asset: str, notional: str, korea_venue: str = "") -> list[Cycle]:
        """Open a cycle if nothing speaks against it now; the venue is to be named where there are several."""
        try:
            cycle = opening.open_by_hand(
                asset=asset, notional_usdt=Decimal(notional), korea_venue=korea_venue,
                actor=operator(), reason="a test",
            )  # fmt: skip
        except PolicyDeniedError:
            return []
        return [cycle]


class DeskWithAQueue(RunningDesk):
    """The worker role is a child as the others are."""

    def words(self, role: str) -> list[str]:
        """Give the cluster of the queue its command."""
        return ["qcluster"] if role == "worker" else super().words(role)

    def environment(self, role: str) -> dict[str, str]:
        """Give the cluster a port for its metrics."""
        return super().environment(role) | {"KIMP_PORT": str(free_port())}

    def kill(self, name: str) -> None:
        """End a child with all that it has started: a cluster is many processes."""
        os.killpg(self.children[name].pid, signal.SIGKILL)
        self.children[name].wait()

    def times(self, name: str, event: str) -> int:
        """Count an event in a child's log."""
        return sum(line.get("event") == event for line in self.lines(name))


Running = TypeVar("Running", bound=RunningDesk)


@contextmanager
def running_desk(
    home: Path, settings: Any, kind: type[Running], **variables: str
) -> Iterator[Running]:
    """Run simulated venues and a seeded desk without roles; end every child afterwards."""
    first = free_row(4)
    desk = kind(home=home, ports=(first, first + 1, first + 2, first + 3), variables=variables)
    settings.KIMP_SIMULATOR_URL = desk.control_url
    settings.KIMP_FX_FRANKFURTER_URL = settings.KIMP_FX_ERAPI_URL = ""
    settings.KIMP_TIME_SCALE = Decimal(SPEED)
    settings.KIMP_LEASE_SECONDS = LEASE_SECONDS
    registry.forget()
    try:
        desk.start_venues()
        seeding.seed(desk.policy)
        yield desk
    finally:
        desk.end_all()
        registry.forget()


def connected() -> set[str]:
    """Give the names of the desk's applications that are connected."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT application_name FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = ANY(%s)",
            [list(DESK_APPLICATIONS)],
        )
        return {row[0] for row in cursor.fetchall()}


def cut_connections(*names: str) -> int:
    """Let the server drop every connection of the desk's processes, or of the applications named; gives how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = ANY(%s)",
            [list(names or DESK_APPLICATIONS)],
        )
        return int(cursor.fetchone()[0])


def idle_in_transaction() -> int:
    """Count transactions of the desk that somebody opened and left for more than a second."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND application_name = ANY(%s) AND state LIKE 'idle in transaction%%' "
            "AND state_change < clock_timestamp() - interval '1 second'",
            [list(DESK_APPLICATIONS)],
        )
        return int(cursor.fetchone()[0])


def is_alive(pid: int) -> bool:
    """Say whether a process of that number exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
