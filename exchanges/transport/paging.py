"""Transfers of a whole account, page by page, back to an instant. Pure.

Rows are read one by one: one that says what we do not know hides its own asset's, and nobody else's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic

import msgspec

from exchanges.transport.reading import decode
from exchanges.values import Listed, TransferT

MOST_ROWS = 3000  # further back than any desk's transfers under way


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[TransferT]):
    """A page of `count` rows; of `unreadable` assets some are not among `rows`."""

    rows: list[TransferT]
    unreadable: frozenset[str]
    count: int


def read_page(
    body: bytes, read: Callable[[bytes], TransferT], *, asset_of: Callable[[bytes], str]
) -> Page[TransferT]:
    """Read a page. Raises UnreadableError if it is no list, or a row does not even name its asset."""
    raws = [bytes(raw) for raw in decode(body, list[msgspec.Raw])]
    rows: list[TransferT] = []
    unreadable = set()
    for raw in raws:
        try:
            rows.append(read(raw))
        except (ValueError, ArithmeticError):  # as a whole reply is judged
            unreadable.add(asset_of(raw))
    return Page(rows=rows, unreadable=frozenset(unreadable), count=len(raws))


def whole(
    page: Callable[[int], Page[TransferT]], *, since: datetime, page_rows: int
) -> Listed[TransferT]:
    """Read pages 1, 2, ... until one is short or begins before `since`; a row without an instant stays.

    Rows that come meanwhile push others to the next page, so that one may be read twice.
    """
    since = since.replace(microsecond=0)  # some venues' instants are whole seconds
    rows: list[TransferT] = []
    unreadable: frozenset[str] = frozenset()
    most = MOST_ROWS // page_rows
    for number in range(1, most + 1):
        found = page(number)
        rows += [row for row in found.rows if row.created_at is None or row.created_at >= since]
        unreadable |= found.unreadable
        oldest = _oldest(found.rows)
        if found.count < page_rows or (oldest is not None and oldest < since):
            return Listed(rows=tuple(rows), since=since, unreadable=unreadable, calls=number)
    reached = _oldest(rows) or since
    return Listed(rows=tuple(rows), since=reached, unreadable=unreadable, calls=most)


def _oldest(rows: Iterable[TransferT]) -> datetime | None:
    """Give the earliest instant that rows name."""
    return min((row.created_at for row in rows if row.created_at is not None), default=None)
