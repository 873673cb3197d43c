"""A desk in a storm: on a database of its own, with a channel for its alerts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.crashes.chaos.channel import Channel, open_channel
from tests.crashes.chaos.desk import BOTH_KOREAN, KOREA, NursedDesk
from tests.crashes.running import running_desk


@pytest.fixture
def channel() -> Iterator[Channel]:
    """Open a channel for alerts."""
    with open_channel() as opened:
        yield opened


@pytest.fixture
def harmed(
    transactional_db: None, settings: Any, tmp_path: Path, channel: Channel
) -> Iterator[NursedDesk]:
    """Give a seeded desk of processes whose clocks can be set, and whose starts cost little."""
    settings.KIMP_KOREA_VENUES = list(KOREA)
    variables = channel.variables | {"KIMP_WORKER_THREADS": "8"} | BOTH_KOREAN
    with running_desk(tmp_path, settings, NursedDesk, **variables) as desk:
        yield desk
