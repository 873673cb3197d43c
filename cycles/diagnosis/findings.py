"""A finding: what was looked at, how it stands, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Level(StrEnum):
    """How a line stands: WARN lets money move but wants a person's look, FAIL says that it must not."""

    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"

    @property
    def exit_status(self) -> int:
        """Give the exit status of a report whose worst line this is."""
        return {Level.OK: 0, Level.WARN: 1, Level.FAIL: 2}[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at; `remedy` says what to do and is empty where all is well."""

    subject: str
    level: Level
    detail: str
    remedy: str = ""


def well(subject: str, detail: str) -> Finding:
    """Say that all is well."""
    return Finding(subject=subject, level=Level.OK, detail=detail)


def doubtful(subject: str, detail: str, remedy: str) -> Finding:
    """Say what a person should look at."""
    return Finding(subject=subject, level=Level.WARN, detail=detail, remedy=remedy)


def amiss(subject: str, detail: str, remedy: str) -> Finding:
    """Say what must be mended before real money moves."""
    return Finding(subject=subject, level=Level.FAIL, detail=detail, remedy=remedy)


def worst(found: Iterable[Finding]) -> Level:
    """Give the worst level; OK of nothing."""
    order = list(Level)
    return max((one.level for one in found), key=order.index, default=Level.OK)


def spoken(span: timedelta) -> str:
    """Say a length of time in its largest fitting unit."""
    seconds = abs(span.total_seconds())
    for unit, size in (("days", 172_800), ("h", 7_200), ("min", 120)):
        if seconds >= size:
            return f"{seconds / {'days': 86_400, 'h': 3_600, 'min': 60}[unit]:.0f} {unit}"
    return f"{seconds:.0f} s"
