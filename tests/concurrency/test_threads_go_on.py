"""No thread of a process ends in silence, whatever it meets: it tells, pauses, and goes on, or its process ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
from django.db import DatabaseError, OperationalError, connection

from cycles.domain.words import Role, WatchKind
from cycles.errors import DatabaseBusyError
from cycles.management.commands.feeder import Command as FeederCommand
from cycles.management.commands.finalizer import Command as FinalizerCommand
from cycles.models import Heartbeat
from cycles.selectors.awaited import Awaited
from cycles.services import foreseeing, leasing, looking, notices, rating, venue_watcher, working
from cycles.services.feeding import Feeder
from cycles.services.notices import Listener
from cycles.services.outage import Outage
from cycles.services.rating import Rates
from cycles.services.venue_watcher import VenueWatcher
from cycles.services.working import Worker
from exchanges import registry, trouble
from exchanges.hints import ANYTHING
from exchanges.own_connection import own_connection
from exchanges.trouble import Trouble
from tests import builders
from tests.desk import eventually

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]

UNFORESEEN = [KeyError("nobody foresaw this"), DatabaseError("refused"), DatabaseBusyError("busy")]
TIMES = 4


@pytest.fixture(autouse=True)
def _pauses_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trouble, "FIRST_PAUSE", timedelta(milliseconds=1))
    monkeypatch.setattr(trouble, "LONGEST_PAUSE", timedelta(milliseconds=10))
    monkeypatch.setattr(venue_watcher, "OUTAGE_PAUSE", timedelta(milliseconds=1))


class Broken:
    """Raises the first times that it is called, then gives what it was made with."""

    def __init__(self, error: Exception, *, times: int = TIMES, gives: object = None) -> None:
        self.error, self.left, self.gives = error, times, gives
        self.was_well = threading.Event()
        self.calls = 0

    def __call__(self, *_: object, **__: object) -> object:
        self.calls += 1
        if self.calls <= self.left:
            raise type(self.error)(*self.error.args)
        self.was_well.set()
        return self.gives


def begun(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def looked(watcher: VenueWatcher, until: threading.Event) -> None:
    """Let a watcher watch until something happens."""
    thread = begun(watcher.run)
    try:
        assert until.wait(20)
    finally:
        watcher.stop.set()
        thread.join(20)
    assert not thread.is_alive()


@pytest.mark.parametrize("error", UNFORESEEN, ids=lambda error: type(error).__name__)
def test_a_watcher_whose_turn_breaks_looks_on(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    awaited = Broken(error, gives={})
    monkeypatch.setattr(venue_watcher, "awaited", awaited)
    looked(VenueWatcher(), awaited.was_well)
    assert awaited.calls > TIMES


def test_a_watcher_whose_turn_breaks_again_and_again_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    awaited = Broken(KeyError("nobody foresaw this"), gives={})
    monkeypatch.setattr(venue_watcher, "awaited", awaited)
    looked(VenueWatcher(), awaited.was_well)
    assert caplog.text.count("thread.broken") == 1


def test_no_hint_cuts_the_pause_of_a_watcher_short_that_is_in_trouble(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A private stream may hint hundreds of times a second."""
    watcher, hinted = VenueWatcher(), threading.Event()
    rests: list[float] = []

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            rests.append(timeout or 0)
            hinted.set()
            return super().wait(timeout)

    watcher.stop = Stop()
    monkeypatch.setattr(venue_watcher, "awaited", Broken(KeyError("a bug"), times=10**9))
    monkeypatch.setattr(watcher.hints, "wait", lambda seconds: None)
    watcher.hints.heard("upbit", ANYTHING)
    looked(watcher, hinted)
    assert rests


def what() -> Awaited:
    return Awaited(
        venue="upbit",
        kind=WatchKind.DEPOSITS,
        since=datetime.now().astimezone(),
        is_urgent=False,
        assets=frozenset({"XRP"}),
    )


def test_a_look_that_breaks_each_time_is_said_once_and_taken_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    builders.desk()
    begin = Broken(KeyError("nobody foresaw this"))
    monkeypatch.setattr(looking, "begin", begin)
    wanted = {("upbit", WatchKind.DEPOSITS): what()}
    monkeypatch.setattr(venue_watcher, "awaited", lambda: wanted)
    looked(VenueWatcher(), begin.was_well)
    assert caplog.text.count("thread.broken") == 1


@pytest.mark.parametrize("error", [OperationalError("away"), DatabaseBusyError("busy")])
def test_nobody_looks_at_a_venue_for_a_while_after_a_look_that_the_database_refused(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Else a database that answers, but takes no writes, is asked ten times a second."""
    watcher = VenueWatcher()
    free: list[bool] = []

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            free.append(watcher._takes("upbit"))
            return super().wait(timeout)

    watcher.stop = Stop()
    monkeypatch.setattr(looking, "begin", Broken(error))
    assert watcher._takes("upbit")
    watcher._look("upbit", [(what(), timedelta(0))])
    assert free == [False]
    assert watcher._takes("upbit")


def test_a_watcher_that_cannot_go_on_ends_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who starts it again is its supervisor."""

    def cannot(_: object, __: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(venue_watcher, "Crew", cannot)
    worker = Worker(Role.FINALIZER)
    command = FinalizerCommand()
    with pytest.raises(RuntimeError, match="new thread"), command.watching(worker):
        assert worker.stop.wait(10)


@pytest.fixture
def worker() -> Iterator[Worker]:
    """Give a worker of a desk, and end it."""
    builders.right_clocks()
    builders.desk()
    worker = Worker(Role.INITIATOR)
    yield worker
    worker.stop.set()


def worked(worker: Worker, until: Callable[[], object]) -> None:
    """Let a worker work until something is so; raises what ended one of its threads."""
    ended: list[Exception] = []

    def work() -> None:
        try:
            worker.run()
        except Exception as error:  # noqa: BLE001  raised below
            ended.append(error)
        finally:
            connection.close()

    thread = begun(work)
    eventually(lambda: ended or until())
    worker.stop.set()
    thread.join(20)
    assert not thread.is_alive()
    for error in ended:
        raise error


@pytest.mark.parametrize("error", UNFORESEEN, ids=lambda error: type(error).__name__)
def test_a_duty_that_breaks_does_not_end_the_process_that_drives_cycles(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(working, "DUTY_SECONDS", 0.01)
    duty = Broken(error)
    worker.duty = duty  # type: ignore[assignment]  # it gives nothing here
    worked(worker, duty.was_well.is_set)


def test_foreseeing_that_breaks_does_not_end_the_process_that_drives_cycles(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "FORESEE_SECONDS", 0.01)
    foresee = Broken(KeyError("nobody foresaw this"))
    monkeypatch.setattr(foreseeing, "foresee", foresee)
    worked(worker, foresee.was_well.is_set)


def test_a_worker_whose_thread_does_not_get_on_says_so_with_each_sign_of_life(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "DUTY_SECONDS", 0.01)
    monkeypatch.setattr(working, "BEAT_SECONDS", 0.01)
    worker.duty = Broken(KeyError("a bug"), times=10**9)  # type: ignore[assignment]

    def is_said() -> bool:
        row = Heartbeat.objects.filter(name=worker.owner).first()
        return row is not None and row.detail.get("broken") == ["duty"]

    worked(worker, is_said)


def test_a_bug_in_the_loop_that_claims_ends_the_process_and_does_not_hang(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leasing, "claim", Broken(KeyError("a bug"), times=10**9))
    with pytest.raises(KeyError):
        worked(worker, lambda: False)


def test_a_listener_that_meets_a_bug_listens_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made = own_connection
    breaks = iter(range(TIMES))

    def broken() -> object:
        if next(breaks, None) is not None:
            raise KeyError("nobody foresaw this")
        return made()

    monkeypatch.setattr(notices, "own_connection", broken)
    heard, stop = threading.Event(), threading.Event()
    thread = Listener(heard.set, stop).start()
    assert heard.wait(20)
    stop.set()
    thread.join(20)
    assert not thread.is_alive()
    assert caplog.text.count("thread.broken") == 1


@pytest.mark.parametrize("error", UNFORESEEN, ids=lambda error: type(error).__name__)
def test_rates_are_read_on_after_a_reading_that_broke(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    refresh = Broken(error)
    monkeypatch.setattr(rating, "refresh_rates", refresh)
    monkeypatch.setattr(rating, "LOOK_SECONDS", 0.01)
    stop = threading.Event()
    rating.keep_refreshed(Rates(), stop)
    try:
        assert refresh.was_well.wait(20)
    finally:
        stop.set()


@pytest.mark.parametrize("error", UNFORESEEN, ids=lambda error: type(error).__name__)
def test_a_feeder_whose_turn_breaks_keeps_its_streams_and_gives_no_sign_of_life(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    turn = Broken(error, times=1)
    monkeypatch.setattr(Feeder, "turn", turn)
    command = FeederCommand()
    command.outage, command.trouble = Outage(), Trouble("feeder")
    feeder, beats = Feeder(), Heartbeat.objects.filter(name="feeder@here")
    command._turn(feeder, "feeder@here")
    assert not beats.exists()
    command._turn(feeder, "feeder@here")
    assert beats.exists()


@pytest.mark.parametrize("error", UNFORESEEN, ids=lambda error: type(error).__name__)
def test_a_feeder_that_cannot_read_as_it_begins_samples_later(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(Feeder, "read", Broken(error))
    monkeypatch.setattr(registry, "rate_sources", tuple)
    command, stop = FeederCommand(), threading.Event()
    command.streams = False
    stop.set()
    command._begin(Feeder(), stop)
