"""A cycle that comes due wakes whoever sleeps; a notice that gets lost costs a second, no cycle."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection, transaction

from cycles.domain.words import Role
from cycles.models import Cycle
from cycles.services import locking, notices, working
from cycles.services.notices import Listener
from cycles.services.working import Worker
from exchanges import recent
from tests import builders
from tests.desk import eventually

# Waits until it is gone.
CUT = """SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
          WHERE query LIKE %s AND datname = current_database() AND pid <> pg_backend_pid()"""
pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def heard() -> Iterator[list[bool]]:
    """Listen; gives what was heard since it began."""
    heard: list[bool] = []
    stop = threading.Event()
    thread = Listener(lambda: heard.append(True), stop).start()
    eventually(lambda: heard)  # it begins by hearing what may have been said before
    heard.clear()
    yield heard
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


def test_a_notice_is_heard_once_its_transaction_commits(heard: list[bool]) -> None:
    with transaction.atomic():
        notices.tell()
        notices.tell()
        assert heard == []
    eventually(lambda: heard)
    assert heard == [True]


def test_a_notice_of_a_transaction_that_rolls_back_is_never_heard(heard: list[bool]) -> None:
    with transaction.atomic():
        notices.tell()
        transaction.set_rollback(True)
    notices.tell()
    eventually(lambda: heard)
    assert heard == [True]


def test_a_listener_that_was_cut_off_listens_again(heard: list[bool]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(CUT, ["LISTEN%"])
    eventually(lambda: heard)  # it hears what may have been said meanwhile
    heard.clear()
    notices.tell()
    eventually(lambda: heard)


class Call(threading.Event):
    """Wakes a worker; knows how often it did, and whether the worker rests."""

    def __init__(self) -> None:
        super().__init__()
        self.heard, self.is_waited_for = 0, False

    def wait(self, timeout: float | None = None) -> bool:
        """Rest."""
        self.is_waited_for = True
        was_set = super().wait(timeout)
        self.is_waited_for = False
        self.heard += was_set
        return was_set


@contextmanager
def working_initiator(call: Call | None = None) -> Iterator[Worker]:
    """Let a worker work on a thread for a block."""
    builders.right_clocks()
    builders.desk()
    worker = Worker(Role.INITIATOR, _is_wanted=call or Call())

    def work() -> None:
        worker.run()
        connection.close()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        eventually(lambda: worker.is_napping)
        yield worker
    finally:
        worker.stop.set()
        notices.tell()
        thread.join(20)
    assert not thread.is_alive()


def test_a_sleeping_worker_is_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working, "LONGEST_NAP_SECONDS", 600.0)
    with working_initiator():
        row = builders.cycle()
        notices.tell()
        eventually(lambda: Cycle.objects.get(pk=row.pk).fence)


def test_a_sleeping_worker_whose_connection_was_cut_says_nothing_of_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(working, "LONGEST_NAP_SECONDS", 600.0)
    call = Call()
    with working_initiator(call):
        # Its listener, which has just begun, has woken it: nothing does while it is cut.
        eventually(lambda: call.heard == 1 and call.is_waited_for)
        with connection.cursor() as cursor:
            cursor.execute(CUT, ["%due_in%"])  # what is asked before a nap
            assert cursor.rowcount == 1
        row = builders.cycle()
        notices.tell()
        eventually(lambda: Cycle.objects.get(pk=row.pk).fence)
    assert "database.unreachable" not in caplog.text


def test_what_cycles_ask_for_is_read_ahead_by_their_worker() -> None:
    reads: list[str] = []
    rule = recent.recent(reads.append)
    with working_initiator():
        rule("XRP")
        eventually(lambda: len(reads) > 2)


def test_a_worker_goes_on_after_somebody_kept_the_whole_table(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(locking, "ATTEMPTS", 1)  # each waits for `lock_timeout`
    with working_initiator() as worker:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("LOCK TABLE cycles_cycle IN ACCESS EXCLUSIVE MODE")

            def was_denied() -> bool:
                cursor.execute("SELECT 1")  # who idles in a transaction is thrown out
                return "database.busy" in caplog.text

            eventually(was_denied)
        assert not worker.stop.is_set()
        row = builders.cycle()
        eventually(lambda: Cycle.objects.get(pk=row.pk).fence)
