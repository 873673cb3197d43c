"""A watcher at work beside its private streams: prompt by what they hint at, right by what is looked at."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from websockets.sync.server import ServerConnection, serve

from cycles.domain.words import Channel, WatchKind
from cycles.models import Cycle, ExchangeCall, SeenDeposit, SeenOrder, Step, VenueWatch
from cycles.services import looking, opening
from cycles.services.hearing import Ears
from cycles.services.intervening import Actor
from cycles.services.venue_watcher import VenueWatcher
from exchanges import registry, streams
from tests.cycles.services.acts import give_back, units_until
from tests.desk import TestDesk, eventually

pytestmark = pytest.mark.concurrency
HOUR = timedelta(hours=1)
LONG = 30.0


@contextmanager
def at_work(*, ears: Ears | None) -> Iterator[VenueWatcher]:
    """Let a watcher run on a thread; then stop it and wait for its end."""
    watcher = VenueWatcher(ears=ears)
    thread = threading.Thread(target=watcher.run)
    thread.start()
    try:
        yield watcher
    finally:
        watcher.stop.set()
        thread.join(LONG)
        assert not thread.is_alive()


@pytest.fixture
def still(committed_desk: TestDesk, monkeypatch: pytest.MonkeyPatch) -> TestDesk:
    """Give a desk whose venues stand still, and are looked at once an hour unless there is a reason."""
    monkeypatch.setattr(looking, "pace", lambda kind: HOUR)
    monkeypatch.setattr(looking, "hurry", lambda: timedelta(milliseconds=20))
    committed_desk.stand_still()
    return committed_desk


def opened(desk: TestDesk) -> Cycle:
    """Open a cycle: people do not survive a test that commits."""
    desk.sample()
    system = Actor(user=None, channel=Channel.SYSTEM)
    return opening.open_by_hand(
        asset="XRP", notional_usdt=Decimal(2000), actor=system, reason="a test"
    )


def on_its_way(desk: TestDesk) -> Cycle:
    """Let a cycle send XRP to Upbit, where it is not credited yet."""
    row = opened(desk)
    give_back(units_until(desk, row, "BUY"))
    desk.control("/control/clock", {"freeze": True})
    desk.step(row)
    desk.control("/control/clock", {"advance_ms": 30_000})
    for _ in range(40):
        if Step.objects.filter(cycle=row, kind="WITHDRAW", state="DONE").exists():
            break
        VenueWatch.objects.update(looked_at=F("looked_at") - 2 * HOUR)
        desk.control("/control/clock", {"advance_ms": 2_000})
        desk.step(row)
    assert Step.objects.filter(cycle=row, kind="WITHDRAW", state="DONE").exists()
    assert not SeenDeposit.objects.filter(status="credited").exists()
    Cycle.objects.filter(pk=row.pk).update(wake_at=Now() + HOUR)
    return row


def settled(watcher: VenueWatcher) -> bool:
    """Say whether the streams are open and the watcher has looked for all they hinted at so far."""
    held = watcher.ears._held.values() if watcher.ears else ()
    return (
        len(held) == 2
        and all(one.is_open for one in held)
        and not watcher.hints._numbers.get(("upbit", WatchKind.DEPOSITS))
    )


def test_a_credit_is_seen_at_once_because_the_stream_hints_at_it(still: TestDesk) -> None:
    row = on_its_way(still)
    with at_work(ears=Ears(listen=streams.listen)) as watcher:
        eventually(lambda: settled(watcher))
        assert not Cycle.objects.filter(pk=row.pk, wake_at__lte=Now()).exists()
        still.control("/control/clock", {"advance_ms": 600_000})
        eventually(SeenDeposit.objects.filter(status="credited").exists)
        eventually(Cycle.objects.filter(pk=row.pk, wake_at__lte=Now()).exists)
    assert not VenueWatch.objects.exclude(owner="").exists(), "who ends hands everything back"


def test_without_streams_it_is_seen_at_the_next_look(still: TestDesk) -> None:
    row = on_its_way(still)
    with at_work(ears=None):
        eventually(VenueWatch.objects.filter(kind=WatchKind.DEPOSITS, owner="").exists)
        still.control("/control/clock", {"advance_ms": 600_000})
        VenueWatch.objects.update(looked_at=F("looked_at") - 2 * HOUR)
        eventually(Cycle.objects.filter(pk=row.pk, wake_at__lte=Now()).exists)
    assert SeenDeposit.objects.filter(status="credited").exists()


@contextmanager
def liar(*frames: object) -> Iterator[str]:
    """Run a private stream that tells what is not so."""
    over = threading.Event()

    def lie(socket: ServerConnection) -> None:
        for frame in frames:
            socket.send(json.dumps(frame).encode())
        over.wait(LONG)

    with serve(lie, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        finally:
            over.set()
            server.shutdown()
            thread.join(LONG)


def test_a_stream_that_says_filled_of_an_order_that_rests_changes_nothing(
    still: TestDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = opened(still)
    rest = {"venue": "binance", "method": "POST", "path_regex": "/api/v3/order$"}
    still.fault(fault="F13", action="rests", args={"value": "0.3"}, when="once", **rest)
    lease = still.lease(row)
    still.unit(lease)
    (call,) = ExchangeCall.objects.filter(cycle=row, operation="PLACE_ORDER")
    assert not call.is_settled
    lie = {"e": "executionReport", "c": call.client_order_id, "X": "FILLED", "z": "99999"}
    with liar({"subscriptionId": 0, "event": lie}) as url:
        monkeypatch.setattr(registry, "account_stream_url", lambda code: url)
        with at_work(ears=Ears(listen=streams.listen)):
            eventually(SeenOrder.objects.filter(client_order_id=call.client_order_id).exists)
    connection.close()
    seen = SeenOrder.objects.get()
    assert seen.status == "open"
    assert 0 < seen.executed_quantity < seen.quantity
    call.refresh_from_db()
    assert not call.is_settled
