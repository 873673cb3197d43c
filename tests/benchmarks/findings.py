"""What a benchmark found: figures beside a reference of the same run, as a table and as JSON."""

from __future__ import annotations

import json
import math
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from kimp.documents.measured import VERDICTS, number

PROJECT = Path(__file__).resolve().parents[2]
PACKAGES = ("django", "psycopg", "requests", "aiohttp", "msgspec")
HEADINGS = ("what", "value", "unit", "reference", "its value", "ratio", "aim", "")
AIM = re.compile(r"(ratio )?(<=|>=) ([0-9][0-9,.]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured value, and the reference it is to be read against. Ratio: value / reference.

    `aim`: what the value is to be, or the ratio: "<= 5", "ratio >= 0.85"; empty where nothing is aimed at.
    `ratios`: of several rounds each one's own, which the machine was busy in for both alike; their median counts.
    """

    what: str
    value: float
    unit: str
    reference: str = ""
    reference_value: float | None = None
    aim: str = ""
    ratios: tuple[float, ...] = ()

    @property
    def ratio(self) -> float | None:
        """Give value over reference; what survives a change of machine."""
        if self.ratios:
            return median(self.ratios)
        return self.value / self.reference_value if self.reference_value else None

    @property
    def is_met(self) -> bool | None:
        """Say whether the aim is met; None without one, or where there is nothing to hold against it.

        Raises ValueError for an aim that cannot be read.
        """
        if not self.aim:
            return None
        read = AIM.fullmatch(self.aim)
        if read is None:
            raise ValueError(f"not an aim: {self.aim!r}; write '<= 5' or 'ratio >= 0.85'")
        of_ratio, way, limit = read.groups()
        seen, bound = self.ratio if of_ratio else self.value, float(limit.replace(",", ""))
        if seen is None or math.isnan(seen):  # NaN: this machine does not tell
            return None
        return seen <= bound if way == "<=" else seen >= bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """The figures of one benchmark; `work` says what was really done, so that runs can be compared."""

    name: str
    figures: tuple[Figure, ...]
    work: dict[str, Any] = field(default_factory=dict)


def median(values: Iterable[float]) -> float:
    """Give the middle value; the machine is noisy, so means mislead."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2


def of_pairs(
    pairs: Sequence[tuple[float, float]], *, what: str, unit: str, reference: str, aim: str = ""
) -> Figure:
    """Give the median value beside the median reference; the ratio is the median of each pair's own."""
    return Figure(
        what=what, value=median(value for value, _ in pairs), unit=unit, reference=reference,
        reference_value=median(beside for _, beside in pairs), aim=aim,
        ratios=tuple(value / beside for value, beside in pairs),
    )  # fmt: skip


def table(found: Iterable[Findings]) -> str:
    """Lay the figures out, a block for each benchmark."""
    blocks = [(one.name, [_cells(figure) for figure in one.figures]) for one in found]
    rows = [HEADINGS, *(row for _, cells in blocks for row in cells)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = [_line(HEADINGS, widths)]
    for name, cells in blocks:
        lines += ["", f"{name}", *(_line(row, widths) for row in cells)]
    return "\n".join(lines)


def _cells(figure: Figure) -> tuple[str, ...]:
    return (
        figure.what,
        number(figure.value),
        figure.unit,
        figure.reference,
        number(figure.reference_value),
        number(figure.ratio),
        figure.aim,
        VERDICTS[figure.is_met],
    )


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    padded = [
        cell.rjust(width) if column in {1, 4, 5} else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(padded).rstrip()


def document(
    found: Iterable[Findings], *, server: str, is_quick: bool, arguments: Sequence[str] = (),
    settings: Mapping[str, str] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Give everything as one JSON object: where, with what, how the server is set, at which revision, and the figures."""
    return {
        "arguments": list(arguments),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "is_quick": is_quick,
        "machine": machine(),
        "versions": {"python": sys.version.split()[0], "postgresql": server}
        | {name: version(name) for name in PACKAGES},
        "settings": dict(settings or {}),
        "revision": revision(),
        "benchmarks": [
            {
                "name": one.name,
                "figures": [
                    asdict(figure) | {"ratio": figure.ratio, "is_met": figure.is_met}
                    for figure in one.figures
                ],
                "work": one.work,
            }
            for one in found
        ],
    }


def machine() -> dict[str, Any]:
    """Say what this ran on, and how busy it was."""
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "load_1m": round(os.getloadavg()[0], 2),
    }


def _processor() -> str:
    """Name the model where the system tells it, or the kind."""
    told = Path("/proc/cpuinfo")
    names = (
        re.findall(r"(?m)^model name\s*: (.+)$", told.read_text("utf-8")) if told.exists() else []
    )
    return names[0] if names else platform.processor() or platform.machine()


def revision() -> str:
    """Give the commit, marked when the tree differs from it; 'unknown' outside of a clone."""
    try:
        head = _git("rev-parse", "--short=12", "HEAD").strip()
        return head + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    reply = subprocess.run(
        ["git", *arguments], cwd=PROJECT, capture_output=True, text=True, check=True, timeout=20
    )
    return reply.stdout


def write(path: Path, content: dict[str, Any]) -> None:
    """Write the JSON whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    draft.write_text(json.dumps(content, indent=1, default=str) + "\n", "utf-8")
    draft.replace(path)
