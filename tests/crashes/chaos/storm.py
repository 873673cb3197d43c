"""The storm: a desk trades while everything is harmed at random; then it calms, and people tend what died."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db import InterfaceError, OperationalError, connection

from cycles.domain.states import FINAL
from cycles.domain.words import Mode
from cycles.errors import CycleError
from cycles.models import Cycle
from cycles.services import desk as desk_service
from exchanges.simulator.core.scenarios.scenario import RuleSpec
from tests.crashes.chaos import deeds, sessions
from tests.crashes.chaos.acts import ACTS, BY_ACT, FAULTS, LOST, SIMULATOR, briefly
from tests.crashes.chaos.channel import Channel
from tests.crashes.chaos.desk import HarmedDesk
from tests.crashes.chaos.hands import Operators, Trader
from tests.desk import operator

TURN_SECONDS = 0.05
TRADING = ("feeder", "initiator", "finalizer")
TELL_SECONDS = 20.0
SUPPORT_MS = (
    900_000  # a quarter of an hour of the market: then a venue's people set free what is stuck
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """How long it storms: until that many cycles are open, that many kills done, those seconds over, a lease lost.

    The order of the acts and whom they hit hangs on the seed alone; their instants on the machine too.
    """

    seed: int
    cycles: int
    kills: int
    seconds: float
    roles: tuple[str, ...]
    acts: tuple[str, ...]
    naps: tuple[float, float]
    kills_per_act: int = 0  # besides those that have their turn as any act has
    faults: tuple[RuleSpec, ...] = FAULTS
    calm_seconds: float = 180.0
    most_seconds: float = float("inf")  # it calms down then, whatever it has done
    most: int = 40  # cycles under way at a time


@dataclass
class Storm:
    """Does harm, and remembers what it did and what has to be undone when."""

    desk: HarmedDesk
    channel: Channel
    script: Script
    server_home: Path | None = None
    say: Callable[[str], None] = lambda _: None
    sessions: sessions.Sessions = field(default_factory=sessions.Sessions)
    done: Counter[str] = field(default_factory=Counter)
    killed: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    # For how long to stop workers once they have a lease; the first does not wait for its turn.
    to_stop: list[float] = field(default_factory=lambda: [deeds.SLEEP_SECONDS])
    raged_seconds: float = 0.0
    source: random.Random = field(init=False)
    trader: Trader = field(init=False)
    operators: Operators = field(init=False)
    _later: list[tuple[float, str, Callable[[], object]]] = field(default_factory=list)
    _turns: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Seed the chance, and hire people."""
        self.source = random.Random(self.script.seed)
        self.faults: Sequence[RuleSpec] = self.script.faults
        script = self.script
        self.trader = Trader(
            self.desk, wanted=script.cycles, most=script.most, seconds=script.seconds
        )
        self.operators = Operators(control_url=self.desk.control_url)

    def rage(self) -> None:
        """Harm until the script is done."""
        self.prepare_venues()
        self.desk.start(*self.script.roles)
        began, next_harm, next_word = time.monotonic(), time.monotonic() + 1, 0.0
        self.trader.start()
        self.operators.start()
        while not self._is_done(now := time.monotonic(), began):
            self._undo(now)
            self.desk.revive()
            self._dare(lambda: deeds.stop_holders(self))
            if now >= next_harm:
                self._harm()
                next_harm = time.monotonic() + self.source.uniform(*self.script.naps)
            if now >= next_word:
                next_word = now + TELL_SECONDS
                self.say(
                    f"{now - began:.0f} s: {self.trader.opened} opened, {self.done['kill']} kills"
                )
            self.trader.demand_health()
            self.operators.demand_health()
            time.sleep(TURN_SECONDS)
        self.raged_seconds = time.monotonic() - began

    def _is_done(self, now: float, began: float) -> bool:
        if now >= began + self.script.most_seconds:
            return True
        return (
            now >= began + self.script.seconds
            and self.trader.is_done
            and self.done["kill"] >= self.script.kills
            and self.seen[deeds.LEASES_LOST] > 0  # tried from the first second on, and demanded
        )

    def _harm(self) -> None:
        """Do what has its turn: each kind once in a round, in an order of chance."""
        if not self._turns:
            self._turns = [*self.script.acts, *["kill"] * self.script.kills_per_act]
            self.source.shuffle(self._turns)
        name = self._turns.pop()
        if self._dare(lambda: ACTS[name].do(self)):
            self.done[name] += 1

    def _dare(self, work: Callable[[], object]) -> bool:
        """Do something of ours, unless another act is in its way."""
        try:
            work()
        except (OperationalError, InterfaceError, OSError):
            connection.close()
            self.seen["acts of ours that met another"] += 1
            return False
        return True

    def calm(self) -> None:
        """Undo all harm, open nothing more, and let people and roles bring every cycle to its end.

        Who sleeps sleeps on until its lease is another's.
        """
        while any(key.startswith("stopped") for _, key, _ in self._later):
            self._undo(time.monotonic())
            time.sleep(TURN_SECONDS)
        while self._later:
            self._undo(float("inf"))
        self.count_struck()
        self.sessions.end()
        self.trader.end()
        self.control("/control/faults", method="DELETE")
        self._patiently(self._stop_opening)
        deadline = time.monotonic() + self.script.calm_seconds
        while self._patiently(lambda: Cycle.objects.exclude(status__in=sorted(FINAL)).exists()):
            self.desk.revive()
            self.operators.demand_health()
            if time.monotonic() > deadline:
                break  # the claims will say it
            time.sleep(0.2)
        self.operators.end()

    def _stop_opening(self) -> None:
        desk_service.set_mode(Mode.FINALIZE_ONLY, actor=operator(), reason="the storm is over")

    def _patiently(self, work: Callable[[], Any]) -> Any:
        """Do something in the database, however often it must be tried."""
        while True:
            try:
                return work()
            except (OperationalError, InterfaceError, CycleError):
                connection.close()
                time.sleep(0.2)

    def some_processes(self, count: int) -> list[str]:
        """Choose processes, the venues among them; those that trade more often than the others."""
        every = (*self.script.roles, SIMULATOR)
        weights = [4 if name.partition("-")[0] in TRADING else 1 for name in every]
        chosen = dict.fromkeys(self.source.choices(every, weights, k=count))
        return list(chosen)

    def any_role(self, *roles: str) -> str:
        """Choose a process of the desk, of certain roles if some are named."""
        names = [one for one in self.script.roles if not roles or one.partition("-")[0] in roles]
        return self.source.choice(names)

    def stop(
        self, name: str, seconds: float, *, before: Callable[[], object] = lambda: None
    ) -> None:
        """Stop a process, and let it go on later; `before` that something is counted."""
        self.forget_later(name)
        self.desk.signal_all(name, signal.SIGSTOP)

        def go_on() -> None:
            before()
            self.desk.signal_all(name, signal.SIGCONT)

        self.later(seconds, name, go_on, is_stop=True)

    def sleeps(self, name: str) -> bool:
        """Say whether a process is stopped now."""
        return any(key == f"stopped {name}" for _, key, _ in self._later)

    def later(
        self, seconds: float, name: str, undo: Callable[[], object], *, is_stop: bool = False
    ) -> None:
        """Undo something after a while."""
        key = f"stopped {name}" if is_stop else name
        self._later.append((time.monotonic() + seconds, key, undo))

    def forget_later(self, name: str) -> None:
        """Let a stopped process go on now, if it lives."""
        self._undo_those(lambda _, key: key == f"stopped {name}")

    def forget_clock(self, name: str) -> None:
        """Set the clock of a process right now, if it was set wrong."""
        self._undo_those(lambda _, key: key == f"clock {name}")

    def _undo(self, now: float) -> None:
        self._undo_those(lambda at, _: at <= now)

    def _undo_those(self, is_due: Callable[[float, str], bool]) -> None:
        due = [row for row in self._later if is_due(row[0], row[1])]
        self._later = [row for row in self._later if row not in due]
        for at, key, undo in sorted(due, key=lambda row: not row[1].startswith("stopped")):
            if not self._dare(undo):
                self._later.append((at, key, undo))  # once more at the next turn

    def control(self, path: str, payload: dict[str, Any] | None = None, method: str = "") -> Any:
        """Steer the venues: they must not stand still for that."""
        self.forget_later(SIMULATOR)
        return self.desk.control(path, payload, method)

    def count_struck(self) -> None:
        """Add up how often the rules in force have struck, before the venues forget them."""

        def read() -> None:
            for rule in self.control("/control/faults"):
                word = deeds.STRUCK if rule["label"] == BY_ACT else "replies lost at random"
                self.seen[word] += rule["fired"]

        self._dare(read)

    def prepare_venues(self) -> None:
        """Set what a start of the venues has forgotten: their people help soon, replies get lost."""
        self.desk.control("/control/settings", {"support_ms": SUPPORT_MS})
        for rule in LOST:
            if rule in self.faults:
                self.desk.control("/control/faults", briefly(rule))

    def restart_server(self, sign: signal.Signals) -> None:
        """Restart the database server, which is this run's own."""
        assert self.server_home is not None
        sessions.restart_server(self.server_home, sign)
