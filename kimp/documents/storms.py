"""The table of the long storm, from the result that `make chaos ARGS="... --keep"` leaves in docs/measured."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kimp.documents.grids import grid
from kimp.documents.measured import KEPT

NAME = "chaos"
# What `make chaos` is asked for by whoever keeps its result.
LONG = "--seed 11 --cycles 500 --kills 1000 --most 1200"
NONE_KEPT = f'*No run of this release is kept: `make chaos ARGS="{LONG} --keep"` keeps one, and `manage.py document` writes it here.*'
# By what a row says, where in the result its figures stand.
PARTS = {
    "SIGKILL": "kills",
    "processes that ended by themselves": "ended by themselves",
    "the server's own log": "server",
    "what came of it": "seen",
    "cycles at the end": "cycles",
    "cycles by venue in Korea": "cycles in Korea",
    "requests of the desk": "requests",
    "what became of them": "outcomes",
    "dead letters on the way, explained": "dead letters explained",
    "acts of people": "interventions",
    "alerts": "alerts",
}


def storm(folder: Path = KEPT) -> str:
    """Give the figures of the storm that is kept, each claim, and how and where it was had."""
    path = folder / f"{NAME}.json"
    if not path.exists():
        return NONE_KEPT
    told: dict[str, Any] = json.loads(path.read_text("utf-8"))
    acts = ((what, f"{told['acts'][name]:,}") for name, what in told["does"].items())
    parts = ((what, listed(told[name])) for what, name in PARTS.items())
    table = grid(("what", "how often"), [*acts, *parts, *_claims(told["claims"])])
    return f"{table}\n\n{_origin(told)}"


def listed(figures: Mapping[str, int]) -> str:
    """Name figures in one line."""
    return ", ".join(f"{count:,} {word}" for word, count in figures.items()) or "none"


def _claims(claims: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, claim in claims.items():
        counted = {word: n for word, n in claim.items() if word not in {"holds", "problems"}}
        yield f"**{'holds' if claim['holds'] else 'FAILS'}**: {name}", listed(counted)


def _origin(told: Mapping[str, Any]) -> str:
    return (
        f'*`make chaos ARGS="{" ".join(told["arguments"])}"`, {told["at"][:10]}, revision {told["revision"]}, Python '
        f"{told['python']}, {told['machine']['cores']} cores: {told['processes']} processes, {told['seconds']:,} seconds*"
    )


TABLES = {NAME: storm}
