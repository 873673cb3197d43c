"""Private streams at the border: how one is asked for, and what its events are worth to us. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRequest:
    """How a private stream is asked for: where, with which headers, and what is said first."""

    path: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    messages: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """What an event of a private stream is about: a reason to look, never a fact.

    `assets` are those whose balances it touched; None: any may be.
    """

    is_of_orders: bool
    assets: frozenset[str] | None


ANYTHING = Hint(is_of_orders=True, assets=None)
