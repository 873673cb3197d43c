"""The database's own guards, as SQL: append-only rows, legal transitions, balanced postings."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent


def read(name: str) -> str:
    """Give the SQL of one guard."""
    return (HERE / f"{name}.sql").read_text(encoding="utf-8")
