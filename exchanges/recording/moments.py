"""From values to lines and back: what a feed said, as a file keeps it, as a replay sees it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from exchanges.feeds.states import Lack, NoBook, State
from exchanges.recording import lines
from exchanges.recording.lines import Changes, Head, Lacking, Line, RateLost, Wallet, Whole
from exchanges.transport.decoding import from_milliseconds, to_milliseconds
from exchanges.values import ZERO, Book, Level, Market, NetworkRules, RateQuote

Sides = tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LostRate:
    """A source of the official rate that has none any more."""

    source: str


What = Book | NoBook | RateQuote | LostRate | NetworkRules


class Moment(NamedTuple):
    """Something that was seen at an instant."""

    at: datetime
    what: What


class Writing:
    """Turns states into the lines of one file: whole first, then what changed."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, Market], Sides] = {}

    def forget(self, state: State) -> None:
        """Write a market whole the next time: what was made of it last was not written."""
        self._last.pop((state.venue, state.market), None)

    def state(self, state: State) -> Line:
        """Write a market's new state."""
        key, code = (state.venue, state.market), state.market.code
        if isinstance(state, NoBook):
            self._last.pop(key, None)
            return Lacking(t=to_milliseconds(state.at), v=state.venue, m=code, why=state.lack)
        before, now = self._last.get(key), _sides(state)
        self._last[key] = now
        stamp = to_milliseconds(state.venue_at) if state.venue_at is not None else None
        kind = Whole if before is None else Changes
        bids, asks = (
            (list(state.bids), list(state.asks))
            if before is None
            else (_changed(before[0], now[0]), _changed(before[1], now[1]))
        )
        at = to_milliseconds(state.received_at)
        return kind(t=at, v=state.venue, m=code, b=bids, a=asks, at=stamp, id=state.update_id)


def _sides(book: Book) -> Sides:
    return (
        {level.price: level.quantity for level in book.bids},
        {level.price: level.quantity for level in book.asks},
    )


def _changed(before: dict[Decimal, Decimal], now: dict[Decimal, Decimal]) -> list[Level]:
    gone = [Level(price, ZERO) for price in before if price not in now]
    new = [Level(price, size) for price, size in now.items() if before.get(price) != size]
    return gone + new


def of_rate(quote: RateQuote) -> lines.Rate:
    """Write an official rate."""
    until = to_milliseconds(quote.good_until) if quote.good_until is not None else None
    fetched = to_milliseconds(quote.fetched_at)
    return lines.Rate(
        t=fetched,
        s=quote.source,
        krw=quote.krw_per_usd,
        quoted=to_milliseconds(quote.quoted_at),
        fetched=fetched,
        until=until,
    )


def of_wallet(rules: NetworkRules, at: datetime) -> Wallet:
    """Write how an asset moves."""
    return Wallet(
        t=to_milliseconds(at),
        v=rules.venue,
        a=rules.asset,
        n=rules.network,
        deposit=rules.deposit_is_open,
        withdraw=rules.withdraw_is_open,
        fee=rules.withdraw_fee,
        least=rules.withdraw_minimum,
        step=rules.withdraw_step,
        memo=rules.memo_is_required,
        fetched=to_milliseconds(rules.fetched_at),
    )


def moments(read: Iterable[Line]) -> Iterator[Moment]:
    """Give what was seen, in the order of the lines; several files may follow one another.

    Changes without the whole book before them (which no file of ours has) are left out.
    """
    books: dict[tuple[str, str], Sides] = {}
    for line in read:
        if isinstance(line, Head):
            books.clear()
            continue
        what = _what(line, books)
        if what is not None:
            yield Moment(_instant(line.t), what)


def _what(line: Line, books: dict[tuple[str, str], Sides]) -> What | None:
    if isinstance(line, Whole | Changes):
        return _book(line, books)
    if isinstance(line, Lacking):
        books.pop((line.v, line.m), None)
        market, lack = Market.parse(line.m), Lack(line.why)
        return NoBook(venue=line.v, market=market, lack=lack, at=_instant(line.t))
    if isinstance(line, lines.Rate):
        return RateQuote(
            source=line.s,
            krw_per_usd=line.krw,
            quoted_at=_instant(line.quoted),
            fetched_at=_instant(line.fetched),
            good_until=from_milliseconds(line.until),
        )
    if isinstance(line, RateLost):
        return LostRate(source=line.s)
    return _wallet(line) if isinstance(line, Wallet) else None


def _book(line: Whole | Changes, books: dict[tuple[str, str], Sides]) -> Book | None:
    key = (line.v, line.m)
    if isinstance(line, Whole):
        books[key] = ({}, {})
    if key not in books:
        return None
    for side, levels in zip(books[key], (line.b, line.a), strict=True):
        _apply(side, levels)
    bids, asks = books[key]
    return Book(
        venue=line.v,
        market=Market.parse(line.m),
        bids=tuple(Level(price, bids[price]) for price in sorted(bids, reverse=True)),
        asks=tuple(Level(price, asks[price]) for price in sorted(asks)),
        venue_at=from_milliseconds(line.at),
        received_at=_instant(line.t),
        update_id=line.id,
    )


def _apply(side: dict[Decimal, Decimal], levels: Sequence[Level]) -> None:
    for level in levels:
        if level.quantity:
            side[level.price] = level.quantity
        else:
            side.pop(level.price, None)


def _wallet(line: Wallet) -> NetworkRules:
    return NetworkRules(
        venue=line.v,
        asset=line.a,
        network=line.n,
        withdraw_is_open=line.withdraw,
        deposit_is_open=line.deposit,
        withdraw_fee=line.fee,
        withdraw_minimum=line.least,
        withdraw_step=line.step,
        memo_is_required=line.memo,
        confirmations=None,
        fetched_at=_instant(line.fetched),
    )


def _instant(stamp_ms: int) -> datetime:
    found = from_milliseconds(stamp_ms)
    if found is None:
        raise ValueError("a stamp that is out of range")
    return found
