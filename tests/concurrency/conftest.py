"""Races need committed rows: the desk of `tests.cycles`, and one thread's work at a time."""

from __future__ import annotations

from tests.cycles.conftest import committed_desk, korea, running_venues, venues

__all__ = ["committed_desk", "korea", "running_venues", "venues"]
