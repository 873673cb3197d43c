"""The tokens of all windows, in PostgreSQL: one short statement for all that a process lacks."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence

from django.db.backends.utils import CursorWrapper

from exchanges.pacing import sql
from exchanges.pacing.channel import Channel
from exchanges.transport.limits import Scope, Window
from exchanges.transport.windows import Ask, Grant

PATIENCE_SECONDS = 0.3


class SharedStore:
    """A BudgetStore that every process of the desk takes from, on whatever host it runs.

    `egress` names the address that this host's calls come from, where the desk has several: windows
    that venues count by address are kept apart by it.
    """

    def __init__(self, channel: Channel, *, egress: str = "", who: str = "") -> None:
        self._channel = channel
        self._egress = egress
        self._who = who or secrets.token_hex(6)

    def take(self, venue: str, asks: Sequence[Ask]) -> Sequence[Grant]:
        """Take tokens, one grant for each ask; raises StoreAwayError."""
        rows = json.dumps([self._row(venue, place, ask) for place, ask in enumerate(asks)])
        found: list[tuple[int, ...]] = self._channel.ask(
            lambda cursor: _fetched(cursor, sql.TAKE, [self._who, rows]),
            patience_seconds=PATIENCE_SECONDS,
        )
        grants = {row[0]: _grant(row) for row in found}
        return [grants[place] for place in range(len(asks))]

    def hold(self, venue: str, window: Window, *, seconds: float, cause: str) -> None:
        """Let nobody take from a window for a while."""
        values: list[str | int | float] = [*self._key(venue, window), cause, seconds]
        self._channel.tell(lambda cursor: cursor.execute(sql.HOLD, values))

    def learn(self, venue: str, window: Window, limit: int) -> None:
        """Keep a limit that the venue told."""
        key = self._key(venue, window)
        values: list[str | int] = [*key[:-1], limit]
        self._channel.tell(lambda cursor: cursor.execute(sql.LEARN, values))

    def note_clock(self, venue: str, host: str, *, ahead_ms: int, doubt_ms: int) -> None:
        """Keep what a host measured of a venue's clock."""
        values: list[str | int] = [venue, host, ahead_ms, doubt_ms]
        self._channel.tell(lambda cursor: cursor.execute(sql.CLOCK, values))

    def close(self) -> None:
        """Give the connection back."""
        self._channel.close()

    def _key(self, venue: str, window: Window) -> list[str | int]:
        scope = self._scope(window.scope)
        return [venue, window.group, scope, window.span_seconds * 1000, window.limit]

    def _scope(self, scope: Scope) -> str:
        if scope is Scope.IP and self._egress:
            return f"{scope.value} {self._egress}"
        return scope.value

    def _row(self, venue: str, place: int, ask: Ask) -> dict[str, str | int]:
        window = ask.window
        return {
            "place": place,
            "venue": venue,
            "name": window.group,
            "scope": self._scope(window.scope),
            "span_ms": window.span_seconds * 1000,
            "most": window.limit,
            "kept": window.kept_from(ask.priority),
            "rank": int(ask.priority),
            "least": ask.least,
            "needed": ask.needed,
            "wanted": ask.wanted,
            "seen": ask.seen,
            "haste_ms": round(ask.haste_seconds * 1000),
            "waited_ms": round(ask.waited_seconds * 1000),
        }


def _fetched(cursor: CursorWrapper, statement: str, values: list[str]) -> list[tuple[int, ...]]:
    cursor.execute(statement, values)
    rows: list[tuple[int, ...]] = cursor.fetchall()
    return rows


def _grant(row: tuple[int, ...]) -> Grant:
    _place, tokens, ms, held_ms, most, used = row
    return Grant(
        tokens=tokens, seconds=ms / 1000, held_seconds=held_ms / 1000, limit=most, used=used
    )
