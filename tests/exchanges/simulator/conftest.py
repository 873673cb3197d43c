"""A simulator in process, spoken to with real signatures."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from exchanges.simulator.server import RunningSimulator, start_in_thread
from tests.exchanges.simulator.speaking import Speaker, new_simulator


@pytest.fixture
def speaker() -> Iterator[Speaker]:
    """Give a fresh world; whatever a test did, money is conserved and locks are explained."""
    speaker = Speaker(new_simulator())
    yield speaker
    assert speaker.simulator.problems() == []


@pytest.fixture
def pinned(speaker: Speaker) -> Speaker:
    """Give a world with books that stand still and XRP to sell."""
    speaker.pin("binance", "XRPUSDT", [["2.4", "1000"]], [["2.5", "1000"]])
    speaker.pin("upbit", "KRW-XRP", [["2990", "1000"]], [["3000", "1000"]])
    for venue in ("binance", "upbit"):
        speaker.credit(venue, "XRP", "1000")
    return speaker


@pytest.fixture
def running() -> Iterator[RunningSimulator]:
    """Give a simulator on real sockets."""
    with start_in_thread(speed=60, scenario="unlimited") as simulator:
        yield simulator
