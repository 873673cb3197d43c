"""Tables as Markdown."""

from __future__ import annotations

from collections.abc import Iterable


def grid(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Write a Markdown table."""
    named = list(headings)
    lines = [named, ["---"] * len(named), *(list(row) for row in rows)]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )
