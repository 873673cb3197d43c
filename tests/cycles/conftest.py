"""The desk of a test: seeded, simulated, driven by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from cycles.services import homing, looking, seeding
from exchanges import registry
from exchanges.simulator.server import RunningSimulator, start_in_thread
from tests import snapshot
from tests.desk import TestDesk

POLICY: dict[str, Any] = {
    "min_open_edge_bps": Decimal(-1000),
    "min_rebalance_edge_bps": Decimal(-5000),
}
WORLD = {"seed": 7, "speed": "1000", "scenario": "unlimited"}
# The rows of the first desk of this process that trades at these venues, under this policy.
_seeded: dict[tuple[tuple[str, ...], str], snapshot.Snapshot] = {}


@pytest.fixture(scope="session")
def running_venues() -> Iterator[RunningSimulator]:
    """Run the venues on ports of their own, a thousand times faster than life."""
    with start_in_thread(seed=7, speed=Decimal(1000), stretch="crash-2024-12-03") as running:
        yield running


@pytest.fixture
def korea() -> list[str]:
    """Name the Korean venues that the desk trades at; a test that wants others is parametrised so."""
    return ["upbit"]


@pytest.fixture
def venues(
    running_venues: RunningSimulator,
    settings: Any,
    korea: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[RunningSimulator]:
    """Give the venues with a world of this test's own: the same accounts, the first balances.

    Nobody watches them: whoever steps a cycle by hand takes the look itself, as often as it steps.
    """
    monkeypatch.setattr(looking, "QUICKEST", timedelta(0))
    settings.KIMP_KOREA_VENUES = korea
    settings.KIMP_TIME_SCALE = Decimal(1000)
    settings.KIMP_SIMULATOR_URL = running_venues.control_url
    settings.KIMP_FX_FRANKFURTER_URL = settings.KIMP_FX_ERAPI_URL = ""
    TestDesk(running=running_venues).control("/control/reset", WORLD)
    registry.forget()
    yield running_venues
    registry.forget()


def seed(policy: Mapping[str, Any] = POLICY) -> None:
    """Set the desk up as `seed_desk` does: once through the product's doors, then from its rows."""
    key = (registry.desk_venues(), repr(sorted(policy.items())))
    kept = _seeded.get(key)
    if kept is None:
        seeding.seed(policy)
        kept = snapshot.take()
        if kept is not None:
            _seeded[key] = kept
    else:
        kept.lay_down()
        homing.settle()  # its home was marked by another test
    seeding.configure()


@pytest.fixture
def desk(db: None, venues: RunningSimulator) -> TestDesk:
    """Give a seeded desk on the test's own transaction."""
    seed()
    return TestDesk(running=venues)


@pytest.fixture
def committed_desk(transactional_db: None, venues: RunningSimulator) -> TestDesk:
    """Give a seeded desk whose transactions really commit, for threads and processes."""
    seed()
    return TestDesk(running=venues)
