"""Replies that are slow, huge, elsewhere, odd or of other types (F33, F34, F36, F37)."""

from __future__ import annotations

import contextlib
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from exchanges.book_guard import BookLimits, doubt_of
from exchanges.errors import OutcomeUnknownError
from exchanges.values import Book, MarketRules, NetworkRules
from tests.exchanges.adapters.faulty import Desk
from tests.exchanges.raw_server import raw_server, reply

NOW = datetime(2026, 11, 26, tzinfo=UTC)
MEBIBYTE = 1024 * 1024
LIMITS = BookLimits(max_age=timedelta(seconds=15), max_jump_bps=Decimal(10_000))


def test_f33_a_reply_that_drips_from_its_first_header_on_is_unknown_at_the_deadline_and_found(
    desk: Desk,
) -> None:
    order = desk.order()
    desk.spoil("F33", method="POST", path_regex="/orders?$", args={"milliseconds": 30})
    with pytest.raises(OutcomeUnknownError):
        desk.place(order)
    assert desk.until_final().executed_quantity == 20
    assert (desk.arrived(), desk.accepted(), desk.truth()) == (1, 1, [True])


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_f34_a_redirect_is_not_followed_and_the_order_is_found(desk: Desk, status: int) -> None:
    order = desk.order()
    with raw_server(reply()) as elsewhere:
        args = {"location": f"{elsewhere.url}/v1/orders", "status": status}
        desk.spoil("F34", method="POST", path_regex="/orders?$", args=args)
        with pytest.raises(OutcomeUnknownError):
            desk.place(order)
        assert (elsewhere.connections, elsewhere.requests) == (0, [])
    assert desk.until_final().executed_quantity == 20
    assert (desk.arrived(), desk.accepted(), desk.truth()) == (1, 1, [True])


@pytest.mark.parametrize("action", ["bomb", "flood"])
def test_f34_a_gibibyte_is_neither_unpacked_nor_read_and_the_order_is_found(
    desk: Desk, action: str
) -> None:
    desk.be_patient()
    order = desk.order()
    desk.spoil("F34", action=action, method="POST", path_regex="/orders?$")
    tracemalloc.start()
    with pytest.raises(OutcomeUnknownError):
        desk.place(order)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 * MEBIBYTE  # the cap is 16, and the simulator lives in this process too
    assert desk.until_final().executed_quantity == 20
    assert (desk.arrived(), desk.accepted(), desk.truth()) == (1, 1, [True])


def test_f34_a_read_that_is_packed_or_sent_elsewhere_gives_nothing(desk: Desk) -> None:
    for action in ("bomb", "redirect"):
        desk.spoil("F34", action=action, when="always", method="GET", args={"mebibytes": 16})
        with pytest.raises(OutcomeUnknownError):
            desk.venue.balances()
    assert desk.arrived() == 0


@pytest.mark.parametrize(
    ("kind", "side", "word"),
    [
        ("crossed", "asks", "crossed"),
        ("empty", "asks", "no asks"),
        ("empty", "bids", "no bids"),
        ("zero", "asks", "no asks"),
        ("zero", "bids", "no bids"),
        ("fat_finger", "asks", "best ask"),
        ("fat_finger", "bids", "best bid"),
    ],
)
def test_f36_a_book_that_no_market_has_is_told_as_it_is_and_the_guard_trips(
    desk: Desk, kind: str, side: str, word: str
) -> None:
    sound = desk.venue.book(desk.market)
    known = [sound.bids[0].price]
    assert doubt_of(sound, LIMITS, known=known) == ""
    desk.spoil("F36", args={"kind": kind, "side": side})
    assert word in doubt_of(desk.venue.book(desk.market), LIMITS, known=known)
    assert desk.arrived() == 0


def test_f36_a_stamp_that_stands_still_trips_the_guard(upbit: Desk) -> None:
    """Binance's book carries no stamp, so only Upbit's can be told to be old."""
    at = upbit.control("clock")["wall_ms"] - 16_000
    upbit.spoil("F36", args={"kind": "frozen", "at_ms": at})
    assert "16 s old" in doubt_of(upbit.venue.book(upbit.market), LIMITS)
    assert upbit.arrived() == 0


KINDS = ["strings", "numbers", "extra", "nulls", "enum"]
READS: dict[str, Callable[[Desk], Any]] = {
    "balances": lambda desk: desk.venue.balances(),
    "book": lambda desk: desk.venue.book(desk.market),
    "market rules": lambda desk: desk.venue.market_rules(desk.market),
    "network rules": lambda desk: desk.venue.network_rules("XRP"),
    "withdrawals": Desk.withdrawals,
    "deposits": Desk.deposits,
    "allowed addresses": lambda desk: desk.venue.withdrawal_addresses("XRP"),
    "deposit address": lambda desk: desk.venue.deposit_address("XRP", network="XRP"),
    "server time": lambda desk: desk.venue.server_time(),
}


@pytest.mark.parametrize("kind", KINDS)
def test_f37_an_order_whose_reply_has_other_types_is_read_or_unknown_and_then_found(
    desk: Desk, kind: str
) -> None:
    order = desk.order()
    desk.spoil("F37", method="POST", path_regex="/orders?$", args={"kind": kind})
    try:
        report = desk.place(order)
    except OutcomeUnknownError:
        assert kind in {"strings", "enum"}  # a stamp as text, a state that nobody knows
    else:
        assert kind != "enum" or desk.venue.code == "bithumb"  # its reply tells no state
        assert report.client_order_id == desk.client_id
        assert report.quantity == 20
    assert desk.until_final().executed_quantity == 20
    assert (desk.arrived(), desk.accepted(), desk.truth()) == (1, 1, [True])


@pytest.mark.parametrize("what", READS)
def test_f37_a_read_whose_fields_have_other_types_is_right_or_unknown(
    desk: Desk, what: str
) -> None:
    read = READS[what]
    desk.freeze()  # so that the same book is read each time
    desk.fund()
    desk.send()
    desk.advance(120)  # there is a withdrawal to list, and its deposit
    expected = plainly(read(desk))
    for kind in KINDS:
        rule = desk.spoil("F37", venue="", when="always", method="GET", args={"kind": kind})
        try:
            told = plainly(read(desk))
        except OutcomeUnknownError:
            assert kind in {"strings", "numbers", "enum"}, kind
        else:
            assert told == as_told(expected, what, kind), kind
        desk.mend(rule)
    assert desk.arrived() == 1


def as_told(expected: Any, what: str, kind: str) -> Any:
    """Whatever a market's state is that nobody knows, it is not open."""
    return (
        replace(expected, is_open=False) if (what, kind) == ("market rules", "enum") else expected
    )


@pytest.mark.parametrize("kind", KINDS)
def test_f37_a_look_up_whose_fields_have_other_types_tells_the_truth_or_is_unknown(
    desk: Desk, kind: str
) -> None:
    desk.place(desk.order())
    desk.until_final()
    desk.spoil("F37", when="always", method="GET", args={"kind": kind})
    with contextlib.suppress(OutcomeUnknownError):
        report = desk.look_up()
        assert report is not None
        assert report.executed_quantity == 20
        assert kind != "enum" or desk.venue.code == "bithumb"  # its reply tells no state
    assert desk.arrived() == 1


def plainly(found: Any) -> Any:
    """Give what was read without the instants at which it was read."""
    if isinstance(found, datetime):
        return "an instant"
    if isinstance(found, list | tuple):
        return [plainly(one) for one in found]
    if isinstance(found, Book):
        return msgspec.structs.replace(found, venue_at=None, received_at=NOW)
    if isinstance(found, MarketRules | NetworkRules):
        return replace(found, fetched_at=NOW)
    return found
