"""The table of settings in the forms in which people read it."""

from __future__ import annotations

from collections.abc import Iterator

from kimp.environment_table import ROLES, TABLE, Kind, Need, Setting


def markdown() -> str:
    """Return the README's table."""
    lines = ["| setting | kind | default | what it does |", "|---|---|---|---|"]
    lines += [
        f"| `{row.name}` | {_kind(row)} | {_code(row.default)} | {row.help}{_need(row)} |"
        for row in TABLE
    ]
    return "\n".join(lines) + "\n"


def example() -> str:
    """Return the text of .env.example."""
    return "\n".join(_example_lines()) + "\n"


def _example_lines() -> Iterator[str]:
    yield "# Settings of kimp. Copy to .env and change what you need; later files win:"
    yield "#   .env, .env.<environment>, .env.<role>, .env.<role>.<environment>, process environment"
    yield "# A secret may stand in a file instead: NAME_FILE=/path. Shows what is in force: manage.py config"
    for row in TABLE:
        yield ""
        yield f"# {row.help}{_need(row)}"
        yield f"#{row.name}={row.default or ''}"


def _kind(row: Setting) -> str:
    kind = " \\| ".join(row.choices) if row.choices else row.kind.value
    if row.choices and row.kind is Kind.NAMES:
        kind = f"{row.kind.value} of {', '.join(row.choices)}"
    return f"{kind}, secret" if row.is_secret else kind


def _code(text: str | None) -> str:
    return f"`{text}`" if text else ""


def _need(row: Setting) -> str:
    if row.need is Need.NEVER:
        return ""
    by = "" if row.needed_by == ROLES else f" by {', '.join(row.needed_by)}"
    where = " of a desk that trades there" if row.korea_venue else ""
    return f" (needed {row.need.value}{by}{where})"
