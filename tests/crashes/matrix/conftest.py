"""A desk of its own for each test, whose workers die to order."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from exchanges.simulator.server import RunningSimulator
from tests.crashes.matrix.drivers import Drivers
from tests.crashes.matrix.ways import Ways
from tests.crashes.matrix.world import World, world
from tests.crashes.running import POLICY
from tests.cycles.conftest import korea, running_venues, seed, venues
from tests.desk import TestDesk
from tests.groups import make_groups

__all__ = ["korea", "running_venues", "venues"]

ROOMY: dict[str, Any] = POLICY | {
    "min_open_edge_bps": Decimal(-1000),
    "allowed_assets": ["SOL", "XRP"],
    "auto_recovery_loss_limit_usdt": Decimal(50),
}


@pytest.fixture(scope="session")
def drivers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drivers]:
    """Keep what forks the workers of every test."""
    kept = Drivers(home=tmp_path_factory.mktemp("drivers"))
    yield kept
    kept.end()


@pytest.fixture(scope="session")
def ways(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Ways:
    """Keep what one process of this run has found for all of them."""
    own = tmp_path_factory.getbasetemp()
    return Ways(own if worker_id == "master" else own.parent)


@pytest.fixture
def matrix(
    transactional_db: None, venues: RunningSimulator, drivers: Drivers, ways: Ways
) -> Iterator[World]:
    """Give a world whose workers die to order."""
    make_groups()  # flushed by the test before
    seed(ROOMY)
    with world(TestDesk(running=venues), drivers, ways) as made:
        yield made
