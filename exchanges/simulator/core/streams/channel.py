"""One stream that many may listen to: rendered once an instant, the same bytes given to all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchanges.simulator.core.streams.frames import Frame

if TYPE_CHECKING:
    from exchanges.simulator.core.streams.board import Board
    from exchanges.simulator.core.streams.session import Session


class Channel:
    """A stream under its name; `every_ms` of wall time lies between two looks at the market."""

    def __init__(self, venue: str, name: str, every_ms: int) -> None:
        """Begin without listeners."""
        self.venue, self.name, self.every_ms = venue, name, every_ms
        self.listeners: dict[Session, None] = {}
        self.looked_ms = 0

    def is_due(self, now_ms: int) -> bool:
        """Say whether the grid of looks was crossed since the last one, and note this one."""
        is_crossed = now_ms // self.every_ms != self.looked_ms // self.every_ms
        if is_crossed:
            self.looked_ms = now_ms
        return is_crossed

    def begin(self, board: Board) -> None:
        """Take the present as known, before the first listener comes."""

    def news(self, board: Board) -> list[Frame]:
        """Return what has become new since the last look."""
        raise NotImplementedError
