"""Tables in documents: each stands between markers and is written anew from the code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
NAMES = (
    "README.md",
    "docs/cycle.md",
    "docs/operations.md",
    "docs/clients.md",
    "docs/feeds.md",
    "docs/recordings.md",
    "docs/doctor.md",
    "docs/adding-a-venue.md",
    "docs/watching.md",
    "docs/reliability.md",
    "docs/scaling.md",
    "docs/performance.md",
    "docs/measurements.md",
)

_PLACE = re.compile(
    r"(?P<open><!-- table:(?P<name>[a-z-]+) -->\n)(?P<body>.*?)(?P<close><!-- /table -->)",
    re.DOTALL,
)


class UnknownTableError(LookupError):
    """A document asks for a table that no function makes."""


def rewritten(text: str, tables: Mapping[str, str]) -> str:
    """Return a document with every table as the code has it now. Raises UnknownTableError."""

    def replace(found: re.Match[str]) -> str:
        name = found["name"]
        if name not in tables:
            raise UnknownTableError(f"there is no table {name!r}: {', '.join(sorted(tables))}")
        return f"{found['open']}{tables[name].strip()}\n{found['close']}"

    return _PLACE.sub(replace, text)


def stale(tables: Mapping[str, str], *, project: Path = PROJECT) -> dict[Path, str]:
    """Return the documents that differ from what they should say, with their right text."""
    found: dict[Path, str] = {}
    for name in NAMES:
        path = project / name
        text = path.read_text("utf-8")
        right = rewritten(text, tables)
        if right != text:
            found[path] = right
    return found


def named(text: str) -> list[str]:
    """List the tables that a document has room for, in order."""
    return [found["name"] for found in _PLACE.finditer(text)]
