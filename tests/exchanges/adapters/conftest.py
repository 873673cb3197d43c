"""The simulator that the adapters' fault tests speak to: one process, a world of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from exchanges.simulator.server import RunningSimulator, start_in_thread
from exchanges.transport.plain import post_json
from tests.exchanges.adapters.faulty import ADAPTERS, READY_AT_ONCE, WORLD, Desk, checked, desk_at


@pytest.fixture(scope="session")
def faulty_venues() -> Iterator[RunningSimulator]:
    """Run the venues a hundred times faster than life."""
    with start_in_thread(seed=11, speed=100, scenario="unlimited") as started:
        yield started


@pytest.fixture
def fresh_venues(faulty_venues: RunningSimulator) -> RunningSimulator:
    """Give the venues with a world of this test's own."""
    for path, spec in (("reset", WORLD), ("settings", READY_AT_ONCE)):
        assert post_json(f"{faulty_venues.control_url}/control/{path}", spec, 5)[0] == 200
    return faulty_venues


@pytest.fixture(params=ADAPTERS)
def desk(request: pytest.FixtureRequest, fresh_venues: RunningSimulator) -> Iterator[Desk]:
    """Give each venue in turn; see `checked` for what holds after every test."""
    made = desk_at(fresh_venues, request.param)
    yield made
    checked(made)
    made.close()


@pytest.fixture
def binance(fresh_venues: RunningSimulator) -> Iterator[Desk]:
    """Give Binance alone, for what only Binance does."""
    made = desk_at(fresh_venues, "binance")
    yield made
    checked(made)
    made.close()


@pytest.fixture
def bithumb(fresh_venues: RunningSimulator) -> Iterator[Desk]:
    """Give Bithumb alone, for what only Bithumb does."""
    made = desk_at(fresh_venues, "bithumb")
    yield made
    checked(made)
    made.close()


@pytest.fixture
def upbit(fresh_venues: RunningSimulator) -> Iterator[Desk]:
    """Give Upbit alone, for what only Upbit does."""
    made = desk_at(fresh_venues, "upbit")
    yield made
    checked(made)
    made.close()
