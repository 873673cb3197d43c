"""The faults that lose replies, and the proof that they struck: a fault that strikes nothing shows nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings

from tests.crashes.matrix.world import World

# What moves money, by what it is.
MOVING = {"orders": r"/orders?$", "withdrawals": r"/(withdraws/coin|withdraw/apply)$"}
FAULTS: dict[str, dict[str, Any]] = {
    "F24": {},  # the longest: every call hangs until its deadline
    "none": {},
    "F2": {"milliseconds": 20},
    "F4": {},
    "F6": {},
    "F7": {},
    "F8": {},
    "F9": {},
}
READS_LOST = ("F4", "F9")  # a reply that says nothing, and one that is empty
MOST_READS = 60  # of one act or job

Struck = Counter[tuple[str, str]]  # how often, by venue and by what was lost there


@contextmanager
def losing(matrix: World, fault: str) -> Iterator[Struck]:
    """Lose the reply of every call that moves money; gives, once it is over, how often at each venue."""
    struck: Struck = Counter()
    rules: dict[int, tuple[str, str]] = {}
    if fault != "none":
        for what, path in MOVING.items():
            for venue in _venues():
                number = matrix.desk.fault(
                    fault=fault, venue=venue, method="POST", path_regex=path, args=FAULTS[fault]
                )
                rules[number] = venue, what
    yield struck
    for rule in _lifted(matrix):
        struck[rules[rule["number"]]] += rule["fired"]


def assert_struck(struck: Struck, fault: str) -> None:
    """Fail if a fault left out any kind of request at any venue of a round trip."""
    if fault != "none":
        spared = [
            (venue, what) for what in MOVING for venue in _venues() if not struck[venue, what]
        ]
        assert spared == [], f"{fault} struck {dict(struck)} only"


@contextmanager
def losing_reads(matrix: World, fault: str) -> Iterator[Struck]:
    """Lose the reply of every other read, and fail if any of these was not lost; gives, once it is over, how many were."""
    struck: Struck = Counter()
    if fault != "none":
        matrix.desk.sample()  # the test's own reads lose none, and take no other's turn
        matrix.is_fed = False
        for nth in range(1, MOST_READS, 2):
            matrix.desk.fault(fault=fault, method="GET", path_regex=".", when={"nth": nth})
    try:
        yield struck
    finally:
        matrix.is_fed = True
    rules = _lifted(matrix)
    struck["*", "reads"] = sum(rule["fired"] for rule in rules)
    reads = max((rule["seen"] for rule in rules), default=0)
    assert struck["*", "reads"] == (min(reads, MOST_READS) + 1) // 2, rules


def _venues() -> tuple[str, ...]:
    return "binance", *settings.KIMP_KOREA_VENUES


def _lifted(matrix: World) -> list[dict[str, Any]]:
    """Take all rules back; gives them as they stood."""
    rules: list[dict[str, Any]] = matrix.desk.control("/control/faults")
    matrix.desk.control("/control/faults", method="DELETE")
    return rules
