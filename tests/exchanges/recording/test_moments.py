"""What is written is what is read: books whole and by changes, rates, wallets, and what was lacking."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given, settings, strategies as st

from exchanges.feeds.states import Lack, NoBook, State
from exchanges.recording.lines import Changes, Head, Line, RateLost, Whole, decode, encode
from exchanges.recording.moments import LostRate, Moment, Writing, moments, of_rate, of_wallet
from exchanges.values import Book, Level, Market, NetworkRules, RateQuote

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
MARKETS = [("upbit", Market("XRP", "KRW")), ("binance", Market("XRP", "USDT"))]

sizes = st.decimals("0.00000001", "99999999", places=8)
prices = st.integers(1, 40)


@st.composite
def states(draw: st.DrawFn) -> State:
    venue, market = draw(st.sampled_from(MARKETS))
    at = NOW + timedelta(milliseconds=draw(st.integers(0, 10**6)))
    if draw(st.integers(0, 5)) == 0:
        return NoBook(venue=venue, market=market, lack=draw(st.sampled_from(list(Lack))), at=at)
    bids = draw(st.dictionaries(prices, sizes, min_size=1, max_size=6))
    asks = draw(st.dictionaries(prices, sizes, min_size=1, max_size=6))
    number = draw(st.none() | st.integers(1, 10**12))
    return Book(
        venue=venue,
        market=market,
        bids=tuple(Level(Decimal(50 - p), bids[p]) for p in sorted(bids)),
        asks=tuple(Level(Decimal(50 + p), asks[p]) for p in sorted(asks)),
        venue_at=None if number is None else at - timedelta(milliseconds=7),
        received_at=at,
        update_id=number,
    )


def through(seen: Sequence[State]) -> list[Moment]:
    writing = Writing()
    return list(moments(decode(encode(writing.state(state)).rstrip()) for state in seen))


@settings(max_examples=60, deadline=None)
@given(st.lists(states(), max_size=25))
def test_states_come_back_as_they_were(seen: list[State]) -> None:
    assert [moment.what for moment in through(seen)] == seen


def test_a_second_book_is_written_as_what_changed() -> None:
    writing = Writing()
    first, second = (
        Book(
            venue="upbit", market=Market("XRP", "KRW"), venue_at=None, received_at=NOW,
            bids=(Level(Decimal(9), Decimal(size)), Level(Decimal(8), Decimal(1))),
            asks=(Level(Decimal(10), Decimal(1)),),
        )
        for size in (1, 2)
    )  # fmt: skip
    lines = [writing.state(first), writing.state(second), writing.state(second)]
    assert isinstance(lines[0], Whole)
    assert isinstance(lines[1], Changes)
    assert (lines[1].b, lines[1].a) == ([Level(Decimal(9), Decimal(2))], [])
    assert encode(lines[2]) == b'{"k":"diff","t":1795424400000,"v":"upbit","m":"XRP/KRW"}\n'


def test_changes_without_the_book_before_them_are_left_out() -> None:
    torn = Changes(t=0, v="upbit", m="XRP/KRW", b=[Level(Decimal(9), Decimal(2))])
    assert list(moments([Head(t=0), torn])) == []


def test_rates_come_back_and_so_does_their_loss() -> None:
    quote = RateQuote(
        source="frankfurter", krw_per_usd=Decimal("1399.53"), quoted_at=NOW - timedelta(hours=18),
        fetched_at=NOW, good_until=NOW + timedelta(hours=10),
    )  # fmt: skip
    lines: list[Line] = [of_rate(quote), RateLost(t=1795424400001, s="frankfurter")]
    first, second = moments(lines)
    assert first == Moment(NOW, quote)
    assert second == Moment(NOW + timedelta(milliseconds=1), LostRate(source="frankfurter"))


def test_wallets_come_back() -> None:
    rules = NetworkRules(
        venue="binance", asset="XRP", network="XRP", withdraw_is_open=False, deposit_is_open=True,
        withdraw_fee=Decimal("0.2"), withdraw_minimum=Decimal(2), withdraw_step=Decimal("0.000001"),
        memo_is_required=True, confirmations=None, fetched_at=NOW - timedelta(minutes=3),
    )  # fmt: skip
    assert list(moments([of_wallet(rules, NOW)])) == [Moment(NOW, rules)]
