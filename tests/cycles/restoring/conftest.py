"""A desk whose database can be dumped, and restored beside the old one, as after a loss.

Its books stand still: what an order fills, and what may be missing of whom, does not hang on how fast a test runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from pytest_django import DjangoDbBlocker

from tests.cycles.restoring.dumps import Backups, Place, ProgramsBackups
from tests.cycles.services.acts import set_policy
from tests.cycles.services.test_trading import pin, top
from tests.desk import TestDesk


@pytest.fixture
def desk(desk: TestDesk) -> TestDesk:
    """Let its books stand still."""
    desk.stand_still()
    return desk


@pytest.fixture
def committed_desk(committed_desk: TestDesk) -> TestDesk:
    """Let its books stand still."""
    committed_desk.stand_still()
    return committed_desk


@pytest.fixture
def xrp_desk(committed_desk: TestDesk) -> TestDesk:
    """Give a desk that goes home by XRP, whose price in Korea stands still: who has as much won buys as much."""
    committed_desk.sample()
    ask = top(committed_desk, "upbit", "KRW-XRP")[1]
    bids, asks = [[str(ask - 1), "10000000"]], [[str(ask), "10000000"]]
    pin(committed_desk, "upbit", "KRW-XRP", bids=bids, asks=asks)
    set_policy(allowed_assets=["XRP"], max_open_cycles=9, max_open_cycles_per_asset=9)
    return committed_desk


@pytest.fixture
def wide_desk(committed_desk: TestDesk) -> TestDesk:
    """Give a desk whose policy lets a cycle take all that it has."""
    any_size = Decimal(10**9)
    set_policy(
        max_open_cycles=9,
        max_open_cycles_per_asset=9,
        max_exposure_usdt=any_size,
        max_exposure_per_asset_usdt=any_size,
    )
    return committed_desk


@pytest.fixture(scope="session")
def place(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Place]:
    """Give the place that dumps are restored into, gone with this process."""
    kept = Place()
    yield kept
    with django_db_blocker.unblock():
        kept.drop()


@pytest.fixture
def backups(committed_desk: TestDesk, place: Place, tmp_path: Path) -> Iterator[Backups]:
    """Give the means to dump and restore; afterwards the process is back in its own database."""
    yield Backups(folder=tmp_path, place=place)
    place.leave()


@pytest.fixture
def programs(committed_desk: TestDesk, place: Place, tmp_path: Path) -> Iterator[Backups]:
    """Give the same means by PostgreSQL's own programs."""
    yield ProgramsBackups(folder=tmp_path, place=place)
    place.leave()
