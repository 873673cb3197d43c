"""The desk of a test: seeded, simulated, driven by hand."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from cycles.services import seeding
from exchanges import registry
from exchanges.simulator.server import RunningSimulator, start_in_thread
from tests.desk import TestDesk

POLICY: dict[str, Any] = {
    "min_open_edge_bps": Decimal(-1000),
    "min_rebalance_edge_bps": Decimal(-5000),
}


@pytest.fixture
def venues(settings: Any) -> Iterator[RunningSimulator]:
    """Run the venues on ports of their own, a thousand times faster than life."""
    settings.KIMP_TIME_SCALE = Decimal(1000)
    with start_in_thread(seed=7, speed=Decimal(1000), stretch="crash-2024-12-03") as running:
        settings.KIMP_SIMULATOR_URL = running.control_url
        settings.KIMP_FX_FRANKFURTER_URL = settings.KIMP_FX_ERAPI_URL = ""
        registry.forget()
        yield running
    registry.forget()


@pytest.fixture
def desk(db: None, venues: RunningSimulator) -> TestDesk:
    """Give a seeded desk on the test's own transaction."""
    seeding.seed(POLICY)
    return TestDesk(running=venues)


@pytest.fixture
def committed_desk(transactional_db: None, venues: RunningSimulator) -> TestDesk:
    """Give a seeded desk whose transactions really commit, for threads and processes."""
    seeding.seed(POLICY)
    return TestDesk(running=venues)
