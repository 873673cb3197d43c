"""The event journal: what truly happened, whatever the clients were told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

Hears = Callable[[str, Mapping[str, object]], None]
KEPT = 200_000


@dataclass(slots=True)
class Journal:
    """Rows with a growing `seq`; the oldest go when there are too many.

    `facts` counts rows that changed the world, so that a caller sees whether a request did. A
    listener hears each fact as it is written, and is not part of what is kept on disk.
    """

    rows: list[dict[str, object]] = field(default_factory=list)
    written: int = 0
    facts: int = 0
    listener: Hears | None = field(default=None, repr=False, compare=False)

    def __getstate__(self) -> tuple[list[dict[str, object]], int, int]:
        """Keep the rows and the counters."""
        return self.rows, self.written, self.facts

    def __setstate__(self, state: tuple[list[dict[str, object]], int, int]) -> None:
        """Take them up again."""
        self.rows, self.written, self.facts = state
        self.listener = None

    def fact(self, at_ms: int, kind: str, /, **details: object) -> None:
        """Write a row about a change of the world."""
        self.facts += 1
        self.note(at_ms, kind, **details)
        if self.listener is not None:
            self.listener(kind, details)

    def note(self, at_ms: int, kind: str, /, **details: object) -> None:
        """Write a row that changes nothing, such as a fault's truth."""
        self.written += 1
        self.rows.append({"seq": self.written, "at_ms": at_ms, "kind": kind, **details})
        if len(self.rows) > KEPT * 2:
            del self.rows[:KEPT]

    def since(self, seq: int) -> list[dict[str, object]]:
        """Return the rows after a sequence number."""
        if not self.rows:
            return []
        first = self.written - len(self.rows) + 1
        return self.rows[max(0, seq + 1 - first) :]

    def lines(self) -> bytes:
        """Return the whole journal, one JSON object a line."""
        return b"\n".join(msgspec.json.encode(row) for row in self.rows)
