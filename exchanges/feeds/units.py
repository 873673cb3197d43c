"""The levels of a whole-book frame, read as far as somebody looks. Pure.

A frame of thirty levels a side is mostly looked at for three; turning 120 numbers into exact ones costs
more than all the rest. What is read is checked; where a level cannot be, the side ends before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import overload

import msgspec

from exchanges.feeds.states import LARGEST, Lack, lack_of
from exchanges.values import ZERO, Level

AT_ONCE = 4
Levels = tuple[Level, ...]


class Unit(msgspec.Struct, gc=False):
    """One row of a Korean book: a level of each side."""

    ask_price: Decimal
    bid_price: Decimal
    ask_size: Decimal
    bid_size: Decimal


_decoder = msgspec.json.Decoder(Unit)


class Units:
    """Both sides of one frame: the first rows are read and checked at once, the rest when asked for."""

    __slots__ = ("_whole", "asks", "bids", "first", "lack", "rows")

    def __init__(self, rows: Sequence[msgspec.Raw], depth: int) -> None:
        self.rows = rows[:depth]
        self.first = _sides([_decoder.decode(row) for row in self.rows[:AT_ONCE]])
        self.lack: Lack | None = lack_of(*self.first)
        self.bids, self.asks = Side(self, 0), Side(self, 1)
        self._whole: tuple[Levels, Levels] | None = None

    def whole(self) -> tuple[Levels, Levels]:
        """Read all rows; each side as far as its levels can be believed."""
        if self._whole is None:
            bids, asks = self.first
            more = self._rest()
            self._whole = bids + _believed(bids, more[0]), asks + _believed(asks, more[1])
        return self._whole

    def _rest(self) -> tuple[Levels, Levels]:
        try:
            return _sides([_decoder.decode(row) for row in self.rows[AT_ONCE:]])
        except msgspec.DecodeError:
            return (), ()

    def same_as(self, other: Units) -> bool:
        """Say whether two frames have the very same rows."""
        return [bytes(row) for row in self.rows] == [bytes(row) for row in other.rows]


def _sides(units: Sequence[Unit]) -> tuple[Levels, Levels]:
    bids = [Level(unit.bid_price, unit.bid_size) for unit in units]
    asks = [Level(unit.ask_price, unit.ask_size) for unit in units]
    return _filled(bids), _filled(asks)


def _filled(side: list[Level]) -> Levels:
    """Leave out the zeros with which a thin side is filled up at its end."""
    while side and side[-1].price == ZERO == side[-1].quantity:
        side.pop()
    return tuple(side)


def _believed(first: Levels, more: Levels) -> Levels:
    """Give the levels that go on from the first ones, up to one that cannot be."""
    if len(first) < AT_ONCE:
        return ()
    is_falling, last = first[0].price > first[1].price, first[-1].price
    try:
        for number, level in enumerate(more):
            is_next = ZERO < level.price < last if is_falling else last < level.price < LARGEST
            if not (is_next and ZERO < level.quantity < LARGEST):
                return more[:number]
            last = level.price
    except ArithmeticError:  # a NaN has no place in an order
        return ()
    return more


class Side(Sequence[Level]):
    """One side of a frame, best level first."""

    __slots__ = ("_index", "_units")

    def __init__(self, units: Units, index: int) -> None:
        self._units, self._index = units, index

    def __bool__(self) -> bool:
        return bool(self._units.first[self._index])

    def __len__(self) -> int:
        return len(self._units.whole()[self._index])

    @overload
    def __getitem__(self, key: int) -> Level: ...
    @overload
    def __getitem__(self, key: slice) -> Levels: ...
    def __getitem__(self, key: int | slice) -> Level | Levels:
        first = self._units.first[self._index]
        if isinstance(key, int) and 0 <= key < len(first):
            return first[key]
        return self._units.whole()[self._index][key]

    def __iter__(self) -> Iterator[Level]:
        first = self._units.first[self._index]
        yield from first
        if len(first) == AT_ONCE:
            yield from self._units.whole()[self._index][AT_ONCE:]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))
