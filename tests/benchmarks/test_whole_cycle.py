"""One whole cycle, counted: its statements, those of each kind of step, and its venue calls."""

from __future__ import annotations

from collections import Counter

import pytest

from exchanges import registry
from kimp.documents.venue_limits import CALLS_OF_A_CYCLE
from tests.benchmarks import whole_cycle
from tests.benchmarks.__main__ import QUICK

ORDERS_A_CYCLE = 4
QUERIES_A_CYCLE = 242  # of so many orders
# A process's first measures clocks and opens accounts; now and then one finds an order not over yet, and looks again.
MOST_QUERIES_A_CYCLE = 252
QUERIES_AN_ORDER, MOST_QUERIES_AN_ORDER = 6, 16  # the second where what is left of it is waited for
QUERIES_A_UNIT = {  # of a step, as most of its kind take: a withdrawal has two, the request and that it has left
    "buy binance": 4, "buy upbit": 6, "buy bithumb": 6,
    "sell binance": 4, "sell upbit": 7, "sell bithumb": 7,
    "withdraw binance": 10, "withdraw upbit": 10, "withdraw bithumb": 10,
    "deposit binance": 30, "deposit upbit": 30, "deposit bithumb": 30,
}  # fmt: skip
# What is not carried home in USDT is sold at Binance as well: that a cycle may not need.
NOT_OF_ALL = {"sell binance"}
CALLS_OF_AN_ORDER = {"book", "place_order", "order"}
CALLS_FOR_ALL_CYCLES = {"deposits", "withdrawals", "questionnaire", "server_time"}
# A price that moved on before its order was made; an order that Bithumb had not taken at the second look either.
MOST_MORE = {"binance book": 1, "upbit book": 1, "bithumb book": 1, "bithumb order": 4}


@pytest.mark.django_db(transaction=True)
def test_a_whole_cycle_takes_a_counted_number_of_statements() -> None:
    """Prices decide whether one meets a rest or has to look again: of a few one is plain, and none takes much more.

    So by each Korean venue. Of each kind of step no more than is written here are usual.
    """
    plain = plain_cycles()
    if plain.keys() != set(registry.KOREAN_VENUES):
        plain |= plain_cycles()
    assert plain.keys() == set(registry.KOREAN_VENUES), "at one each run left rests: none is plain"
    assert {korea: n for korea, n in plain.items() if n > QUERIES_A_CYCLE} == {}


def plain_cycles() -> dict[str, int]:
    """Hold a few cycles to the most that one may take; give the fewest statements of those that left no rest."""
    cycles = QUICK["whole_cycle"]["cycles"]
    found = whole_cycle.run(cycles=cycles).work
    done = found["done"]
    assert done["calls"]["PLACE_ORDER DONE"] == found["orders_at_venues"] >= cycles
    units = found["units"]
    assert units.keys() | NOT_OF_ALL == QUERIES_A_UNIT.keys()
    most = {kind: usual(counts, cycles) for kind, counts in units.items()}
    assert {kind: n for kind, n in most.items() if n > QUERIES_A_UNIT[kind]} == {}
    plain: dict[str, int] = {}
    for korea, queries, calls in zip(found["by"], found["queries"], found["calls"], strict=True):
        assert_calls_are_as_told(korea, Counter(calls))
        orders = sum(calls.get(f"{venue} place_order", 0) for venue in CALLS_OF_A_CYCLE)
        # A price that moves away leaves a rest for another order.
        more = orders - ORDERS_A_CYCLE
        assert queries <= MOST_QUERIES_A_CYCLE + MOST_QUERIES_AN_ORDER * max(more, 0)
        if more <= 0:
            fewest = queries - QUERIES_AN_ORDER * more
            plain[korea] = min(fewest, plain.get(korea, fewest))
    return plain


def usual(counts: list[int], cycles: int) -> int:
    """Give the most that more than half of the cycles take in a unit of a kind, or the fewest of all."""
    most = [number for number, times in Counter(counts).items() if times > cycles / 2]
    return max([min(counts), *most])


def assert_calls_are_as_told(korea: str, counted: Counter[str]) -> None:
    """Hold a cycle's calls to docs/scaling.md; a rest of an order, or a shorter way home, is an order more or less."""
    pair = (registry.GLOBAL_VENUE, korea)
    assert {kind.split()[0] for kind in counted} == set(pair)
    for venue in pair:
        told = CALLS_OF_A_CYCLE[venue]
        more = counted[f"{venue} place_order"] - told["place_order"]
        for operation, count in told.items():
            looks = told.get("order", 0) // told["place_order"] if operation == "order" else 1
            expected = count + (more * looks if operation in CALLS_OF_AN_ORDER else 0)
            spare = MOST_MORE.get(f"{venue} {operation}", 0)
            assert expected <= counted[f"{venue} {operation}"] <= expected + spare, (venue, operation)  # fmt: skip
        others = {kind.split()[1] for kind in counted if kind.startswith(f"{venue} ")} - told.keys()
        assert others <= CALLS_FOR_ALL_CYCLES
