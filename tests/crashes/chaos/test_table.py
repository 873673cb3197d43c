"""The table of a storm says of which code it tells."""

from __future__ import annotations

from typing import Any

from tests.crashes.chaos.table import LINES, table

STORM: dict[str, Any] = {
    **{name: {} for name in LINES},
    "acts": {}, "does": {}, "claims": {}, "seed": 7, "seconds": 300, "processes": 10, "revision": "cabf6355f4bd+",
}  # fmt: skip


def test_a_storm_is_told_with_its_revision() -> None:
    assert table(STORM).splitlines()[-1].startswith("revision cabf6355f4bd+, seed 7, 300 s")
