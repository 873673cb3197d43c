"""The faults that lose replies, and the proof that they struck: a fault that strikes nothing shows nothing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Set as AbstractSet
from contextlib import contextmanager
from typing import Any

from django.conf import settings

from tests.crashes.matrix.world import Point, World

# Calls that do more than ask, and how they look on the wire.
MOVING = {
    "place_order": ("POST", r"/orders?$"),
    "withdraw": ("POST", r"/(withdraws/coin|withdraw/apply)$"),
    "cancel_order": ("DELETE", r"/orders?$"),
}
# It tells a venue something, as often as once in ten minutes: to be told again does no harm, and it moves nothing.
TELLING = ("verify_deposit",)
# What moves abroad, and in Korea.
ON_A_ROUND_TRIP = (("place_order", "withdraw"), ("place_order", "withdraw"))
ON_THE_WAY_HOME = (("place_order",), ("place_order", "withdraw"))
MOVED = re.compile(rf"(\w+) ({'|'.join(MOVING)}) \| after the call$")
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

Kind = tuple[str, str]  # a venue, and a call there
Struck = Counter[Kind]  # how often each lost its reply


@contextmanager
def losing(matrix: World, fault: str) -> Iterator[Struck]:
    """Lose the reply of every call that moves money; gives, once it is over, how often at each venue."""
    struck: Struck = Counter()
    rules: dict[int, Kind] = {}
    if fault != "none":
        for what, (method, path) in MOVING.items():
            for venue in _venues():
                number = matrix.desk.fault(
                    fault=fault, venue=venue, method=method, path_regex=path, args=FAULTS[fault]
                )
                rules[number] = venue, what
    yield struck
    for rule in _lifted(matrix):
        if rule["fired"] and rule["number"] in rules:
            struck[rules[rule["number"]]] += rule["fired"]


def moved_at(points: Iterable[Point]) -> set[Kind]:
    """Give what has moved at which venue, by whoever came by these places."""
    found = (MOVED.search(point.name) for point in points)
    return {(one[1], one[2]) for one in found if one}


def kinds(abroad: Iterable[str], in_korea: Iterable[str]) -> frozenset[Kind]:
    """Name these calls at Binance, and those at each Korean venue of the desk."""
    korean = {(venue, what) for venue in settings.KIMP_KOREA_VENUES for what in in_korea}
    return frozenset({("binance", what) for what in abroad} | korean)


def assert_moving(points: Iterable[Point], due: AbstractSet[Kind]) -> None:
    """Fail if these places, which are chosen by their names, leave out any kind of request that is due to move."""
    assert due, "nothing is due to move"
    spared = sorted(" ".join(kind) for kind in due - moved_at(points))
    assert spared == [], f"nobody is to be killed where these move: {spared}"


def assert_struck(struck: Struck, fault: str, due: AbstractSet[Kind]) -> None:
    """Fail if a fault left out any of these kinds of request, or if there are none."""
    if fault != "none":
        assert due, "nothing is due to be struck"
        spared = sorted(kind for kind in due if not struck[kind])
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
