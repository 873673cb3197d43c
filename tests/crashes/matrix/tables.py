"""The crash matrix in words: the table of what was killed, and whatever of its ways nobody was killed at."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from kimp.documents import killings
from tests.crashes.matrix.counting import TRIES, most_given_up, most_missed

KINDS = (
    "before the commit",
    "after the commit",
    "before the call",
    "sent, not answered",
    "after the call",
)
TENDED = "of these left to a person"
IN_VAIN = f"tried {TRIES} times and not reached"
BY_SOME = "where only some undisturbed ones come by"
OTHER_SIDE = {
    f"{side} the {what}": f"{other} the {what}"
    for side, other in (("before", "after"), ("after", "before"))
    for what in ("commit", "call")
}

Row = dict[str, Any]
Told = tuple[str, int]  # the name of a place, and the how manieth time


@dataclass
class Way:
    """The places that an undisturbed one comes by, and what became of them."""

    enumerated: set[Told] = field(default_factory=set)
    killed: set[Told] = field(default_factory=set)
    missed: set[Told] = field(default_factory=set)
    seldom: set[Told] = field(default_factory=set)  # not each time by undisturbed ones either
    by_some: set[Told] = field(default_factory=set)  # found before the kills


def counted(rows: Sequence[Row]) -> dict[str, Any]:
    """Count the kills, by column by kind of place; a person was needed where absence proves nothing.

    Columns are faults, and what else dies than a worker: jobs, verbs, deeds and so on.
    """
    kept = [row for row in rows if "column" in row]
    columns = sorted(
        {row["column"] for row in kept}, key=lambda one: (one != "none", len(one), one)
    )
    kills = Counter((_kind(name), row["column"]) for row in kept for name, _ in row["killed"])
    by_some = _by_some(rows)
    figures = {
        column: {
            **{kind: kills[kind, column] for kind in KINDS},
            TENDED: sum(row["tended"] for row in kept if row["column"] == column),
            IN_VAIN: sum(len(row["missed"]) for row in kept if row["column"] == column),
            BY_SOME: len(by_some.get(column, ())),
        }
        for column in columns
    }
    places = {name for row in kept for name, _ in row["killed"]}
    return {"kills": kills.total(), "places": len(places), "columns": figures}


def table(rows: Sequence[Row]) -> str:
    """Lay out what was counted, a column for each."""
    told = counted(rows)
    return f"{killings.table(told['columns'])}\n\n{told['kills']} kills at {told['places']} places"


def passed_by_some(rows: Sequence[Row]) -> list[str]:
    """Say, way by way, which places are not asked for, since only some undisturbed ones come by."""
    return [
        f"{way}: only some undisturbed ones come by {', '.join(f'{name} ({nth})' for name, nth in sorted(places))}"
        for way, places in _by_some(rows).items()
    ]


def _by_some(rows: Sequence[Row]) -> dict[str, set[Told]]:
    """Give, by way, where only some undisturbed ones come by: it was found before the kills, or while they missed."""
    found: defaultdict[str, set[Told]] = defaultdict(set)
    for row in rows:
        told = (*row.get("by_some", ()), *row.get("seldom", ()))
        if told:
            found[row["way"]].update((name, nth) for name, nth in told)
    return dict(found)


def problems(rows: Sequence[Row]) -> list[str]:
    """Say, way by way, where nobody was killed though an undisturbed one comes by, and where too many were missed."""
    ways: defaultdict[str, Way] = defaultdict(Way)
    for row in (row for row in rows if row["way"]):
        for key in ("enumerated", "killed", "missed", "seldom", "by_some"):
            getattr(ways[row["way"]], key).update((name, nth) for name, nth in row.get(key, ()))
    return [f"{name}: {problem}" for name, way in ways.items() for problem in _problems(way)]


def _problems(way: Way) -> Iterator[str]:
    if not (way.killed or way.missed or way.seldom):
        yield f"nobody was killed at any of its {len(way.enumerated)} places: run its shares too"
        return
    for name, nth in sorted(way.enumerated - way.killed - way.missed - way.seldom):
        yield f"nobody was killed at {name} ({nth})"
    for name, nth in sorted(way.enumerated):
        stands, _, kind = name.rpartition(" | ")
        other = OTHER_SIDE.get(kind)
        if other and (f"{stands} | {other}", nth) not in way.enumerated:
            yield f"{name} ({nth}) has no place {other}"
    if len(way.missed) > most_missed(len(way.enumerated)):
        yield f"{len(way.missed)} of {len(way.enumerated)} places were not reached, which is too many"
    given_up = way.seldom | (way.by_some - way.killed)
    if len(given_up) > most_given_up(len(way.enumerated)):
        yield f"only some undisturbed ones come by {len(given_up)} places, which is too many beside {len(way.enumerated)}"


def _kind(name: str) -> str:
    return name.rpartition(" | ")[2]
