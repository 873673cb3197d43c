"""The feeder as a process: it streams, records, and leaves nothing half done when it is told to end."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cycles.models import Heartbeat, PremiumSample
from exchanges.recording.folder import files_of, recorded
from exchanges.simulator.reels import load_reel
from exchanges.values import Book, NetworkRules, RateQuote
from tests.crashes.running import RunningDesk
from tests.desk import eventually
from tests.kimp.processes import PROJECT

pytestmark = [pytest.mark.processes, pytest.mark.timeout(180)]

IN_TIME = 10


def start(desk: RunningDesk, name: str, *options: str) -> None:
    """Start a feeder with options of its own."""
    with (desk.home / f"{name}.log").open("ab") as log:
        desk.children[name] = subprocess.Popen(
            [sys.executable, "manage.py", "feeder", "--no-metrics", *options],
            cwd=PROJECT, env=desk.environment("feeder"), stdin=subprocess.DEVNULL,
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip


def book_reads(desk: RunningDesk) -> int:
    rows = desk.control("/control/requests")
    return sum(row["path"].endswith(("/depth", "/orderbook")) for row in rows)


def kinds(folder: Path) -> set[type]:
    return {type(moment.what) for moment in recorded(folder)} if files_of(folder) else set()


def test_a_feeder_samples_from_streams_and_what_it_records_survives_its_end(
    desk: RunningDesk, tmp_path: Path
) -> None:
    folder = tmp_path / "recording"
    start(desk, "feeder-1", "--record", str(folder), "--interval-ms", "200")
    eventually(lambda: PremiumSample.objects.count() >= 20)
    before = book_reads(desk), PremiumSample.objects.count()
    eventually(lambda: PremiumSample.objects.count() >= before[1] + 20)
    assert book_reads(desk) < before[0] + 9, "by request each turn reads nine books"

    desk.kill("feeder-1")
    first = list(recorded(folder))
    assert first, "what was flushed is there"
    start(desk, "feeder-2", "--record", str(folder))
    eventually(lambda: len(files_of(folder)) == 2 and len(list(recorded(folder))) > len(first))
    assert list(recorded(folder))[: len(first)] == first

    assert Heartbeat.objects.filter(role="feeder").exists()
    desk.signal("feeder-2", signal.SIGTERM)
    assert desk.children["feeder-2"].wait(timeout=IN_TIME) == 0, desk.tail("feeder-2")
    assert kinds(folder) >= {Book, RateQuote, NetworkRules}
    assert all(line["level"] != "error" for line in desk.lines("feeder-2"))

    reel = load_reel(folder)  # what a simulator plays with --data
    books = [moment.what for moment in recorded(folder) if isinstance(moment.what, Book)]
    found = reel.book_at("upbit", "XRP", 0)
    assert found is not None
    assert any([(level.price, level.quantity) for level in book.bids] == found[0] for book in books)
