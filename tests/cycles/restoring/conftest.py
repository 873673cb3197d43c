"""A desk whose database can be dumped, and restored beside the old one, as after a loss."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cycles.restoring.dumps import Backups
from tests.desk import TestDesk


@pytest.fixture
def backups(committed_desk: TestDesk, tmp_path: Path) -> Iterator[Backups]:
    """Give the means to dump and restore; afterwards the process is back in its own database."""
    kept = Backups(folder=tmp_path)
    yield kept
    kept.go_back()
