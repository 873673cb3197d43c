"""A venue's books: bytes of its stream go in, states of its markets come out. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from exchanges.feeds.keeping import Keeper
from exchanges.feeds.states import Lack, Notice, NoticeKind, State
from exchanges.values import Book, Market

Heard = State | Notice


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a venue lets one address do: connections and their life, messages on one, reads by request.

    `snapshot_*` are reads that a keeper of changes begins from, `read_*` those that stand in for a
    stream; `*_depth` levels a side, `*_seconds` between two.
    """

    markets_a_connection: int
    connect_seconds: float
    message_seconds: float
    life_seconds: float
    snapshot_depth: int
    snapshot_seconds: float
    read_depth: int
    read_seconds: float


class VenueBooks:
    """The keepers of one venue's markets, and the venue's way of speaking."""

    venue: ClassVar[str]
    limits: ClassVar[Limits]
    path: ClassVar[str]

    def __init__(self, markets: Iterable[Market], *, depth: int, oldest: timedelta) -> None:
        self.keepers: Mapping[Market, Keeper] = {
            market: self._keeper(market, depth=depth, oldest=oldest) for market in markets
        }
        self.notices: Counter[NoticeKind] = Counter()

    def _keeper(self, market: Market, *, depth: int, oldest: timedelta) -> Keeper:
        raise NotImplementedError

    def requests(self, markets: Sequence[Market]) -> list[str]:
        """Write the messages that subscribe to the books of markets on a new connection."""
        raise NotImplementedError

    def take(self, frame: bytes | str, at: datetime) -> Heard:
        """Read one frame: the new state of a market, or a notice."""
        try:
            heard = self._take(frame, at)
        except (ValueError, RecursionError) as error:  # msgspec's; no text quotes values
            heard = Notice(NoticeKind.UNREADABLE, str(error))
        if isinstance(heard, Notice):
            self.notices[heard.kind] += 1
        return heard

    def _take(self, frame: bytes | str, at: datetime) -> Heard:
        raise NotImplementedError

    def adopt(self, book: Book, *, asked: int) -> bool:
        """Take a book read by request; False if the stream may hang."""
        return self.keepers[book.market].adopt(book, asked=asked)

    def lose(self, markets: Iterable[Market], lack: Lack, at: datetime) -> list[State]:
        """Have no books of these markets from now on."""
        return [self.keepers[market].lose(lack, at) for market in markets]

    def counts(self) -> Counter[str]:
        """Sum what all keepers have met, notices included."""
        total: Counter[str] = Counter({str(kind): n for kind, n in self.notices.items()})
        for keeper in self.keepers.values():
            total.update(keeper.counts)
            total["frames"] += keeper.frames
        return total
