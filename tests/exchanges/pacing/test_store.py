"""The shared store over its own connection: what it commits, and what a database does to it that is away."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator
from typing import NoReturn

import pytest
from django.db import OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper

from exchanges.models import RateWindow, VenueClock
from exchanges.pacing import channel as channels
from exchanges.pacing.channel import Channel
from exchanges.pacing.store import SharedStore
from exchanges.transport.limits import Scope, Window, door
from exchanges.transport.windows import StoreAwayError
from tests.desk import eventually
from tests.exchanges.pacing.conftest import ORDERS, forget_other_tests, wants
from tests.kimp.log_lines import captured

pytestmark = pytest.mark.django_db(transaction=True)
BOOKS = Window(group="orderbook", scope=Scope.IP, limit=10)


@pytest.fixture
def store() -> Iterator[SharedStore]:
    forget_other_tests()
    made = SharedStore(Channel())
    yield made
    made.close()


def test_tokens_are_taken_and_committed_whatever_transaction_the_caller_is_in(
    store: SharedStore,
) -> None:
    with transaction.atomic():
        (grant,) = store.take("upbit", [wants(2)])
        transaction.set_rollback(True)
    assert (grant.tokens, grant.limit, grant.used) == (2, 12, 2)
    assert RateWindow.objects.get().used_now == 2


def test_two_processes_share_one_count(store: SharedStore) -> None:
    other = SharedStore(Channel())
    got = [one.take("upbit", [wants(1)])[0].tokens for _ in range(8) for one in (store, other)]
    other.close()
    assert sum(got) == 12


def test_asks_of_several_windows_are_answered_in_their_order(store: SharedStore) -> None:
    grants = store.take(
        "upbit", [wants(3), wants(0, window=door(Scope.IP), least=0), wants(2, window=BOOKS)]
    )
    assert [grant.tokens for grant in grants] == [3, 0, 2]


def test_hosts_with_addresses_of_their_own_share_accounts_and_no_addresses(
    store: SharedStore,
) -> None:
    seoul = SharedStore(Channel(), egress="seoul")
    for one in (store, seoul):
        one.take("upbit", [wants(10, window=BOOKS), wants(1)])
    seoul.close()
    counts = {(row.name, row.scope): row.used_now for row in RateWindow.objects.all()}
    assert counts == {
        ("orderbook", "ip"): 10,
        ("orderbook", "ip seoul"): 10,
        ("order", "account"): 2,
    }


def test_a_hold_is_heard_by_all_and_the_longest_counts(store: SharedStore) -> None:
    store.hold("upbit", ORDERS, seconds=60, cause="banned")
    store.hold("upbit", ORDERS, seconds=1, cause="turned_away")
    eventually(RateWindow.objects.exists)
    (grant,) = store.take("upbit", [wants(1)])
    assert (grant.tokens, 59 < grant.held_seconds <= 60) == (0, True)
    assert RateWindow.objects.get().held_because == "banned"


def test_a_told_limit_is_kept_for_all(store: SharedStore) -> None:
    store.take("upbit", [wants(1)])
    store.learn("upbit", ORDERS, 5)
    eventually(lambda: RateWindow.objects.get().told_at is not None)
    (grant,) = store.take("upbit", [wants(12)])
    assert (grant.tokens, grant.limit) == (4, 5)


def test_a_clock_is_kept_once_for_each_host(store: SharedStore) -> None:
    store.note_clock("binance", "here", ahead_ms=120, doubt_ms=8)
    store.note_clock("binance", "here", ahead_ms=-40, doubt_ms=6)
    eventually(lambda: VenueClock.objects.filter(ahead_ms=-40).exists())
    assert VenueClock.objects.get().doubt_ms == 6


def test_a_database_that_hangs_is_not_waited_for_and_not_asked_again_meanwhile(
    store: SharedStore,
) -> None:
    """Somebody keeps the row locked."""
    store.take("upbit", [wants(1)])
    with transaction.atomic():
        RateWindow.objects.select_for_update().get()
        began = time.monotonic()
        with pytest.raises(StoreAwayError):
            store.take("upbit", [wants(1)])
        assert time.monotonic() - began < 2
        began = time.monotonic()
        with pytest.raises(StoreAwayError):
            store.take("upbit", [wants(1)])
        assert time.monotonic() - began < 0.3

    def answers() -> bool:
        try:
            return store.take("upbit", [wants(1)])[0].tokens == 1
        except StoreAwayError:
            return False

    eventually(answers)


def test_a_connection_that_was_cut_is_made_anew(
    store: SharedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "FIRST_PAUSE_SECONDS", 0.01)
    store.take("upbit", [wants(1)])
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )
    with pytest.raises(StoreAwayError):
        store.take("upbit", [wants(1)])
    time.sleep(0.02)
    assert store.take("upbit", [wants(1)])[0].tokens == 1


@pytest.mark.parametrize(
    ("unsaid_seconds", "is_said", "told"),
    [
        (0.0, False, ["pacing.database_away", "pacing.database_answers_again"]),
        (0.0, True, []),  # by whoever uses the same database
        (60.0, False, []),  # a moment only
    ],
)
def test_a_database_that_is_away_for_long_is_said_once_unless_somebody_else_says_so(
    monkeypatch: pytest.MonkeyPatch, unsaid_seconds: float, is_said: bool, told: list[str]
) -> None:
    monkeypatch.setattr(channels, "FIRST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(channels, "UNSAID_SECONDS", unsaid_seconds)
    channel = Channel(lambda: is_said)
    with captured(logging.INFO) as lines:
        for _ in range(2):
            with pytest.raises(StoreAwayError):
                channel.ask(_is_away, patience_seconds=5)
        channel.ask(lambda cursor: None, patience_seconds=5)
        channel.close()
    assert [line["event"] for line in lines.parsed] == told


def test_who_seldom_asks_says_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody asked for meanwhile has not worked since."""
    now = [1000.0]
    monkeypatch.setattr("exchanges.pacing.channel.time.monotonic", lambda: now[0])
    channel = Channel()
    with captured(logging.INFO) as lines:
        for _ in range(3):
            with pytest.raises(StoreAwayError):
                channel.ask(_is_away, patience_seconds=5)
            now[0] += 60
        channel.close()
    assert [line["event"] for line in lines.parsed] == ["pacing.database_away"]


def _is_away(_: CursorWrapper) -> NoReturn:
    raise OperationalError("the server said so")


def test_the_channel_is_one_thread_whose_end_gives_the_connection_back(store: SharedStore) -> None:
    def channel_threads() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == "pacing"]

    threads = [threading.Thread(target=store.take, args=("upbit", [wants(1)])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(channel_threads()) == 1
    store.close()
    assert channel_threads() == []
    assert store.take("upbit", [wants(1)])[0].tokens == 1


def test_a_child_process_has_a_connection_of_its_own() -> None:
    """As the queue's cluster forks."""
    made = Channel()

    def backend(cursor: CursorWrapper) -> int:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])

    ours = made.ask(backend, patience_seconds=5)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writer, str(made.ask(backend, patience_seconds=5)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    theirs = int(os.read(reader, 20))
    os.close(reader)
    assert theirs != ours
    assert made.ask(backend, patience_seconds=5) == ours
    made.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_channel_whose_thread_has_ended_begins_another() -> None:
    channel = Channel()

    def ends(_: CursorWrapper) -> None:
        raise SystemExit

    try:
        with pytest.raises(StoreAwayError):
            channel.ask(ends, patience_seconds=0.5)

        def answers() -> bool:
            try:
                return bool(channel.ask(lambda cursor: True, patience_seconds=5))
            except StoreAwayError:
                return False

        eventually(answers)
    finally:
        channel.close()
