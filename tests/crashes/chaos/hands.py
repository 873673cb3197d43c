"""People of a harmed desk, each a thread: who opens cycles, and who tends what died."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import InterfaceError, OperationalError, connection

from cycles.domain.states import FINAL
from cycles.domain.words import Mode
from cycles.errors import CycleError
from cycles.models import Cycle, ExchangeCall, Pause, Transition
from cycles.services import desk as desk_service, verifying
from exchanges import registry
from exchanges.errors import VenueError
from kimp.demo.operator import Operator
from kimp.demo.website import Website
from tests.crashes.running import RunningDesk

# What befalls anybody in a storm, and is tried again.
WEATHER = (OperationalError, InterfaceError, VenueError, CycleError, OSError)
ASSETS = ("XRP", "SOL", "USDT")
PATIENCE = timedelta(seconds=1)


class Hand:
    """A person who does something again and again until told to end."""

    def __init__(self, work: Callable[[], object], pause_seconds: float) -> None:
        self._work = work
        self._pause_seconds = pause_seconds
        self._ending = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.met: Counter[str] = Counter()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def end(self) -> None:
        """End with what is under way, and say what went wrong, if anything did."""
        self._ending.set()
        self._thread.join()
        self.demand_health()

    def demand_health(self) -> None:
        """Raise what no storm explains."""
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            while not self._ending.wait(self._pause_seconds):
                try:
                    self._work()
                except WEATHER as error:
                    self.met[type(error).__name__] += 1
                    connection.close()
        except BaseException as error:  # noqa: BLE001  the storm's own thread raises it
            self._error = error
        finally:
            registry.release()
            connection.close()


class Trader(Hand):
    """Opens cycles by hand one after the other, spread over the time there is."""

    def __init__(self, desk: RunningDesk, *, wanted: int, most: int, seconds: float) -> None:
        super().__init__(self._open, 0.05)
        self.opened = 0
        self.flat = 0  # ended with nothing bought: for each another is opened
        self.traded_at: set[str] = set()
        self._desk, self._wanted, self._most = desk, wanted, most
        self._korea = registry.korea_venues()  # in turn, and each with every asset
        self._each_seconds = seconds / wanted
        self._began = time.monotonic()

    @property
    def is_done(self) -> bool:
        """Say whether so many were opened as were wanted beside those that ended flat, and each venue has taken an order."""
        is_opened = self.opened >= self._wanted + self.flat
        return is_opened and self.traded_at >= set(registry.desk_venues())

    def _open(self) -> None:
        is_time = time.monotonic() - self._began >= self.opened * self._each_seconds
        if self.opened >= self._wanted + self.flat:
            self._look()
        elif is_time:
            self._open_one()

    def _look(self) -> None:
        """See how many ended flat, and where anything was traded."""
        self.flat = Transition.objects.filter(event="not_bought").count()
        traded = ExchangeCall.objects.filter(operation="PLACE_ORDER", outcome="DONE")
        self.traded_at = set(traded.values_list("venue", flat=True))

    def _open_one(self) -> None:
        if Cycle.objects.exclude(status__in=sorted(FINAL)).count() >= self._most:
            return
        asset = ASSETS[self.opened % len(ASSETS)]
        notional = str(
            300 + self.opened % 100 * 7
        )  # two that look alike are a person's to tell apart
        korea = self._korea[self.opened % len(self._korea)]
        self.opened += len(self._desk.try_open(asset, notional, korea))


@dataclass
class Told:
    """What the operators have said."""

    lines: list[str] = field(default_factory=list)


class Operators(Hand):
    """Tend dead letters as the demonstration's operator does, and look at a halt or a pause."""

    def __init__(self, control_url: str) -> None:
        super().__init__(self._tend, 0.5)
        self.told: list[str] = []
        self.halts: list[str] = []
        self.pauses: Counter[str] = Counter()
        self._url = control_url
        self._operator: Operator | None = None

    @property
    def puzzles(self) -> dict[str, str]:
        """Give what no rule of theirs explains."""
        return self._operator.puzzles if self._operator else {}

    def _tend(self) -> None:
        if self._operator is None:
            website = Website(control_url=self._url)
            self._operator = Operator(website=website, patience=PATIENCE, say=self.told.append)
        self._operator.tend()
        self._look_at_halt()
        self._lift_pauses()

    def _look_at_halt(self) -> None:
        """Resume a desk that has halted itself once its ledger is proven."""
        current = desk_service.current()
        if current.mode != Mode.HALT or self._operator is None:
            return
        self.halts.append(current.mode_reason)
        report = verifying.verify_ledger()
        if report.matches_venues and report.is_balanced:
            desk_service.set_mode(
                Mode.RUN, actor=self._operator.actor, reason="the ledger is explained",
                seen_version=current.version,
            )  # fmt: skip

    def _lift_pauses(self) -> None:
        assert self._operator is not None
        for pause in Pause.objects.all():
            self.pauses[pause.reason[:80]] += 1
            desk_service.unpause(pause.pk, actor=self._operator.actor, reason="looked at the venue")
