"""The lookout: decides on every batch of streamed books, in memory, and says when to look at once.

Nothing is written here. What it finds worth a look is sampled, committed and judged by the services as
at any other tick; it only makes that tick come early.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    """What books are judged by for a while, at each Korean venue: its board, the assets not in use.

    `limits` are the policy's.
    """

    boards: Mapping[str, Board]
    paused: Mapping[str, frozenset[str]]
    limits: Limits
    size_usdt: Decimal

    def opens(self, venue: str, quotes: Sequence[Quote]) -> bool:
        """Say whether the policy would open on these quotes if nothing was out yet."""
        nothing_out = Exposure(
            open_cycles=0,
            open_by_asset={},
            usdt=ZERO,
            usdt_by_asset={},
            free_usdt=self.size_usdt,
            pnl_today_usdt=ZERO,
        )
        shut = self.paused[venue]
        return opening_decision(
            quotes, self.limits, nothing_out, paused=shut, paused_back=shut
        ).opens

    def back_rate(self, venue: str, quotes: Sequence[Quote]) -> Decimal | None:
        """Give the cheapest way back from a venue, KRW per USDT."""
        back = cheapest_back(quotes, self.limits.allowed_assets - self.paused[venue])
        return back.back_rate if back else None


class Lookout:
    """Belongs to the thread of the feeds; `call_early` is told when a tick should not wait."""

    def __init__(self, call_early: Callable[[], None]) -> None:
        self._call_early = call_early
        self._outlook: Outlook | None = None
        self._opened: dict[str, bool] = {}  # what was last decided, by Korean venue
        self._seen_back: dict[str, Decimal] = {}  # the way back at the last tick

    def heard(self, state: State) -> None:
        """Take a new state of a market."""
        if self._outlook is None:
            return
        for board in self._outlook.boards.values():
            if isinstance(state, Book):
                board.take(state)
            else:
                board.drop(state.venue, state.market.base)

    def settled(self) -> None:
        """Decide, after each batch of states."""
        if self._outlook is not None and self._judge(self._outlook):
            self._call_early()

    def _judge(self, outlook: Outlook) -> bool:
        """Decide at each Korean venue; says whether anything is worth a look at once."""
        now, is_worth_it = registry.utc_now(), False
        for venue, board in outlook.boards.items():
            quotes = board.quotes(now)
            opens, back = outlook.opens(venue, quotes), outlook.back_rate(venue, quotes)
            is_worth_it |= opens and not self._opened.get(venue, False)
            is_worth_it |= self._is_cheaper(venue, back)
            self._opened[venue] = opens
        return is_worth_it

    def _is_cheaper(self, venue: str, back: Decimal | None) -> bool:
        seen = self._seen_back.get(venue)
        if back is None or (seen is not None and ratio_bps(seen, back) < WORTH_BPS):
            return False
        self._seen_back[venue] = back
        return True

    def adopt(self, outlook: Outlook, states: Sequence[State]) -> None:
        """Judge by a new outlook from now on, beginning with the books of this moment."""
        self._outlook = outlook
        for state in states:
            self.heard(state)
        self._judge(outlook)  # what it shows at once, the next tick sees as well

    def looked(self, back_rates: Mapping[str, Decimal]) -> None:
        """Take note of the ways back that a tick has just seen, by Korean venue."""
        self._seen_back = dict(back_rates)
