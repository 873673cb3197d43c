"""Tables of what benchmarks have found, from the results that `make bench ARGS="NAME --keep"` leaves in docs/measured."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from kimp.documents.grids import grid

KEPT = Path(__file__).resolve().parents[2] / "docs" / "measured"
HEADINGS = ("what", "seen", "beside it", "ratio", "aim", "")
VERDICTS = {True: "met", False: "MISSED", None: ""}
ROLES = ("initiator: ", "finalizer: ")
GENERIC, CHOOSING = ", generic plan", ": choosing"
NAMES = (
    "in_flight",
    "durable",
    "others",
    "waking",
    "takeover",
    "growth",
    "step_growth",
    "retention",
    "redriving",
    "grouping",
    "connecting",
    "whole_cycle",
    "feeding",
    "budgets",
    "streaming",
    "simulator_core",
    "simulator_http",
)
# Those of a size that nobody waits for each time stand beside the usual ones (`--keep-large`).
LARGE = {"retention": "retention_large"}
ALL = (*NAMES, *LARGE.values())

Figure = dict[str, Any]


def number(value: float | None) -> str:
    """Write a value with as many digits as are worth reading."""
    if value is None:
        return ""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.2g}"


def kept(name: str, folder: Path = KEPT) -> dict[str, Any]:
    """Read what a benchmark has found. Raises FileNotFoundError for one whose results nobody has kept."""
    found: dict[str, Any] = json.loads((folder / f"{name}.json").read_text("utf-8"))
    return found


def measured(name: str, folder: Path = KEPT) -> str:
    """Give a benchmark's figures, and below them how and where they were found."""
    found = kept(name, folder)
    rows, parts = _with_parts(_figures(found))
    cells = [(*_row(row), "; ".join(each)) for row, each in zip(rows, parts, strict=True)]
    width = len(HEADINGS) + any(parts)
    told = grid((*HEADINGS, "of it")[:width], (row[:width] for row in cells))
    return f"{told}\n\n{_origin(found)}"


def aims(folder: Path = KEPT) -> str:
    """Say of each benchmark that aims at something how many aims were met, and by what others were missed.

    What a machine cannot tell is neither.
    """
    rows = []
    for name in ALL:
        aimed = [one for one in _worst(_figures(kept(name, folder))) if one["aim"]]
        missed = [_missed(one) for one in aimed if one["is_met"] is False]
        met = sum(one["is_met"] is True for one in aimed)
        if aimed:
            rows.append((f"`{name}`", str(met), "; ".join(missed)))
    return grid(("benchmark", "aims met", "missed"), rows)


def _missed(figure: Figure) -> str:
    told = figure["ratio"] if figure["aim"].startswith("ratio") else figure["value"]
    beside = f" beside {figure['reference']}" if figure["reference"] else ""
    return f"{figure['what']}{beside}: {number(told)}, aim {figure['aim']}"


def _figures(found: dict[str, Any]) -> list[Figure]:
    return [figure for each in found["benchmarks"] for figure in each["figures"]]


def _row(figure: Figure) -> tuple[str, ...]:
    beside = ""
    if figure["reference_value"] is not None:
        beside = f"{number(figure['reference_value'])} ({figure['reference']})"
    return (
        figure["what"],
        f"{number(figure['value'])} {figure['unit']}",
        beside,
        number(figure["ratio"]),
        figure["aim"],
        VERDICTS[figure["is_met"]],
    )


def _with_parts(figures: Sequence[Figure]) -> tuple[list[Figure], list[list[str]]]:
    """Part what stands for itself from what is told again for each of several: that goes with what it is told for."""
    times = Counter(one["what"] for one in figures)
    alone: list[Figure] = []
    parts: dict[tuple[str, str], list[str]] = {}
    for one in figures:
        if one["reference"] or times[one["what"]] == 1:
            alone.append(one)
        elif alone:
            told = f"{one['what']}: {number(one['value'])} {one['unit']}"
            parts.setdefault(_key(alone[-1]), []).append(told)
    rows = _worst(alone)
    return rows, [parts.get(_key(one), []) for one in rows]


def _worst(figures: Iterable[Figure]) -> list[Figure]:
    """Join the roles and plans of a statement, and what is told for several: of them what misses most."""
    worst: dict[tuple[str, str], Figure] = {}
    for one in figures:
        known = worst.get(_key(one))
        if known is None or _how_bad(one) > _how_bad(known):
            worst[_key(one)] = one | {"what": _without_roles(one["what"])}
    return list(worst.values())


def _key(figure: Figure) -> tuple[str, str]:
    return _without_roles(figure["what"]), figure["reference"]


def _how_bad(figure: Figure) -> tuple[bool, float]:
    return figure["is_met"] is False, figure["ratio"] or figure["value"]


def _without_roles(what: str) -> str:
    for role in ROLES:
        what = what.removeprefix(role)
    return what.replace(GENERIC, "").replace(CHOOSING, ", choosing alone")


def _origin(found: dict[str, Any]) -> str:
    """Say by which command, when, of which revision, with what, on what kind of machine."""
    asked = " ".join(found["arguments"])
    ran = f'"{asked}"' if " " in asked else asked
    versions = found["versions"]
    return (
        f"*`make bench ARGS={ran}`, {found['at'][:10]}, revision {found['revision'].rstrip('+')}, PostgreSQL"
        f" {versions['postgresql']}, Python {versions['python']}, {found['machine']['cores']} cores*"
    )


TABLES: dict[str, Callable[[], str]] = {
    "measured-aims": aims,
    **{f"measured-{name}".replace("_", "-"): partial(measured, name) for name in ALL},
}
