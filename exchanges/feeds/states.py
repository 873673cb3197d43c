"""What a feed says of a market: its book, or why there is none. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from exchanges.values import ZERO, Book, Level, Market

LARGEST = Decimal("1e30")
WIDEST = Decimal(
    "1.25"
)  # times the bid: an ask beyond it is a slip of somebody's finger, or a hole


class Lack(StrEnum):
    """Why there is no book."""

    SILENT = "silent"  # nothing was heard of the market yet
    DISCONNECTED = "disconnected"
    SYNCING = "syncing"  # changes are collected until a whole book is read
    GAP = "gap"  # changes are missing
    CROSSED = "crossed"  # a bid is not below an ask
    EMPTY = "empty"  # a side has no level
    WIDE = "wide"
    UNORDERED = "unordered"  # levels out of order, or a price twice
    UNUSABLE = "unusable"  # a price or size that is zero, negative or no number
    AMBIGUOUS = "ambiguous"  # two different books with one stamp
    STAMP = "stamp"  # the venue's stamp is far from our clock
    STALE = "stale"  # older than is allowed


class NoBook(msgspec.Struct, frozen=True, kw_only=True):
    """There is no book of the market since `at`."""

    venue: str
    market: Market
    lack: Lack
    at: datetime


State = Book | NoBook


class NoticeKind(StrEnum):
    """What a frame says that is about no book."""

    ALIVE = "alive"
    ACCEPTED = "accepted"  # a subscription
    REFUSED = "refused"  # a request of ours, or the whole connection
    ENDING = "ending"  # the venue will close the connection soon
    UNREADABLE = "unreadable"
    UNKNOWN = "unknown"  # of a market or a kind that was not asked for


class Notice(msgspec.Struct, frozen=True):
    """A frame that is about no book; `text` is short and safe to log."""

    kind: NoticeKind
    text: str = ""


def lack_of(bids: Sequence[Level], asks: Sequence[Level]) -> Lack | None:
    """Say what is wrong with the sides of a book (best levels first), None if nothing is."""
    if not bids or not asks:
        return Lack.EMPTY
    try:
        return _lack(bids, asks)
    except ArithmeticError:  # a NaN has no place in an order
        return Lack.UNUSABLE


def _lack(bids: Sequence[Level], asks: Sequence[Level]) -> Lack | None:
    above = None
    for level in bids:
        if not (ZERO < level.quantity < LARGEST and level.price > ZERO):
            return Lack.UNUSABLE
        if above is not None and level.price >= above:
            return Lack.UNORDERED
        above = level.price
    below = None
    for level in asks:
        if not (ZERO < level.quantity < LARGEST and level.price < LARGEST):
            return Lack.UNUSABLE
        if below is not None and level.price <= below:
            return Lack.UNORDERED
        below = level.price
    bid, ask = bids[0].price, asks[0].price
    if bid >= ask:
        return Lack.CROSSED
    return Lack.WIDE if ask > bid * WIDEST else None
