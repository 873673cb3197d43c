"""Decision-ready quotes, kept up with every book: what a frame changes is one asset's two ways.

Pure. One owner at a time: whoever takes books reads quotes too.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from cycles.domain.decision import Quote
from cycles.domain.money import ratio_bps
from cycles.domain.premium import STABLE, Terms, way_back, way_out
from exchanges.values import Book


class Board:
    """The quotes of some assets between the global venue and a Korean one, for one size.

    `krw_per_usd` is the official rate, None where it may not be used; `oldest` the age past which a
    book is none. `world` and `korea` name the venues.
    """

    def __init__(
        self,
        terms: Mapping[str, Terms],
        *,
        world: str,
        korea: str,
        size_usdt: Decimal,
        krw_per_usd: Decimal | None,
        oldest: timedelta,
    ) -> None:
        self.world, self.korea = world, korea
        self._terms, self._size_usdt = dict(terms), size_usdt
        self._krw_per_usd, self._oldest = krw_per_usd, oldest
        self._world: dict[str, Book] = {}
        self._korea: dict[str, Book] = {}
        self._quotes: dict[str, Quote] = {}
        self._since: dict[str, datetime] = {}

    def take(self, book: Book) -> None:
        """Take a book of either venue; those of other markets change nothing."""
        asset = book.market.base
        if book.venue == self.world and book.market.quote == STABLE:
            self._world[asset] = book
        elif book.venue == self.korea and book.market.quote == "KRW":
            self._korea[asset] = book
        else:
            return
        self._weigh(asset)

    def drop(self, venue: str, asset: str) -> None:
        """Have no book of an asset at a venue, and so no quote."""
        if venue in {self.world, self.korea}:
            (self._world if venue == self.world else self._korea).pop(asset, None)
            self._weigh(asset)

    def _weigh(self, asset: str) -> None:
        """Quote an asset anew; without both books, or without the traded rate, there is no quote."""
        terms, korea, world = self._terms.get(asset), self._korea.get(asset), self._world.get(asset)
        traded = self._korea.get(STABLE)
        is_whole = world is not None or asset == STABLE
        if terms is None or korea is None or traded is None or not is_whole:
            self._quotes.pop(asset, None)
            return
        self._quotes[asset] = self._quote(terms, world, korea, traded)
        self._since[asset] = min(book.received_at for book in (world, korea, traded) if book)

    def _quote(self, terms: Terms, world: Book | None, korea: Book, traded: Book) -> Quote:
        route = terms.route(world, korea)
        out = way_out(route, self._size_usdt)
        back = way_back(route, self._size_usdt * traded.asks[0].price)
        usd = self._krw_per_usd
        return Quote(
            asset=terms.asset,
            korea_venue=self.korea,
            out_rate=out.krw_per_usdt if out else None,
            back_rate=back.krw_per_usdt if back else None,
            outbound_official_bps=ratio_bps(out.gross_krw_per_usdt, usd) if out and usd else None,
            krw_per_usdt=traded.bids[0].price,
            krw_per_usd=usd,
            is_fresh=usd is not None,
            size_usdt=self._size_usdt,
        )

    def quotes(self, now: datetime) -> list[Quote]:
        """Give the quotes whose books are young enough now."""
        since = now - self._oldest
        return [quote for asset, quote in self._quotes.items() if self._since[asset] >= since]
