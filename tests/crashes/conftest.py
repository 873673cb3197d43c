"""A desk of real processes, for each test its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from tests.crashes.running import RunningDesk, running_desk
from tests.kimp.processes import database_url
from tests.kimp.relaying import Relay, relay


@pytest.fixture
def desk(transactional_db: None, settings: Any, tmp_path: Path) -> Iterator[RunningDesk]:
    """Give seeded venues whose roles the test starts and kills."""
    with running_desk(tmp_path, settings, RunningDesk, KIMP_WORKER_THREADS="8") as running:
        yield running


@pytest.fixture
def between(desk: RunningDesk) -> Iterator[Relay]:
    """Give a relay through which roles reach the database."""
    with relay(int(connection.get_connection_params()["port"])) as made:
        desk.variables["DATABASE_URL"] = database_url(port=made.port)
        yield made
        desk.end_all()
