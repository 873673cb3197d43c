"""Everything is killed, stopped and cut off at random, again and again; the books stay true.

CRASH_SEED and CRASH_SECONDS choose another or a longer run.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field

import pytest

from cycles.domain.words import Mode
from cycles.models import Cycle, ExchangeCall
from cycles.services import desk as desk_service
from tests.builders import person
from tests.crashes.proof import FINAL, assert_one_story, tend_dead_letters
from tests.crashes.running import LEASE_SECONDS, RunningDesk, cut_connections
from tests.desk import operator, why

pytestmark = [pytest.mark.processes, pytest.mark.timeout(900)]

SEED = int(os.environ.get("CRASH_SEED", "7"))
SECONDS = float(os.environ.get("CRASH_SECONDS", "20"))
WANTED = 12
DRY_SECONDS = 180.0
ROLES = ("initiator-1", "initiator-2", "finalizer-1", "finalizer-2", "feeder-1")
ACTS = ("kill", "kill", "stop", "simulator", "cut", "hang")


@dataclass
class Chaos:
    """Does harm, chosen by a seeded source, and remembers what it did."""

    desk: RunningDesk
    source: random.Random
    done: Counter[str] = field(default_factory=Counter)
    stopped: dict[str, float] = field(default_factory=dict)  # name -> when it goes on

    def harm(self) -> None:
        """Kill, stop or cut something."""
        act = ACTS[self.done.total() % len(ACTS)]  # each kind has its turn, its instant is random
        if act == "simulator":
            self.stopped.pop("simulator", None)
            self.desk.kill("simulator")
            self.desk.start_venues()
            spoil(self.desk)
        elif act == "hang":
            self._stop("simulator", self.source.uniform(0.5, 2))
        elif act == "cut":
            cut_connections()
        else:
            self._harm_role(act, self.source.choice(ROLES))
        self.done[act] += 1

    def _harm_role(self, act: str, name: str) -> None:
        if act == "kill":
            self.stopped.pop(name, None)
            self.desk.kill(name)
            self.desk.start(name)
        else:
            self._stop(name, LEASE_SECONDS * self.source.uniform(1.5, 3))

    def _stop(self, name: str, seconds: float) -> None:
        self.desk.signal(name, signal.SIGSTOP)
        self.stopped[name] = time.monotonic() + seconds

    def go_on(self, name: str) -> None:
        """Let a stopped process go on."""
        del self.stopped[name]
        self.desk.signal(name, signal.SIGCONT)

    def wake(self, now: float) -> None:
        """Let those go on whose time has come."""
        for name, at in list(self.stopped.items()):
            if now >= at:
                self.go_on(name)


def spoil(desk: RunningDesk) -> None:
    """Lose replies at random, mostly after the venue has accepted; some only after a while."""
    soon = {"milliseconds": 1500}
    order, withdraw = r"/order$|/orders$", r"/withdraw"
    for fault, path, share, args in (
        ("F7", order, "0.12", {}),
        ("F2", order, "0.08", soon),
        ("F1", order, "0.05", soon),
        ("F4", withdraw, "0.15", {}),
        ("F24", withdraw, "0.1", soon),
    ):
        desk.fault(fault=fault, method="POST", path_regex=path, args=args, when={"prob": share})


def _nap(source: random.Random) -> float:
    return source.uniform(0.4, 2.0)


def test_no_crash_sends_twice_strands_a_cycle_or_bends_the_ledger(desk: RunningDesk) -> None:
    person("alice", "administrator")
    spoil(desk)
    desk.start(*ROLES)
    chaos = Chaos(desk=desk, source=random.Random(SEED))
    assets = ("XRP", "SOL", "USDT")
    desk.open("XRP")
    began = time.monotonic()
    opened, next_harm = 1, began
    while (now := time.monotonic()) < began + SECONDS or opened < WANTED:
        chaos.wake(now)
        if now >= next_harm:
            chaos.harm()
            next_harm = time.monotonic() + _nap(chaos.source)
        # One after the other, so that they are in all their phases.
        asset, notional = assets[opened % len(assets)], str(1000 + 10 * opened)
        is_time = opened <= WANTED * (now - began) / SECONDS
        opened += is_time and len(desk.try_open(asset, notional))
        time.sleep(0.05)

    explained = _run_dry(desk, chaos)

    assert set(chaos.done) == set(ACTS)
    assert_one_story(desk)
    print(f"seed {SEED}: {dict(chaos.done)}, {_sums()}, dead letters: {explained}")


def _run_dry(desk: RunningDesk, chaos: Chaos) -> list[str]:
    """Stop the harm and open nothing more; what died is looked at and sent on."""
    for name in list(chaos.stopped):
        chaos.go_on(name)
    desk.control("/control/faults", method="DELETE")
    actor = operator()
    desk_service.set_mode(Mode.FINALIZE_ONLY, actor=actor, reason="the end of the harm")
    explained: list[str] = []
    deadline = time.monotonic() + DRY_SECONDS
    while Cycle.objects.exclude(status__in=FINAL).exists():
        explained += tend_dead_letters(desk)
        left = Cycle.objects.exclude(status__in=FINAL)
        assert time.monotonic() < deadline, "\n".join(f"{c} {c.status} {why(c)}" for c in left)
        time.sleep(0.2)
    return explained


def _sums() -> dict[str, object]:
    """Say what the run was made of."""
    return {
        "cycles": dict(Counter(Cycle.objects.values_list("status", flat=True))),
        "calls": dict(Counter(ExchangeCall.objects.values_list("outcome", flat=True))),
        "most fences": max(Cycle.objects.values_list("fence", flat=True)),
    }
