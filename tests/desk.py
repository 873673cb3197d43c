"""A whole desk in one test process: a real simulator over sockets, a seeded database, drivers."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from django.contrib.auth.models import Group, User
from django.db.models.functions import Now

from cycles.domain.states import DRIVEN_BY
from cycles.domain.words import Channel, CycleStatus, Role
from cycles.models import Cycle, ExchangeCall, Step
from cycles.services import leasing, opening, rating, watching
from cycles.services.advancing import advance, one_unit
from cycles.services.intervening import Actor
from cycles.services.moving import Lease
from exchanges.simulator.server import RunningSimulator
from tests.groups import make_groups

DEADLINE_SECONDS = 40.0
FRESH_SECONDS = 4.0


def eventually(claim: Callable[[], object], *, seconds: float = DEADLINE_SECONDS) -> None:
    """Poll until a claim holds; fail when it does not in time."""
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def operator(name: str = "alice", group: str = "administrator") -> Actor:
    """Make a user of a group, acting by command."""
    known = User.objects.filter(username=name, groups__name=group).first()
    if known is not None:
        return Actor(user=known, channel=Channel.COMMAND)
    user, _ = User.objects.get_or_create(username=name)
    if not Group.objects.exists():  # flushed by a transactional test
        make_groups()
    user.groups.add(Group.objects.get(name=group))
    return Actor(user=User.objects.get(pk=user.pk), channel=Channel.COMMAND)


def role_of(cycle: Cycle) -> Role:
    """Give the role that drives a cycle as it stands."""
    status = cycle.resume_status if cycle.status == "RETRY_PENDING" else cycle.status
    return DRIVEN_BY[CycleStatus(status)]


class Steered(Protocol):
    """A desk whose simulated venues can be asked, and steered."""

    def control(self, path: str, payload: dict[str, Any] | None = None, method: str = "") -> Any:
        """Speak to the simulator's control port."""


@dataclass
class TestDesk:
    """The simulator and the drivers' hands."""

    __test__ = False
    running: RunningSimulator
    sampled_at: float = -1e9

    def control(self, path: str, payload: dict[str, Any] | None = None, method: str = "") -> Any:
        """Speak to the simulator's control port."""
        body = None if payload is None else json.dumps(payload).encode()
        verb = method or ("GET" if body is None else "POST")
        request = urllib.request.Request(
            self.running.control_url + path,
            data=body,
            method=verb,
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as reply:
            return json.loads(reply.read() or b"null")

    def fault(self, **rule: Any) -> int:
        """Add a fault rule; gives its number."""
        number: int = self.control("/control/faults", rule)["number"]
        return number

    def stand_still(self) -> None:
        """Pin every book around its price, deep enough for any size of a test."""
        for market in self.control("/control/markets")["markets"]:
            pinned = {"venue": market["venue"], "symbol": market["symbol"], "mid": market["price"]}
            self.control("/control/book", pinned | {"quantity": "10000000"})

    def sample(self, *, finds_something: bool = True) -> None:
        """Let the feeder look once."""
        assert watching.tick(rating.Rates()) or not finds_something
        self.sampled_at = time.monotonic()

    def keep_samples_fresh(self) -> None:
        """Let the feeder look again once what it saw is old."""
        if time.monotonic() - self.sampled_at > FRESH_SECONDS:
            self.sample(finds_something=False)  # a test may have spoilt every book

    def open(self, asset: str = "XRP", notional: str = "2000", korea_venue: str = "") -> Cycle:
        """Open a cycle by hand, on fresh samples."""
        self.sample()
        return opening.open_by_hand(
            asset=asset, notional_usdt=Decimal(notional), korea_venue=korea_venue,
            actor=operator(), reason="a test",
        )  # fmt: skip

    def lease(self, cycle: Cycle, owner: str = "tester") -> Lease:
        """Take one cycle, whatever is due when."""
        Cycle.objects.filter(pk=cycle.pk).update(wake_at=Now())
        cycle.refresh_from_db()
        mine = None
        for lease in leasing.claim(role_of(cycle), owner, limit=50):
            if lease.cycle_id == cycle.pk:
                mine = lease
            else:
                leasing.release(lease, wake_in=None)
        assert mine, f"{cycle} ({cycle.status}) could not be claimed"
        return mine

    def step(self, cycle: Cycle) -> Cycle:
        """Drive a cycle as far as it goes now, on samples that are not old yet."""
        self.keep_samples_fresh()
        advance(self.lease(cycle))
        cycle.refresh_from_db()
        return cycle

    def unit(self, lease: Lease) -> Any:
        """Do one unit under a lease."""
        return one_unit(lease)

    def drive_until(self, cycle: Cycle, *statuses: str) -> Cycle:
        """Drive a cycle until it reaches one of the statuses."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        cycle.refresh_from_db()
        while cycle.status not in statuses:
            assert time.monotonic() < deadline, f"{cycle.code} stays {cycle.status}: {why(cycle)}"
            if self.step(cycle).status not in statuses:
                time.sleep(0.05)
        return cycle

    def posts(self, venue: str, path: str) -> int:
        """Count the POST requests that really arrived."""
        rows = self.control("/control/requests")
        return sum(
            1
            for row in rows
            if row["venue"] == venue and row["method"] == "POST" and row["path"].startswith(path)
        )


def why(cycle: Cycle) -> str:
    """Say what a cycle hangs on, and how it came there."""
    cycle.refresh_from_db()
    came = cycle.transitions.order_by("-pk").values_list("event", "reason").first()
    calls = [str(call) for call in ExchangeCall.objects.filter(cycle=cycle)]
    steps = [f"{step} {step.state}" for step in Step.objects.filter(cycle=cycle)]
    return f"{cycle.failure_class} {cycle.failure_reason} {calls=} {steps=} {came=}"
