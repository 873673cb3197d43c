"""Brings the venues' public books into a simulator: today's market, everything else simulated."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from exchanges.feeds.hub import Feeds, Source
from exchanges.feeds.states import State
from exchanges.simulator.core.catalog import Market as Listed
from exchanges.simulator.core.simulator import Simulator
from exchanges.simulator.core.world import World
from exchanges.values import Book, Level, Market

LIVE_SECONDS = 0.5  # between two looks: of a market's books in between, the last one counts
OLDEST = timedelta(seconds=15)


class LiveBooks:
    """Listens to public feeds; `bring` hands what is new to the simulator, in the simulator's thread."""

    def __init__(
        self, simulator: Simulator, sources: Sequence[Source], *, clock: Callable[[], datetime]
    ) -> None:
        self._simulator = simulator
        self._feeds = Feeds(sources, clock=clock, listener=self._heard)
        self._guard = threading.Lock()
        self._changed: dict[tuple[str, Market], State] = {}
        self._world: World | None = None

    def start(self) -> None:
        """Listen to every market that the simulated venues list."""
        self._feeds.start()
        self._feeds.watch(_watched(self._simulator.world), oldest=OLDEST)

    def stop(self) -> None:
        """Listen no longer."""
        self._feeds.stop()

    def _heard(self, state: State) -> None:
        with self._guard:
            self._changed[state.venue, state.market] = state

    def bring(self) -> None:
        """Hand over the books that are new; a world that has just begun is given all of them."""
        with self._guard:
            changed, self._changed = self._changed, {}
        world = self._simulator.world
        if world is not self._world:
            self._tell({"on": True})
            self._world = self._simulator.world
            changed = {(s.venue, s.market): s for s in self._feeds.states()} | changed
        symbols = {(m.venue, m.base, m.quote): m.symbol for m in world.markets.values()}
        for state in changed.values():
            symbol = symbols.get((state.venue, state.market.base, state.market.quote))
            if symbol is not None:
                self._tell({"venue": state.venue, "symbol": symbol} | _sides(state))

    def _tell(self, spec: dict[str, object]) -> None:
        self._simulator.control("POST", "/control/live", "", json.dumps(spec).encode())


def _watched(world: World) -> dict[str, list[Market]]:
    found: dict[str, list[Market]] = {}
    for market in world.markets.values():
        found.setdefault(market.venue, []).append(_ours(market))
    return found


def _ours(market: Listed) -> Market:
    return Market(market.base, market.quote)


def _sides(state: State) -> dict[str, object]:
    if not isinstance(state, Book):
        return {"bids": [], "asks": []}
    return {"bids": _rows(state.bids), "asks": _rows(state.asks)}


def _rows(levels: Sequence[Level]) -> list[list[str]]:
    return [[f"{level.price:f}", f"{level.quantity:f}"] for level in levels]
