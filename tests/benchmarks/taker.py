"""A process that takes tokens of one window, one by one, as fast as the database lets it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import django

from tests.benchmarks.children import answer

WIDE = "wide"


def taker(spec: dict[str, Any]) -> Callable[[], dict[str, Any]]:
    """Prepare a store and its connection."""
    from exchanges.pacing.channel import Channel  # noqa: PLC0415  Django first
    from exchanges.pacing.store import SharedStore  # noqa: PLC0415
    from exchanges.transport.limits import Priority, Scope, Window  # noqa: PLC0415
    from exchanges.transport.windows import Ask  # noqa: PLC0415

    window = Window(group=WIDE, scope=Scope.ACCOUNT, limit=2_000_000_000, span_seconds=60)
    ask = Ask(window=window, priority=Priority.MONEY, least=1, needed=1, wanted=1)
    store = SharedStore(Channel())
    store.take("bench", [])  # the connection

    def work() -> dict[str, Any]:
        began = time.perf_counter()
        taken = sum(store.take("bench", [ask])[0].tokens for _ in range(spec["takes"]))
        seconds = time.perf_counter() - began
        store.close()
        return {"takes": taken, "seconds": seconds}

    return work


if __name__ == "__main__":
    django.setup()
    answer(taker)
