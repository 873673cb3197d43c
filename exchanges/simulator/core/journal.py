"""The event journal: what truly happened, whatever the clients were told."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

KEPT = 200_000


@dataclass(slots=True)
class Journal:
    """Rows with a growing `seq`; the oldest go when there are too many.

    `facts` counts rows that changed the world, so that a caller sees whether a request did.
    """

    rows: list[dict[str, object]] = field(default_factory=list)
    written: int = 0
    facts: int = 0

    def fact(self, at_ms: int, kind: str, /, **details: object) -> None:
        """Write a row about a change of the world."""
        self.facts += 1
        self.note(at_ms, kind, **details)

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
