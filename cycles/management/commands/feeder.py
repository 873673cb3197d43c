"""The feeder: watches the venues' streams and samples both premia of every allowed asset."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import structlog
from django.core.management.base import CommandError
from django.db import connection

from cycles import conf
from cycles.domain.words import Role
from cycles.errors import CycleError
from cycles.management.arguments import whole
from cycles.management.role import RoleCommand, load_streams
from cycles.services.correlating import bound
from cycles.services.crew import Aside
from cycles.services.feeding import Feeder
from cycles.services.lookout import Lookout
from cycles.services.outage import UNREACHABLE, Outage
from cycles.services.presence import beat, leave
from cycles.services.rating import keep_refreshed, refresh_rates
from cycles.services.working import Patience
from exchanges import registry
from exchanges.feeds.states import State
from exchanges.trouble import Trouble, lasting

log = structlog.get_logger(__name__)

NAP_SECONDS = 0.02
EARLIEST_SECONDS = 0.1  # between two turns, however much is worth a look
END_SECONDS = 4.0  # for a turn that is under way when it is told to stop
PART_SECONDS = 1.0  # to take its sign of life down, if the database answers
FIRST_BOOKS_SECONDS = 3.0  # for the streams to begin before the first sample


class Command(RoleCommand):
    help = "Stream books and sample both premia of every allowed asset, on both bases of the rate."
    role = Role.FEEDER

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Let the pace and the way of reading be chosen."""
        super().add_arguments(parser)
        parser.add_argument(
            "--interval-ms", type=whole, default=1000, help="milliseconds between samples (1000)"
        )
        parser.add_argument(
            "--no-streams", action="store_true", help="read every book by request, at each sample"
        )
        parser.add_argument(
            "--record",
            type=Path,
            metavar="DIR",
            help="write books, rates and wallet states into files of this folder",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Remember what was chosen, then run."""
        if options["record"] and options["no_streams"]:
            raise CommandError("what is recorded is what streams: --record needs them")
        self.folder = options["record"]
        self.outage, self.trouble = Outage(), Trouble("feeder")
        self.interval_seconds = max(int(options["interval_ms"]), 100) / 1000
        self.streams = not options["no_streams"]
        super().handle(*args, **options)

    def work(self, stop: threading.Event) -> None:
        """Sample until told to stop; a database that is away then is not waited for."""
        name = f"{self.role.value}:{conf.session_id()[:16]}:{os.getpid()}"
        early = threading.Event()
        registry.leave_outages_to(self.outage.is_near)
        with bound(session_id=conf.session_id()), self._feeder(early) as feeder:
            sampler = Aside(partial(self._sample, feeder, name, early, stop), "sampler", stop)
            stop.wait()
            patience = Patience(END_SECONDS)
            sampler.end(patience_seconds=patience.left())
            parting = Aside(partial(_part, name), "parting", stop)
            parting.end(patience_seconds=max(patience.left(), PART_SECONDS))

    def _sample(
        self, feeder: Feeder, name: str, early: threading.Event, stop: threading.Event
    ) -> None:
        """Sample, beat, nap; come early when the lookout calls."""
        with bound(session_id=conf.session_id()):
            self._begin(feeder, stop)
            while not stop.is_set():
                began = time.monotonic()
                early.clear()
                pause = self._turn(feeder, name)
                self._nap(stop, early, began, pause)

    @contextlib.contextmanager
    def _feeder(self, early: threading.Event) -> Iterator[Feeder]:
        """Give a feeder with its streams running, and end them."""
        if not self.streams:
            yield Feeder()
            return
        streams, lookout = load_streams(), Lookout(early.set)
        with self._recorder() as recorder:
            heard = [lookout.heard, *([recorder.heard] if recorder else [])]

            def hear(state: State) -> None:
                for take in heard:
                    take(state)

            feeds = streams.start(hear, lookout.settled)
            try:
                yield Feeder(streams=feeds, lookout=lookout, recorder=recorder)
            finally:
                streams.stop(feeds)

    @contextlib.contextmanager
    def _recorder(self) -> Iterator[Any]:
        """Give a recorder, if there is something to record into, and end its file."""
        if self.folder is None:
            yield None
            return
        writer = import_module("exchanges.recording.writer")
        recorder = writer.Recorder(self.folder, clock=registry.utc_now)
        try:
            recorder.start()
        except OSError as error:
            raise CommandError(f"{self.folder} cannot be recorded into: {error}") from error
        log.info("recording.began", folder=str(self.folder))
        try:
            yield recorder
        finally:
            recorder.stop()

    def _begin(self, feeder: Feeder, stop: threading.Event) -> None:
        """Give the streams a moment, so that the first samples are whole."""
        ends_at = time.monotonic() + FIRST_BOOKS_SECONDS
        keep_refreshed(feeder.rates, stop)
        try:
            refresh_rates(feeder.rates, registry.utc_now())
            feeder.read()
        except Exception:  # noqa: BLE001  the first turn tells
            connection.close()
            return
        while self.streams and not feeder.has_books and time.monotonic() < ends_at:
            if stop.wait(NAP_SECONDS):
                return

    def _nap(
        self, stop: threading.Event, early: threading.Event, began: float, pause: float
    ) -> None:
        """Wait for the next turn: until it is due, or sooner if the lookout calls."""
        due = max(began + self.interval_seconds, time.monotonic() + pause)
        while not stop.is_set() and time.monotonic() < due:
            is_called = early.is_set() and not pause
            if is_called and time.monotonic() >= began + EARLIEST_SECONDS:
                return
            stop.wait(min(NAP_SECONDS, max(due - time.monotonic(), 0.0)))

    def _turn(self, feeder: Feeder, name: str) -> float:
        """Sample once; what fails is told and tried again. Gives the seconds to pause at least."""
        known = self.outage.failures
        try:
            feeder.turn()
            beat(name, self.role, broken=lasting())
            self.outage.end(known)
            self.trouble.over()
        except CycleError as error:
            log.warning("feeder.denied", code=error.code, error=str(error))
        except UNREACHABLE as error:
            self.outage.tell(error)
            return self.outage.longer_pause().total_seconds()
        except Exception as error:  # noqa: BLE001  told there; ending would cost the streams
            connection.close()
            return self.trouble.tell(error).total_seconds()
        return 0.0


def _part(name: str) -> None:
    """Take the sign of life down; without a database it grows old."""
    with contextlib.suppress(*UNREACHABLE):
        leave(name)
