"""What django-q2 calls, and when: each task is one service call under its ids, a span and a heartbeat.

Dotted names are stored in the queue and in schedules: renaming a function here needs
`sync_schedules`, and an empty queue.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cache

import structlog
from django.db import Error
from django.utils import timezone
from django_q.models import Success
from psycopg.errors import DiskFull, IoError, OutOfMemory

from cycles import conf, metrics
from cycles.models import Alert
from cycles.services import (
    alerting,
    dead_letters,
    desk,
    ending,
    presence,
    pruning,
    reconciling,
    refreshing,
    rolling_up,
    seeding,
    sweeping,
    venue_health,
    verifying,
)
from cycles.services.correlating import bound, carry, new_id, resume
from cycles.services.locking import PASSING
from cycles.services.shared_outage import OUTAGE
from cycles.services.tracing import span
from exchanges import registry

log = structlog.get_logger(__name__)

RESULTS_KEPT = timedelta(days=1)  # of successes; failures stay until an operator removes them
# Of a task, and of no outage: a lock that somebody kept, and what a server says that is still there.
ITS_OWN = (*PASSING, DiskFull, IoError, OutOfMemory)

Ids = Mapping[str, object] | None


def sweep_retries(correlation: Ids = None) -> object:
    """Resume retries that fell due and that no role has taken."""
    return _run("sweep_retries", _asking_venues(sweeping.sweep_retries), correlation)


def sweep_expired_leases(correlation: Ids = None) -> object:
    """Take over cycles whose worker let its lease run out."""
    return _run("sweep_expired_leases", _asking_venues(sweeping.sweep_expired_leases), correlation)


def process_dead_letters(correlation: Ids = None) -> object:
    """Let dead letters recover by themselves where the policy lets them, and no person has to decide."""
    return _run(
        "process_dead_letters", _asking_venues(dead_letters.process_dead_letters), correlation
    )


def reconcile_open_calls(correlation: Ids = None) -> object:
    """Ask the venues about calls whose outcome is unknown and whose worker is gone."""
    return _run(
        "reconcile_open_calls", _asking_venues(reconciling.reconcile_open_calls), correlation
    )


def tell_of_bans(correlation: Ids = None) -> object:
    """Alert people of venues that have banned the desk for calling too often."""
    return _run("tell_of_bans", venue_health.tell_of_bans, correlation)


def deliver_alerts(correlation: Ids = None) -> object:
    """Send the alerts that are due."""
    return _run("deliver_alerts", alerting.deliver_due, correlation)


def roll_up_samples(correlation: Ids = None) -> object:
    """Roll samples up to the minutes and hours that charts and history read, and ended cycles to totals."""
    return _run("roll_up_samples", rolling_up.roll_up, correlation)


def refresh_markets(correlation: Ids = None) -> object:
    """Read market rules, networks and our own addresses again."""
    return _run("refresh_markets", _asking_venues(_sync_markets), correlation)


def _sync_markets() -> object:
    return refreshing.refresh_in_turn(timezone.now())


def verify_ledger(correlation: Ids = None) -> object:
    """Prove the ledger against the venues; what cannot be explained halts the desk."""
    return _run("verify_ledger", _asking_venues(verifying.verify_ledger_job), correlation)


def prune(correlation: Ids = None) -> object:
    """Delete what nobody needs any more; never a fact of a cycle, nor what was seen at a venue of one that has not ended."""
    return _run("prune", _prune, correlation)


def _prune() -> pruning.Pruned:
    Success.objects.filter(stopped__lt=timezone.now() - RESULTS_KEPT).delete()
    return pruning.prune()


def _asking_venues(service: Callable[[], object]) -> Callable[[], object]:
    """Make sure first which venues this database speaks to, real ones or the simulated, and that it has forgotten nothing."""

    def run() -> object:
        _know_the_desk()
        desk.look_home()
        return service()

    return run


@cache
def _know_the_desk() -> None:
    """Tell the gateway once per process; a database is what it is for ever."""
    seeding.configure()


def _run(name: str, service: Callable[[], object], correlation: Ids) -> object:
    """Call a service as a task; returns what it did as plain values, for the queue's record.

    Once the cluster is told to end nothing begins: some tasks wait in it, and it would work them all.
    """
    if ending.told_for():
        log.info("task.left", task=name)
        return ending.LEFT
    started = time.monotonic()
    with resume(correlation):
        missing = {"request_id": new_id(), "session_id": conf.session_id()}
        with bound(**{**missing, **carry()}), span(f"task.{name}"):
            try:
                with registry.ending_within(ending.CALLS_SECONDS):
                    done = _plain(service())
            # The one boundary: what gets here is logged, told, passed on. The queue ends what lasts too long
            # by a SystemExit.
            except (Exception, SystemExit) as error:
                _log("task.failed", name, error)
                _tell(name, error)
                _finish(name, "failed", started, {"error": type(error).__name__})
                raise
            _finish(name, "done", started, {"done": done})
            return done


def _log(event: str, name: str, error: BaseException) -> None:
    """Write what has gone wrong: its traceback too, unless the database is away, which is said once for all."""
    if isinstance(error.__cause__, ITS_OWN) or not OUTAGE.tell(error):
        log.error(event, task=name, exc_info=error)
    else:
        kind = type(error.__cause__ or error).__name__
        log.error(event, task=name, error=kind, said=str(error))


def _tell(name: str, error: BaseException) -> None:
    """Raise one alert an hour for a task that fails; its text stays in the log, with its ids."""
    key = f"task:{name}:{timezone.now():%Y%m%d%H}"
    body = f"{type(error).__name__}; the log has it under request id {carry()['request_id']}"
    title = f"Scheduled task {name} failed"
    try:
        alerting.raise_alert(key=key, severity=Alert.Severity.WARNING, title=title, body=body)
    except Error as second:
        _log("task.alert_lost", name, second)


def _finish(name: str, outcome: str, started: float, facts: Mapping[str, object]) -> None:
    """Beat, time and write the line; a heartbeat that cannot be written hides no error."""
    seconds = time.monotonic() - started
    metrics.TASK_SECONDS.labels(task=name, outcome=outcome).observe(seconds)
    duration_ms = round(seconds * 1000)
    try:
        detail = {"outcome": outcome, "duration_ms": duration_ms, **facts}
        presence.beat_of_job(name, detail, is_well=outcome == "done")
    except Error as second:
        _log("task.heartbeat_lost", name, second)
    log.info("task.finished", task=name, outcome=outcome, duration_ms=duration_ms, **facts)


def _plain(value: object) -> object:
    """Turn a service's answer into what JSON and the queue's record carry."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {key: _plain(one) for key, one in dataclasses.asdict(value).items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value if value is None or isinstance(value, bool | int | str | dict) else str(value)
