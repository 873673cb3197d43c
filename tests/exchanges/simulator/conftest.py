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
def running() -> Iterator[RunningSimulator]:
    """Give a simulator on real sockets."""
    with start_in_thread(speed=60, scenario="unlimited") as simulator:
        yield simulator
