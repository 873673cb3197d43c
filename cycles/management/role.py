"""What the commands of the long-running roles share: signals, metrics, the kind of the database."""

from __future__ import annotations

import os
import signal
import threading
from abc import abstractmethod
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module
from typing import Any, ClassVar

import structlog
from django.core.management.base import BaseCommand, CommandError

from cycles import conf, metrics
from cycles.domain.words import Role
from cycles.errors import CycleError
from cycles.services import desk, feeding, migrated, seeding
from cycles.services.crew import Aside
from cycles.services.hearing import Ears
from cycles.services.outage import UNREACHABLE, once_it_answers
from cycles.services.venue_watcher import VenueWatcher
from cycles.services.working import Worker

WATCHER_SECONDS = (
    0.5  # to end its looks and streams, beyond what the worker has left of its patience
)
LAST_SECONDS = 9.0  # whoever told it to stop counts on ten

log = structlog.get_logger(__name__)


def _set_up() -> None:
    migrated.require_migrated()
    seeding.configure()


def _end_in_time(stop: threading.Event, is_over: threading.Event) -> None:
    """End this process although something hangs, as a database that stands still lets a statement: it is as if killed.

    What it leased runs out by itself.
    """
    stop.wait()
    if not is_over.wait(LAST_SECONDS):
        log.error("role.cut_short", seconds=LAST_SECONDS)
        os._exit(1)


class RoleCommand(BaseCommand):
    """A process that runs until SIGTERM or SIGINT, and then ends cleanly."""

    role: ClassVar[Role]

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Let several processes of a role run on one machine."""
        parser.add_argument(
            "--no-metrics",
            action="store_true",
            help="serve no metrics port (for a second process of this role on the same machine)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Set up, work until told to stop, take down; whatever hangs then, the process ends in time."""
        stop, is_over = stop_on_signals(), threading.Event()
        ending = threading.Thread(target=_end_in_time, args=(stop, is_over), daemon=True)
        ending.start()
        try:
            self._run(stop, options)
        finally:
            is_over.set()

    def _run(self, stop: threading.Event, options: dict[str, Any]) -> None:
        try:
            if not once_it_answers(_set_up, stop):
                return
        except CycleError as error:
            raise CommandError(str(error)) from error
        except UNREACHABLE as error:
            raise CommandError(f"the database does not answer: {error}".strip()) from error
        stop_metrics = None if options["no_metrics"] else self._serve_metrics()
        log.info("role.started", role=self.role.value, session_id=conf.session_id())
        self.work(stop)
        if stop_metrics is not None:
            stop_metrics()

    def _serve_metrics(self) -> Any:
        """Serve this process's metrics on the role's port."""
        try:
            return metrics.serve(conf.port(), conf.bind())
        except OSError as error:
            raise CommandError(
                f"port {conf.port()} is taken: set KIMP_PORT, or pass --no-metrics"
            ) from error

    @abstractmethod
    def work(self, stop: threading.Event) -> None:
        """Do the role's work until `stop` is set."""


class DrivingCommand(RoleCommand):
    """A role that drives cycles; it may have books streamed, so that no order waits for a read."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Let books be streamed."""
        super().add_arguments(parser)
        parser.add_argument(
            "--streams",
            action="store_true",
            help="stream the books that orders are based on; without it each is read by request",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Remember the way of reading, then run."""
        self.streams = bool(options["streams"])
        super().handle(*args, **options)

    @contextmanager
    def watching(self, worker: Worker) -> Iterator[None]:
        """Look at the venues for all cycles meanwhile, prompted by their private streams."""
        watcher = VenueWatcher(ears=self._ears(), stop=worker.stop, outage=worker.outage)
        worker.when_let_go = watcher.expect
        aside = Aside(watcher.run, "watcher", worker.stop)
        try:
            yield
        finally:
            worker.stop.set()
            watcher.hints.wake()
            aside.end(patience_seconds=max(worker.patience.left(), WATCHER_SECONDS))

    def _ears(self) -> Ears | None:
        """Give what listens to private streams, where the settings and the libraries let it."""
        if not conf.private_streams():
            return None
        try:
            return Ears(listen=load_streams().listen)
        except CommandError as error:
            log.info("private_streams.off", why=str(error))
            return None

    @contextmanager
    def streaming(self) -> Iterator[None]:
        """Stream the books of what is measured at the start; what is not streamed is read."""
        if not self.streams:
            yield
            return
        streams = load_streams()
        feeds = streams.start()
        try:
            policy = desk.current_policy()
            oldest = timedelta(seconds=policy.max_book_age_seconds)
            feeds.watch(feeding.watched(policy), oldest=oldest)
            yield
        finally:
            streams.stop(feeds)


def load_streams() -> Any:
    """Give the module that streams books: only who streams needs its library."""
    try:
        return import_module("exchanges.streams")
    except ImportError as error:
        raise CommandError(f"{error}: install kimp[feeder], or read books by request") from error


def stop_on_signals() -> threading.Event:
    """Give an event that SIGTERM and SIGINT set, from a thread of its own.

    A handler runs between any two bytecodes of the main thread: setting the event there hangs for
    ever when the main thread is just inside the event's own lock.
    """
    stop = threading.Event()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: None)

    def wait() -> None:
        os.read(reader, 1)
        stop.set()

    threading.Thread(target=wait, name="signals", daemon=True).start()
    return stop
