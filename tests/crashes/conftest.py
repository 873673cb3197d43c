"""A desk of real processes, for each test its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.crashes.running import RunningDesk, running_desk


@pytest.fixture
def desk(transactional_db: None, settings: Any, tmp_path: Path) -> Iterator[RunningDesk]:
    """Give seeded venues whose roles the test starts and kills."""
    with running_desk(tmp_path, settings, RunningDesk, KIMP_WORKER_THREADS="8") as running:
        yield running
