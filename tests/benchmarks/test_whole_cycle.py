"""One whole cycle, counted: its statements, those of each kind of step, and its venue calls."""

from __future__ import annotations

from collections import Counter

import pytest

from kimp.documents.venue_limits import CALLS_OF_A_CYCLE
from tests.benchmarks import whole_cycle
from tests.benchmarks.__main__ import QUICK

ORDERS_A_CYCLE = 4
QUERIES_A_CYCLE = 242  # of so many orders
# A process's first measures clocks and opens accounts; now and then one finds an order not over yet, and looks again.
MOST_QUERIES_A_CYCLE = 252
QUERIES_AN_ORDER, MOST_QUERIES_AN_ORDER = 6, 16  # the second where what is left of it is waited for
QUERIES_A_UNIT = {  # of a step, as most of its kind take: a withdrawal has two, the request and that it has left
    "buy binance": 4, "buy upbit": 6, "deposit binance": 30, "deposit upbit": 30, "sell binance": 4, "sell upbit": 7,
    "withdraw binance": 10, "withdraw upbit": 10,
}  # fmt: skip
# Of steps that each cycle takes. What is not carried home in USDT is sold at Binance as well.
KINDS_OF_ALL = 7
CALLS_OF_AN_ORDER = {"book", "place_order", "order"}
CALLS_FOR_ALL_CYCLES = {"deposits", "withdrawals", "questionnaire", "server_time"}
MOST_BOOKS_MORE = 1  # a price that moved on before its order was made


@pytest.mark.django_db(transaction=True)
def test_a_whole_cycle_takes_a_counted_number_of_statements() -> None:
    """Prices decide whether one meets a rest or has to look again: of a few one is plain, and none takes much more.

    Of each kind of step no more than is written here are usual.
    """
    plain = plain_cycles() or plain_cycles()
    assert plain, "each cycle of two runs left a rest for another order: none is plain"
    assert min(plain) <= QUERIES_A_CYCLE, plain


def plain_cycles() -> list[int]:
    """Hold a few cycles to the most that one may take; give the statements of those that left no rest."""
    cycles = QUICK["whole_cycle"]["cycles"]
    found = whole_cycle.run(cycles=cycles)
    done = found.work["done"]
    assert done["calls"]["PLACE_ORDER DONE"] == found.work["orders_at_venues"] >= cycles
    units = found.work["units"]
    assert units.keys() - QUERIES_A_UNIT.keys() == set()
    most = {kind: usual(counts, cycles) for kind, counts in units.items() if len(counts) >= cycles}
    assert len(most) >= KINDS_OF_ALL
    assert {kind: n for kind, n in most.items() if n > QUERIES_A_UNIT[kind]} == {}
    plain = []
    for queries, calls in zip(found.work["queries"], found.work["calls"], strict=True):
        assert_calls_are_as_told(Counter(calls))
        orders = sum(calls[f"{venue} place_order"] for venue in CALLS_OF_A_CYCLE)
        # A price that moves away leaves a rest for another order.
        more = orders - ORDERS_A_CYCLE
        assert queries <= MOST_QUERIES_A_CYCLE + MOST_QUERIES_AN_ORDER * max(more, 0)
        if more <= 0:
            plain.append(queries - QUERIES_AN_ORDER * more)
    return plain


def usual(counts: list[int], cycles: int) -> int:
    """Give the most that more than half of the cycles take in a unit of a kind, or the fewest of all."""
    most = [number for number, times in Counter(counts).items() if times > cycles / 2]
    return max([min(counts), *most])


def assert_calls_are_as_told(counted: Counter[str]) -> None:
    """Hold a cycle's calls to docs/scaling.md; a rest of an order, or a shorter way home, is an order more or less."""
    for venue, told in CALLS_OF_A_CYCLE.items():
        more = counted[f"{venue} place_order"] - told["place_order"]
        for operation, count in told.items():
            expected = count + (more if operation in CALLS_OF_AN_ORDER else 0)
            spare = MOST_BOOKS_MORE if operation == "book" else 0
            assert expected <= counted[f"{venue} {operation}"] <= expected + spare, (venue, operation)  # fmt: skip
        others = {kind.split()[1] for kind in counted if kind.startswith(f"{venue} ")} - told.keys()
        assert others <= CALLS_FOR_ALL_CYCLES
