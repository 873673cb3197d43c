"""The lookout: decides on every batch of streamed books, in memory, and says when to look at once.

Nothing is written here. What it finds worth a look is sampled, committed and judged by the services as
at any other tick; it only makes that tick come early.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from cycles.domain.board import Board
from cycles.domain.decision import Exposure, Limits, Quote, cheapest_back, opening_decision
from cycles.domain.money import ZERO, ratio_bps
from exchanges import registry
from exchanges.feeds.states import State
from exchanges.values import Book

WORTH_BPS = Decimal(5)  # a way back that has become cheaper by this is worth a look at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What books are judged by for a while: the board, the policy's limits, the assets in use."""

    board: Board
    limits: Limits
    size_usdt: Decimal
    paused: frozenset[str]

    def opens(self, quotes: Sequence[Quote]) -> bool:
        """Say whether the policy would open on these quotes if nothing was out yet."""
        nothing_out = Exposure(
            open_cycles=0,
            open_by_asset={},
            usdt=ZERO,
            usdt_by_asset={},
            free_usdt=self.size_usdt,
            pnl_today_usdt=ZERO,
        )
        return opening_decision(quotes, self.limits, nothing_out, paused=self.paused).opens

    def back_rate(self, quotes: Sequence[Quote]) -> Decimal | None:
        """Give the cheapest way back, KRW per USDT."""
        back = cheapest_back(quotes, self.limits.allowed_assets - self.paused)
        return back.back_rate if back else None


class Lookout:
    """Belongs to the thread of the feeds; `call_early` is told when a tick should not wait."""

    def __init__(self, call_early: Callable[[], None]) -> None:
        self._call_early = call_early
        self._outlook: Outlook | None = None
        self._opened = False  # what was last decided
        self._seen_back: Decimal | None = None  # the way back at the last tick

    def heard(self, state: State) -> None:
        """Take a new state of a market."""
        if self._outlook is None:
            return
        if isinstance(state, Book):
            self._outlook.board.take(state)
        else:
            self._outlook.board.drop(state.venue, state.market.base)

    def settled(self) -> None:
        """Decide, after each batch of states."""
        if self._outlook is None:
            return
        quotes = self._outlook.board.quotes(registry.utc_now())
        opens, back = self._outlook.opens(quotes), self._outlook.back_rate(quotes)
        if (opens and not self._opened) or self._is_cheaper(back):
            self._call_early()
        self._opened = opens

    def _is_cheaper(self, back: Decimal | None) -> bool:
        if back is None:
            return False
        if self._seen_back is None or ratio_bps(self._seen_back, back) >= WORTH_BPS:
            self._seen_back = back
            return True
        return False

    def adopt(self, outlook: Outlook, states: Sequence[State]) -> None:
        """Judge by a new outlook from now on, beginning with the books of this moment."""
        self._outlook = outlook
        for state in states:
            self.heard(state)
        self._opened = outlook.opens(outlook.board.quotes(registry.utc_now()))

    def looked(self, back: Decimal | None) -> None:
        """Take note of the way back that a tick has just seen."""
        self._seen_back = back
