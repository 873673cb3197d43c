"""The levels of a whole-book frame, read as far as somebody looks. Pure.

A frame of thirty levels a side is mostly looked at for two or three; turning 120 numbers into exact ones
costs more than all the rest. What is read is checked; where a level cannot be, the side ends before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import overload

import msgspec

from exchanges.feeds.states import LARGEST, Lack, lack_of
from exchanges.values import ZERO, Level

AT_ONCE = 2
STEP = 7
Levels = tuple[Level, ...]


class Unit(msgspec.Struct, gc=False):
    """One row of a Korean book: a level of each side."""

    ask_price: Decimal
    bid_price: Decimal
    ask_size: Decimal
    bid_size: Decimal


_decode = msgspec.json.Decoder(Unit).decode


class Units:
    """Both sides of one frame: the first rows are read and checked at once, the rest step by step."""

    __slots__ = ("_read", "lack", "rows")

    def __init__(self, rows: Sequence[msgspec.Raw], depth: int) -> None:
        self.rows = rows[:depth]
        bids, asks = _sides([_decode(row) for row in self.rows[:AT_ONCE]])
        self.lack: Lack | None = lack_of(bids, asks)
        # Replaced as a whole: threads that read on at the same time find the same.
        self._read: tuple[Levels, Levels, int] = (bids, asks, AT_ONCE)

    def side(self, index: int) -> Levels:
        """Give what has been read of a side: 0 bids, 1 asks."""
        return self._read[index]  # type: ignore[return-value]  # the last one is a number

    def read_on(self) -> bool:
        """Read some more rows; False if there are none."""
        bids, asks, known = self._read
        if known >= len(self.rows):
            return False
        try:
            more = _sides([_decode(row) for row in self.rows[known : known + STEP]])
        except (ValueError, RecursionError):  # as VenueBooks.take judges a frame
            more, known = ((), ()), len(self.rows)
        if len(bids) == known:
            bids += _believed(more[0], bids[-1].price, is_bids=True)
        if len(asks) == known:
            asks += _believed(more[1], asks[-1].price, is_bids=False)
        self._read = (bids, asks, known + STEP)
        return True

    def same_as(self, other: Units) -> bool:
        """Say whether two frames have the very same rows."""
        return [bytes(row) for row in self.rows] == [bytes(row) for row in other.rows]


def _sides(units: Sequence[Unit]) -> tuple[Levels, Levels]:
    bids = [Level(unit.bid_price, unit.bid_size) for unit in units]
    asks = [Level(unit.ask_price, unit.ask_size) for unit in units]
    return _filled(bids), _filled(asks)


def _filled(side: list[Level]) -> Levels:
    """Leave out the zeros with which a thin side is filled up at its end."""
    while side and not side[-1].quantity and not side[-1].price:
        side.pop()
    return tuple(side)


def _believed(more: Levels, last: Decimal, *, is_bids: bool) -> Levels:
    """Give the levels that go on from the last one, up to one that cannot be."""
    try:
        for number, level in enumerate(more):
            price = level.price
            is_next = ZERO < price < last if is_bids else last < price < LARGEST
            if not (is_next and ZERO < level.quantity < LARGEST):
                return more[:number]
            last = price
    except ArithmeticError:  # a NaN has no place in an order
        return ()
    return more


class ReadLevels(Sequence[Level]):
    """One side of a frame, best level first, read as far as somebody looks."""

    __slots__ = ("_index", "_units")

    def __init__(self, units: Units, index: int) -> None:
        self._units, self._index = units, index

    def _whole(self) -> Levels:
        while self._units.read_on():
            pass
        return self._units.side(self._index)

    def __bool__(self) -> bool:
        return bool(self._units.side(self._index))

    def __len__(self) -> int:
        return len(self._whole())

    @overload
    def __getitem__(self, key: int) -> Level: ...
    @overload
    def __getitem__(self, key: slice) -> Levels: ...
    def __getitem__(self, key: int | slice) -> Level | Levels:
        read = self._units.side(self._index)
        if isinstance(key, int) and 0 <= key < len(read):
            return read[key]
        return self._whole()[key]

    def __iter__(self) -> Iterator[Level]:
        given = 0
        while True:
            read = self._units.side(self._index)
            yield from read[given:]
            given = len(read)
            if not self._units.read_on():
                return

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))
