"""What the gateway wants people to know: facts for whoever raises alerts, in the same transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing to tell people; the same `key` is told once."""

    key: str
    title: str
    body: str
    is_critical: bool = False


Tell = Callable[[Notice], object]
