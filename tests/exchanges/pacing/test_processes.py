"""Several processes against the simulator's real limits: nobody is turned away, nobody starves.

The control beside it: the same processes, each of which only pauses when told to, are turned away.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db.models import F
from pytest_django import DjangoDbBlocker

from exchanges.models import RateWindow
from exchanges.simulator.server import RunningSimulator, start_in_thread
from exchanges.transport.plain import get_json, post_json
from tests.benchmarks.children import Child, running as child_process
from tests.desk import eventually
from tests.kimp.processes import environ_of

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.processes,
    pytest.mark.xdist_group("pacing"),  # one crew for all
]
CALLER = ["-m", "tests.exchanges.pacing.caller"]
PROCESSES = 4
TRIES = 3  # everybody's patience ends on a machine that stands still for two seconds


@pytest.fixture(scope="module")
def venues() -> Iterator[RunningSimulator]:
    with start_in_thread(seed=5) as started:
        yield started


@pytest.fixture(scope="module")
def environment(
    venues: RunningSimulator,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, str]:
    home: Path = tmp_path_factory.mktemp("home")
    with django_db_blocker.unblock():
        return {**environ_of("web", 1, home), "KIMP_SIMULATOR_URL": venues.control_url}


@pytest.fixture(scope="module")
def children(environment: dict[str, str]) -> Iterator[list[Child]]:
    with contextlib.ExitStack() as stack:
        started = [
            stack.enter_context(child_process(CALLER, environment)) for _ in range(PROCESSES)
        ]
        assert [child.hear() for child in started] == ["ready"] * PROCESSES
        yield started


class Crew:
    """The processes, and the venues they call."""

    def __init__(self, children: list[Child], venues: RunningSimulator) -> None:
        self.children = children
        self.venues = venues

    def begin(self, *, shares: bool = True) -> None:
        self.control("reset", {"scenario": "default"})
        self.each(*[{"do": "begin", "shares": shares}] * PROCESSES)

    def each(self, *specs: dict[str, Any]) -> list[Any]:
        """Let the first processes each do something at the same time."""
        crew = self.children[: len(specs)]
        for child, spec in zip(crew, specs, strict=True):
            child.say(spec)
        return [child.hear() for child in crew]

    def control(self, verb: str, spec: dict[str, Any]) -> None:
        status, body = post_json(f"{self.venues.control_url}/control/{verb}", spec, 5)
        assert status == 200, body

    def limiter(self, *, when: str = "always", **says: Any) -> None:
        """Let Binance's limiter turn reads of the account away."""
        rule = {"fault": "F18", "venue": "binance", "path_regex": "/account$", "when": when}
        self.control("faults", {**rule, "args": says})

    def times(self, path: str) -> list[float]:
        """Give when requests of a path reached their venue."""
        rows = get_json(f"{self.venues.control_url}/control/requests", 5)[1]
        return [row["wall_ms"] / 1000 for row in rows if row["path"].endswith(path)]

    def requests(self, path: str) -> int:
        return len(self.times(path))


@pytest.fixture
def crew(children: list[Child], venues: RunningSimulator, db: None) -> Crew:
    made = Crew(children, venues)
    made.begin()
    return made


def hammer(operation: str, venue: str = "upbit", **facts: Any) -> dict[str, Any]:
    return {"do": "hammer", "venue": venue, "operation": operation, "seconds": 2, **facts}


def test_processes_that_share_a_budget_are_never_turned_away_and_none_starves(crew: Crew) -> None:
    """Whoever waits has its turn before it gives up; how many turns it takes is a matter of its pace."""
    told = shared_by_all(crew)
    tries = 1
    while any(one.get("kept_back") for one in told) and tries < TRIES:
        crew.begin()
        told, tries = shared_by_all(crew), tries + 1
    assert not any(one.get("kept_back") for one in told), told
    done = [one["done"] for one in told]
    assert sum(done) >= 30  # of 60 that the venue would allow, less the reserve and the slots
    assert min(done) >= 3, done


def shared_by_all(crew: Crew) -> list[Any]:
    """Let all processes read as fast as they may: the venue turns none of it away."""
    told = crew.each(*[hammer("balances", threads=3)] * PROCESSES)
    in_vain = [[one.get(what, 0) for what in ("turned_away", "failed")] for one in told]
    assert in_vain == [[0, 0]] * PROCESSES
    return told


def test_processes_that_only_pause_when_told_to_are_turned_away(crew: Crew) -> None:
    crew.begin(shares=False)
    told = crew.each(*[hammer("balances", threads=3)] * PROCESSES)
    assert sum(one["turned_away"] for one in told) > 0


def test_what_moves_money_goes_before_polling(crew: Crew) -> None:
    *polls, money = crew.each(
        *[hammer("balances", threads=6)] * (PROCESSES - 1), hammer("cancel_order")
    )
    assert sum(one["turned_away"] for one in (*polls, money)) == 0
    assert money.get("kept_back", 0) == 0
    assert money["failed" if "failed" in money else "done"] >= 10
    assert money["mean"] < min(one["mean"] for one in polls) / 2


def test_tokens_of_a_killed_process_come_back(crew: Crew, environment: dict[str, str]) -> None:
    """It has hoarded a whole second, and waits in line for more."""
    with child_process(CALLER, environment) as hoarder:
        assert hoarder.hear() == "ready"
        hoarder.say({"do": "hoard", "venue": "upbit", "operation": "balances", "units": 30})
        assert hoarder.hear() == "hoarded"
        hoarder.say(hammer("balances"))
        eventually(lambda: RateWindow.objects.filter(name="default").exclude(waiting=[]).exists())
        hoarder.process.kill()
    crew.begin()
    (told,) = crew.each({"do": "calls", "venue": "upbit", "operation": "balances", "times": 20})
    assert told == {"done": 20}


def test_f18_a_ban_that_one_process_met_is_kept_by_all(crew: Crew) -> None:
    crew.limiter(kind="418", seconds=30)
    call = {"do": "calls", "venue": "binance", "operation": "balances", "times": 1}
    assert crew.each(call) == [{"turned_away": 1}]
    eventually(lambda: RateWindow.objects.filter(name="*", held_until__isnull=False).exists())
    told = crew.each(*[{**call, "times": 3}] * PROCESSES)
    assert told == [{"kept_back": 3}] * PROCESSES
    assert crew.requests("/account") == 1


def test_f18_without_a_shared_budget_each_process_has_to_meet_the_ban_itself(crew: Crew) -> None:
    crew.begin(shares=False)
    crew.limiter(kind="418", seconds=30)
    call = {"do": "calls", "venue": "binance", "operation": "balances", "times": 3}
    crew.each(*[call] * PROCESSES)
    assert crew.requests("/account") == PROCESSES


def test_f18_retry_after_is_waited_out_and_then_the_call_goes(crew: Crew) -> None:
    crew.limiter(kind="429", seconds=3, when="once")
    call = {"do": "calls", "venue": "binance", "operation": "balances", "times": 1}
    assert crew.each(call) == [{"turned_away": 1}]
    eventually(lambda: crew.each(call) == [{"done": 1}])
    assert crew.requests("/account") == 2
    first, second = crew.times("/account")
    assert second - first >= 2.99


def test_what_somebody_else_uses_of_the_account_is_left_to_them(crew: Crew) -> None:
    """A process that counts for nobody beside one that shares: the headers tell."""
    own, shared = crew.children[:2]
    own.say({"do": "begin", "shares": False})
    assert own.hear() == "begun"
    own.say({"do": "calls", "venue": "binance", "operation": "balances", "times": 60})
    assert own.hear() == {"done": 60}  # 1,200 of weight that no row knows of
    shared.say({"do": "calls", "venue": "binance", "operation": "balances", "times": 3})
    assert shared.hear() == {"done": 3}
    row = RateWindow.objects.filter(name="weight", most=F("most")).get()
    assert 1200 < row.used_now <= 1400
