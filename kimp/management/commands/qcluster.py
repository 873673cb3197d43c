"""django-q2's cluster, with the metrics of its worker processes on the role's port."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import CommandError
from django.db import connection
from django_q.cluster import Cluster
from django_q.management.commands.qcluster import Command as QClusterCommand
from django_q.signals import post_execute_in_worker
from django_q.tasks import async_task

from cycles import metrics
from cycles.errors import NotMigratedError
from cycles.services import ending, migrated
from cycles.services.outage import UNREACHABLE, once_it_answers
from cycles.services.shared_outage import OUTAGE
from exchanges import registry
from kimp import queue_broker, queue_health, schedules
from kimp.process_table import kill_descendants
from kimp.sockets import is_free

log = structlog.get_logger(__name__)

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
STARTS = 3
PAUSE_SECONDS = HEARS_SECONDS = 1.0
LAST_SECONDS = 6.0  # the supervisor kills after 6.5


def _cut_short(_signum: int, _frame: FrameType | None) -> None:
    try:
        log.error("cluster.cut_short", seconds=LAST_SECONDS)
    finally:
        kill_descendants(os.getpid())
        os._exit(1)


class _Cluster(Cluster):  # type: ignore[misc]  # django-q2 has no types
    """A cluster that ends in time once told to, whatever a task is at: it would wait for it without end.

    Jobs begin nothing more then, those that wait in it are left to the next one, and sweeps hand back what hangs. What
    hangs all the same is as if killed: each task is a sweep that begins anew.
    """

    is_told_to_stop = False

    def start(self) -> int:
        """Start, unless told to stop meanwhile; gives this process's id. Raises RuntimeError."""
        try:
            return int(super().start())
        except RuntimeError:
            if not self.is_told_to_stop:
                raise
            return int(self.pid)

    def sig_handler(self, signum: int, frame: FrameType | None) -> None:
        """Be bounded from the first signal on: by a timer, as a process that ends already can start no thread."""
        if os.getpid() != self.pid:
            return  # a child that has no handler of its own yet: its parent tells it
        if self.sentinel is None:
            sys.exit()  # nothing has begun
        if not self.is_told_to_stop:
            self.is_told_to_stop = True
            ending.tell()
            signal.signal(signal.SIGALRM, _cut_short)
            signal.setitimer(signal.ITIMER_REAL, LAST_SECONDS)
        super().sig_handler(signum, frame)


class Command(QClusterCommand):  # type: ignore[misc]  # django-q2 has no types
    """manage.py qcluster: runs the worker role."""

    has_told_of_schedules = False

    def handle(self, *args: Any, **options: Any) -> None:
        """Start the cluster, then serve what its workers count."""
        if not is_free(settings.KIMP_PORT):  # first: whoever has it counts in that folder
            raise CommandError(f"port {settings.KIMP_PORT} (worker) is taken: set KIMP_PORT")
        if FOLDER not in os.environ:
            self._start_again(settings.KIMP_HOME / "metrics" / f"worker-{settings.KIMP_PORT}")
        logging.getLogger("django-q").addFilter(queue_broker.is_news)
        post_execute_in_worker.connect(queue_broker.keep_what_was_left)
        registry.leave_outages_to(lambda: OUTAGE.is_near)
        cluster = self._start(**options)
        # Only now: the processes that the cluster forks must not inherit the socket.
        metrics.serve(settings.KIMP_PORT, settings.KIMP_BIND)
        # Not at this process's exit, without an end: a signal that another thread was given would never be heard.
        while cluster.sentinel.is_alive():
            cluster.sentinel.join(HEARS_SECONDS)

    def _start(self, **options: Any) -> _Cluster:
        """Start the cluster once the database answers; anew where it went away just then, which ends the sentinel."""
        if options["cluster_name"]:
            os.environ["Q_CLUSTER_NAME"] = options["cluster_name"]
        for left in reversed(range(STARTS)):
            self._require_migrated()
            try:
                self._queue_a_sign_of_life()
                cluster = _Cluster()
                cluster.start()
                if options["run_once"]:
                    cluster.stop()
            except (RuntimeError, *UNREACHABLE) as error:
                if not left:
                    raise CommandError(f"the cluster did not start: {error}".strip()) from error
                log.warning("cluster.starts_anew", error=type(error).__name__)
            else:
                return cluster
            # The cluster that did not start would hear them, and do nothing.
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            time.sleep(PAUSE_SECONDS)
        raise AssertionError("the last start returns or raises")

    def _require_migrated(self) -> None:
        """Start nothing on a database that is older than this code; no process inherits the connection."""
        try:
            once_it_answers(migrated.require_migrated, threading.Event())
        except NotMigratedError as error:
            raise CommandError(str(error)) from error
        except UNREACHABLE as error:
            raise CommandError(f"the database does not answer: {error}".strip()) from error
        finally:
            connection.close()

    def _queue_a_sign_of_life(self) -> None:
        """Queue a job to begin with: the cluster looks at its schedule half a minute from now, and who asks waits."""
        try:
            queue_health.begin()
            async_task("cycles.tasks.tell_of_bans")  # it asks no venue
            self._tell_of_schedules()
        finally:
            connection.close()

    def _tell_of_schedules(self) -> None:
        """Say once what is scheduled that this code does not have: the queue only fails at it, each time."""
        if self.has_told_of_schedules:
            return
        for name, function in schedules.gone():
            log.warning("schedule.gone", schedule=name, function=function)
        self.has_told_of_schedules = True

    def _start_again(self, folder: Path) -> None:
        """Become the same command with a folder for counters, which must be named before imports."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        os.environ[FOLDER] = str(folder)
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606  our own command line, no shell
