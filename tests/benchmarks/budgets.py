"""What sharing a rate budget costs a call: the same calls through the adapter, with and without it.

The limits are Binance's own, so the counts of statements are those of a real desk.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from exchanges.adapters.binance.client import BinanceVenue
from exchanges.adapters.binance.limits import LIMITS
from exchanges.models import RateWindow
from exchanges.pacing.channel import Channel
from exchanges.pacing.store import SharedStore
from exchanges.registry import utc_now
from exchanges.transport.budget import RateBudget
from exchanges.transport.limits import is_settling
from exchanges.transport.windows import Ask, Grant
from exchanges.transport.wire import Keys
from exchanges.values import Market
from tests.benchmarks import place, taker
from tests.benchmarks.children import together
from tests.benchmarks.findings import Figure, Findings, median
from tests.benchmarks.venues import Venues, simulated

XRP = Market("XRP", "USDT")
PROCESSES = 2
DATA = "a read of market data"
FIRST = "a call that goes first (money, lookups)"


class CountingStore(SharedStore):
    """The shared store, counting its statements."""

    statements = 0

    def take(self, venue: str, asks: Sequence[Ask]) -> Sequence[Grant]:
        self.statements += 1
        return super().take(venue, asks)


def run(*, calls: int, rounds: int, takes: int) -> Findings:
    """Call one after the other, with tokens bought in batches and one by one; then let processes contend."""
    spent: dict[tuple[str, str], list[float]] = {}
    counts: dict[str, list[float]] = {}
    with simulated() as venues:
        for _ in range(rounds):
            for kind in (DATA, FIRST):
                for how in ("alone", "shared"):
                    RateWindow.objects.all().delete()
                    store = CountingStore(Channel()) if how == "shared" else None
                    seconds = _timed(venues, store, kind, calls)
                    spent.setdefault((kind, how), []).append(seconds * 1000 / calls)
                    if store is not None:
                        counts.setdefault(kind, []).append(store.statements / calls)
                        store.close()
        contended = together(
            taker.__name__, [{"takes": takes}] * PROCESSES, place.child_environment(venues)
        )
    figures = [
        Figure(
            what=f"{kind}, with the shared budget", value=median(spent[kind, "shared"]), unit="ms",
            reference="without", reference_value=median(spent[kind, "alone"]),
        )
        for kind in counts
    ]  # fmt: skip
    figures += [
        Figure(what=f"{kind}: statements", value=median(found), unit="count")
        for kind, found in counts.items()
    ]
    rate = sum(one["takes"] / one["seconds"] for one in contended)
    figures.append(
        Figure(what=f"tokens taken one by one, {PROCESSES} processes", value=rate, unit="1/s")
    )
    used = RateWindow.objects.get(name=taker.WIDE).used_now
    work = {"calls": calls, "rounds": rounds, "taken": used, "asked": takes * PROCESSES}
    return Findings(name="the shared rate budget", figures=tuple(figures), work=work)


def _timed(venues: Venues, store: SharedStore | None, kind: str, calls: int) -> float:
    account = venues.accounts()["binance"]
    venue = BinanceVenue(
        base_url=account["base_url"],
        keys=Keys(access=account["access_key"], secret=account["secret_key"]),
        clock=utc_now,
        budget=RateBudget("binance", LIMITS, store=store) if store else RateBudget("binance"),
    )
    call: Callable[[], object] = venue.balances if kind == FIRST else lambda: venue.book(XRP)
    call()  # connections, both
    if isinstance(store, CountingStore):
        store.statements = 0
    token = is_settling.set(kind == FIRST)  # nothing is bought to spare for it, as for an order
    began = time.perf_counter()
    for _ in range(calls):
        call()
    seconds = time.perf_counter() - began
    is_settling.reset(token)
    venue.close()
    return seconds
