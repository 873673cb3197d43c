"""`manage.py up`: one command, the whole desk; one signal, nothing left."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from kimp import postgres
from kimp.management.commands.migrate import ALONE
from kimp.process_table import Process, session_of
from kimp.sockets import free_row
from tests.kimp.processes import until

_PROJECT = Path(__file__).resolve().parents[2]
_PORTS = 9
_PATIENCE = 90
_TRACELESS = 65  # seconds until a withdrawal without a trace is a person's
_IN_TIME = 10  # seconds: what Ctrl-C promises
_CHILDREN = {"simulator", "feeder", "initiator", "finalizer", "worker", "web"}
_IN_FLIGHT = (
    "SELECT DISTINCT c.code FROM cycles_cycle c JOIN cycles_exchangecall x ON x.cycle_id = c.id "
    "WHERE c.status = 'STARTED'"
)
_ARRIVED = (
    "SELECT 1 FROM cycles_transition t JOIN cycles_cycle c ON t.cycle_id = c.id "
    "WHERE c.code = '{code}' AND t.to_status = 'INITIAL_TRADE_COMPLETED'"
)
_ORDERS_DONE = (
    "SELECT client_order_id FROM cycles_exchangecall "
    "WHERE operation = 'PLACE_ORDER' AND outcome = 'DONE' ORDER BY client_order_id"
)
_FOR_A_PERSON = (
    "SELECT c.code, c.version FROM cycles_cycle c JOIN cycles_exchangecall x ON x.cycle_id = c.id "
    "WHERE c.status = 'DEAD_LETTER' AND c.failure_class = 'UNKNOWN_WITHDRAWAL' AND x.outcome = 'UNKNOWN'"
)
_VERSION = "SELECT version FROM cycles_cycle WHERE code = '{code}'"
_BY_HAND = ("--yes", "--as=admin", "--reason=a test")
_STATED = ("--outcome=CALL_ABSENT", "--evidence=a test")
_OPEN_CALLS = "SELECT 1 FROM cycles_exchangecall WHERE outcome IN ('INTENDED', 'UNKNOWN')"
_HALT = "UPDATE cycles_desk SET mode = 'HALT'"
pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]


class _Desk:
    """A desk under `manage.py up` in a home of its own."""

    def __init__(self, home: Path, first_port: int) -> None:
        self.home, self.first_port = home, first_port
        environment = {name: text for name, text in os.environ.items() if name != "DATABASE_URL"}
        environment |= {"KIMP_HOME": str(home), "KIMP_ENVIRONMENT": "development"}
        environment |= {"DJANGO_SETTINGS_MODULE": "kimp.settings"}
        environment |= {"KIMP_LEASE_SECONDS": "3"}  # a take-over need not be waited for long
        self.environment = environment
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "up", "--calm", f"--first-port={first_port}"],
            cwd=_PROJECT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, start_new_session=True,
        )  # fmt: skip
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)

    def says(self, text: str) -> bool:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline and self.process.poll() is None:
            if any(text in line for line in self.lines):
                return True
            time.sleep(0.05)
        return any(text in line for line in self.lines)

    def children(self) -> dict[str, Process]:
        """The children by name, as the supervisor's file has them."""
        saved = json.loads((self.home / "children.json").read_text())
        return {name: Process(**row) for name, row in saved["children"].items()}

    def venue_orders(self) -> list[str]:
        """What the venues accepted, an id as often as it was."""
        url = f"http://127.0.0.1:{self.first_port + 5}/control/orders"
        with urllib.request.urlopen(url, timeout=10) as reply:
            rows = json.loads(reply.read())
        return sorted(row["client_order_id"] for row in rows for _ in range(row["acceptances"]))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the desk's own server, as nobody of the desk."""
        with self._connected() as connection:
            return connection.execute(query).fetchall()

    def change(self, statement: str) -> None:
        """Change the desk's database, as nobody of the desk."""
        with self._connected() as connection:
            connection.execute(statement)

    def _connected(self) -> psycopg.Connection[tuple[Any, ...]]:
        info = json.loads((self.home / "postgres/connection.json").read_text())
        info["dbname"] = info.pop("database")
        return psycopg.connect(**info, connect_timeout=3)

    def proves_its_ledger(self) -> bool:
        """Ask as an operator would; requests in flight make it try again, and are no time to ask."""
        if self.rows(_OPEN_CALLS):
            return False
        ran = self._manage("verify_ledger", "--json")
        assert ran.returncode in {0, 75}, ran.stdout + ran.stderr
        return ran.returncode == 0

    def has_brought_out(self, code: str) -> bool:
        """Say whether a cycle has come out, tended by a person where its worker died as it was to send coins."""
        for stated in self._stated():
            ((version,),) = self.rows(_VERSION.format(code=stated))
            self._act("redrive", stated, version)
        return bool(self.rows(_ARRIVED.format(code=code)))

    def has_no_open_call(self) -> bool:
        """Say whether it is known what became of each request, by a person's word where no venue can tell."""
        self._stated()
        return not self.rows(_OPEN_CALLS)

    def _stated(self) -> list[str]:
        """State of each withdrawal that is a person's that it never was; gives its cycles.

        No venue shows a trace of it, and absence proves nothing.
        """
        found = self.rows(_FOR_A_PERSON)
        for code, version in found:
            self._act("resolve", code, version, *_STATED)
        return [code for code, _ in found]

    def _act(self, verb: str, code: str, version: int, *words: str) -> None:
        ran = self._manage(verb, code, f"--version={version}", *words, *_BY_HAND)
        assert ran.returncode == 0, ran.stdout + ran.stderr

    def _manage(self, *words: str) -> subprocess.CompletedProcess[str]:
        simulator = f"http://127.0.0.1:{self.first_port + 5}"
        return subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=_PROJECT, env={**self.environment, "KIMP_SIMULATOR_URL": simulator},
            capture_output=True, text=True, timeout=_PATIENCE, check=False,
        )  # fmt: skip

    def end(self, sign: signal.Signals) -> int:
        self.process.send_signal(sign)
        return self.process.wait(timeout=_PATIENCE)

    def close(self) -> None:
        """Read to the end; children of a killed supervisor hold the pipe until they end."""
        self._reader.join(timeout=_PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def text(self) -> str:
        return "".join(self.lines)


@pytest.fixture
def home(reachable_path: Path) -> Iterator[Path]:
    """Give a folder for a desk; of one that a failed test left running, nothing is left."""
    yield reachable_path
    saved = reachable_path / "children.json"
    children = json.loads(saved.read_text())["children"] if saved.exists() else {}
    for row in children.values():
        for process in session_of(Process(**row)):
            os.kill(process.pid, signal.SIGKILL)
    if postgres.status(reachable_path).is_running:
        postgres.stop(reachable_path)


def _gone(leaders: dict[str, Process]) -> bool:
    return not any(session_of(leader) for leader in leaders.values())


def test_up_takes_up_whatever_is_killed_its_children_its_server_and_itself(
    home: Path,
) -> None:
    """Each child and the server are started again; another `up` ends what a killed one left, and goes on with it."""
    first_port = free_row(_PORTS)
    desk = _Desk(home, first_port)
    try:
        held, left_over = _outlives_its_children_and_its_server(desk)
    finally:
        desk.end(signal.SIGKILL)

    again = _Desk(home, first_port)
    try:
        assert again.says("with the password of the first start"), again.text()
        assert "ended finalizer, left over" in again.text()
        children = again.children()
        assert _gone(left_over)
        postgres.stop(home)  # under the desk: whoever needs it starts it again
        until(lambda: postgres.status(home).is_running, _PATIENCE)
        _assert_all_goes_on(again, held)
        assert again.process.poll() is None, again.text()
    finally:
        again.process.send_signal(signal.SIGINT)
        try:
            status = again.process.wait(timeout=_IN_TIME)
        finally:
            again.process.kill()
            again.close()
            desk.close()
    assert status == 0, again.text()
    assert "the desk is down" in again.text()
    assert "does not end; killed" not in again.text()
    assert _gone(children)
    assert not postgres.status(home).is_running


def _assert_answers(desk: _Desk) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{desk.first_port}/admin/login/") as page:
        assert page.status == 200


def _in_flight(desk: _Desk) -> set[str]:
    """Wait until cycles are on their way out, and give their codes."""
    until(lambda: bool(desk.rows(_IN_FLIGHT)), _PATIENCE)
    return {code for (code,) in desk.rows(_IN_FLIGHT)}


def _kill_each_child(desk: _Desk) -> None:
    """Kill one child after the other while cycles are on their way; another takes the place of each."""
    for name in sorted(_CHILDREN):
        assert _in_flight(desk)
        killed = desk.children()[name]
        os.kill(killed.pid, signal.SIGKILL)
        until(lambda killed=killed, name=name: _is_anew(desk, name, killed), _PATIENCE)  # type: ignore[misc]
        assert not session_of(killed)


def _kill_the_server(desk: _Desk) -> None:
    """Kill the server as nobody's child; whoever needs it starts another."""
    server = postgres.status(desk.home).pid
    assert server is not None
    os.kill(server, signal.SIGKILL)
    until(lambda: postgres.status(desk.home).pid not in {None, server}, _PATIENCE)


def _see_out(desk: _Desk, codes: set[str]) -> None:
    """Wait until each of these cycles has come out."""
    for code in sorted(codes):
        until(lambda code=code: desk.has_brought_out(code), _PATIENCE + _TRACELESS)  # type: ignore[misc]


def _assert_all_goes_on(desk: _Desk, codes: set[str]) -> None:
    """See these cycles come out; then hold journal, ledger and venues against each other, on a desk at rest."""
    _see_out(desk, codes)
    assert set(desk.children()) == _CHILDREN
    desk.change(_HALT)
    until(desk.has_no_open_call, _PATIENCE)
    until(desk.proves_its_ledger, _PATIENCE)
    assert desk.venue_orders() == [code for (code,) in desk.rows(_ORDERS_DONE)]


def _outlives_its_children_and_its_server(desk: _Desk) -> tuple[set[str], dict[str, Process]]:
    """Kill all that it began; gives cycles that are held by children that run now."""
    assert desk.says("Log in  admin /"), desk.text()
    _assert_answers(desk)
    assert set(desk.children()) == _CHILDREN
    _kill_each_child(desk)
    held = _in_flight(desk)
    _kill_the_server(desk)
    _see_out(desk, held)
    _assert_answers(desk)
    children = desk.children()
    assert set(children) == _CHILDREN
    held = _in_flight(desk)
    assert desk.process.poll() is None, desk.text()
    return held, children


def _is_anew(desk: _Desk, name: str, killed: Process) -> bool:
    """Say whether another process runs in a killed one's place."""
    now = desk.children().get(name)
    return now is not None and now != killed and bool(session_of(now))


def test_a_taken_port_gets_one_clear_sentence(reachable_path: Path) -> None:
    first_port = free_row(_PORTS)
    with socket.create_server(("127.0.0.1", first_port + 2)):
        desk = _Desk(reachable_path, first_port)
        assert desk.process.wait(timeout=_PATIENCE) == 1
        desk.close()
    (line,) = desk.lines
    assert line.startswith(f"CommandError: Port {first_port + 2} (initiator) is taken")


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_desk_that_waits_to_migrate(
    reachable_path: Path, sign: signal.Signals
) -> None:
    info = postgres.ensure_running(reachable_path)
    try:
        with psycopg.connect(info.url, autocommit=True) as another:
            another.execute("SELECT pg_advisory_lock(%s)", [ALONE])
            desk = _Desk(reachable_path, free_row(_PORTS))
            assert desk.says("another manage.py migrate is at work")
            desk.process.send_signal(sign)
            assert desk.process.wait(timeout=_IN_TIME) == 0
            desk.close()
        assert "the desk is down" in desk.text()
    finally:
        postgres.release(reachable_path)
