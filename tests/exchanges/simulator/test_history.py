"""Public history of both venues: trades and candles are functions of seed and tape."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.exchanges.simulator.speaking import BEGIN_MS, Speaker, new_simulator

UPBIT_TRADES, BINANCE_TRADES = "/v1/trades/ticks", "/api/v3/aggTrades"
MINUTE_MS = 60_000


def test_trades_at_upbit_come_newest_first_and_page_by_cursor(speaker: Speaker) -> None:
    first = speaker.public("upbit", UPBIT_TRADES, "market=KRW-XRP&count=5").body
    stamps = [row["timestamp"] for row in first]
    assert stamps == sorted(stamps, reverse=True)
    cursor = first[-1]["sequential_id"]
    query = f"market=KRW-XRP&count=2&cursor={cursor}"
    second = speaker.public("upbit", UPBIT_TRADES, query).body
    assert all(row["sequential_id"] < cursor for row in second)
    assert second[0]["timestamp"] <= stamps[-1]


def test_trades_at_upbit_go_back_by_days_and_time_of_day(speaker: Speaker) -> None:
    query = "market=KRW-XRP&count=1&days_ago=2&to=06:00:00"
    (row,) = speaker.public("upbit", UPBIT_TRADES, query).body
    assert row["timestamp"] < BEGIN_MS - 86_400_000
    assert row["trade_time_utc"].startswith("05:59:5")
    assert speaker.public("upbit", UPBIT_TRADES, "market=KRW-XRP&to=noon").status == 400
    assert speaker.public("upbit", UPBIT_TRADES, "market=KRW-NOPE").status == 404


def test_trades_at_binance_come_oldest_first_from_an_id_or_an_instant_on(speaker: Speaker) -> None:
    speaker.wait(60)
    latest = speaker.public("binance", BINANCE_TRADES, "symbol=XRPUSDT&limit=20").body
    assert [row["T"] for row in latest] == sorted(row["T"] for row in latest)
    middle = latest[10]
    by_id = speaker.public("binance", BINANCE_TRADES, f"symbol=XRPUSDT&fromId={middle['a']}").body
    since = f"symbol=XRPUSDT&startTime={middle['T']}&endTime={latest[-1]['T']}"
    by_time = speaker.public("binance", BINANCE_TRADES, since).body
    assert by_id == by_time == latest[10:]


def test_bithumbs_history_is_upbits_protocol_at_bithumbs_own_prices(speaker: Speaker) -> None:
    trade, candle, price = {}, {}, {}
    for venue in ("upbit", "bithumb"):
        (trade[venue],) = speaker.public(venue, UPBIT_TRADES, "market=KRW-BTC").body
        path = "/v1/candles/minutes/1"
        (candle[venue],) = speaker.public(venue, path, "market=KRW-BTC").body
        (ticker,) = speaker.public(venue, "/v1/ticker", "markets=KRW-BTC").body
        price[venue] = ticker["trade_price"]
        assert trade[venue]["trade_price"] == candle[venue]["trade_price"] == price[venue]
    assert trade["upbit"].keys() == trade["bithumb"].keys()
    assert candle["upbit"].keys() == candle["bithumb"].keys()
    assert price["upbit"] != price["bithumb"]
    seconds = speaker.public("bithumb", "/v1/candles/seconds", "market=KRW-BTC")
    assert seconds.status == 404  # it has none


@pytest.mark.parametrize("venue", ["upbit", "binance"])
def test_what_the_account_executed_is_public_with_its_takers_side(
    speaker: Speaker, venue: str
) -> None:
    speaker.pin("upbit", "KRW-XRP", [["2990", "10"]], [["3000", "10"]])
    speaker.pin("binance", "XRPUSDT", [["2.4", "10"]], [["2.5", "10"]])
    if venue == "upbit":
        order = {"market": "KRW-XRP", "side": "bid", "ord_type": "limit", "volume": "10"}
        speaker.upbit("POST", "/v1/orders", **order, price="3000")
        row = speaker.public("upbit", UPBIT_TRADES, "market=KRW-XRP").body[0]
        assert (row["trade_price"], row["trade_volume"], row["ask_bid"]) == (3000, 10, "BID")
        return
    order = {"symbol": "XRPUSDT", "side": "BUY", "type": "MARKET", "quantity": "10"}
    placed = speaker.binance("POST", "/api/v3/order", **order).body
    row = speaker.public("binance", "/api/v3/trades", "symbol=XRPUSDT&limit=1").body[0]
    assert row["id"] == placed["fills"][0]["tradeId"]
    assert (row["price"], row["isBuyerMaker"]) == ("2.50000000", False)


def test_a_resting_order_that_is_met_was_the_maker(speaker: Speaker) -> None:
    speaker.pin("binance", "XRPUSDT", [["2.3", "10"]], [["2.5", "10"]])
    order = {"symbol": "XRPUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
    speaker.binance("POST", "/api/v3/order", **order, quantity="10", price="2.4")
    speaker.pin("binance", "XRPUSDT", [["2.3", "10"]], [["2.35", "10"]])
    (trade,) = speaker.binance("GET", "/api/v3/myTrades", symbol="XRPUSDT").body
    assert (trade["isBuyer"], trade["isMaker"]) == (True, True)
    row = speaker.public("binance", "/api/v3/trades", "symbol=XRPUSDT&limit=1").body[0]
    assert (row["id"], row["isBuyerMaker"]) == (trade["id"], True)


@pytest.mark.parametrize(
    ("path", "length_ms"),
    [("seconds", 1000), ("minutes/1", MINUTE_MS), ("minutes/240", 240 * MINUTE_MS), ("days", 86_400_000)],
)  # fmt: skip
def test_candles_at_upbit_are_aligned_and_hold_their_ends(
    speaker: Speaker, path: str, length_ms: int
) -> None:
    speaker.wait(90)
    rows = speaker.public("upbit", f"/v1/candles/{path}", "market=KRW-XRP&count=3").body
    assert [(row["timestamp"] + 1) % length_ms for row in rows] == [0, 0, 0]
    assert rows[0]["timestamp"] > rows[1]["timestamp"] > rows[2]["timestamp"]
    for row in rows:
        assert row["low_price"] <= min(row["opening_price"], row["trade_price"])
        assert row["high_price"] >= max(row["opening_price"], row["trade_price"])


def test_a_candle_ends_where_the_next_one_begins(speaker: Speaker) -> None:
    speaker.wait(300)
    rows = speaker.public("binance", "/api/v3/klines", "symbol=XRPUSDT&interval=1m&limit=4").body
    assert [row[4] for row in rows[:-1]] == [row[1] for row in rows[1:]]
    assert [row[6] + 1 for row in rows[:-1]] == [row[0] for row in rows[1:]]


def test_klines_begin_at_an_instant_and_stop_at_now(speaker: Speaker) -> None:
    speaker.wait(180)
    start = BEGIN_MS // MINUTE_MS * MINUTE_MS + MINUTE_MS
    query = f"symbol=XRPUSDT&interval=1m&startTime={start}"
    rows = speaker.public("binance", "/api/v3/klines", query).body
    assert rows[0][0] == start
    assert rows[-1][0] <= speaker.wall_ms < rows[-1][6] + 1
    late = f"symbol=XRPUSDT&interval=1m&startTime={speaker.wall_ms + MINUTE_MS}"
    assert speaker.public("binance", "/api/v3/klines", late).body == []
    odd = speaker.public("binance", "/api/v3/klines", "symbol=XRPUSDT&interval=7m")
    assert odd.body["code"] == -1120


def test_a_day_at_either_venue_holds_the_last_price_between_low_and_high(speaker: Speaker) -> None:
    speaker.wait(60)
    (upbit,) = speaker.public("upbit", "/v1/ticker", "markets=KRW-XRP").body
    assert upbit["low_price"] <= upbit["trade_price"] <= upbit["high_price"]
    change = upbit["trade_price"] - upbit["prev_closing_price"]
    assert upbit["signed_change_price"] == change
    assert upbit["change"] == ("RISE" if change > 0 else "FALL")
    day = speaker.public("binance", "/api/v3/ticker/24hr", "symbol=XRPUSDT").body
    low, last, high = (Decimal(day[key]) for key in ("lowPrice", "lastPrice", "highPrice"))
    assert low <= last <= high
    assert Decimal(day["priceChange"]) == last - Decimal(day["openPrice"])
    mini = speaker.public("binance", "/api/v3/ticker/24hr", "symbol=XRPUSDT&type=MINI").body
    assert "priceChange" not in mini


def test_the_same_seed_tells_the_same_history_and_another_one_another() -> None:
    def told(seed: int) -> object:
        speaker = Speaker(new_simulator(seed=seed))
        speaker.wait(60)
        return [
            speaker.public("upbit", UPBIT_TRADES, "market=KRW-XRP&count=50").body,
            speaker.public("binance", "/api/v3/klines", "symbol=XRPUSDT&interval=5m").body,
        ]

    assert told(1) == told(1)
    assert told(1) != told(2)


def test_a_book_is_gathered_by_the_levels_that_the_market_has(speaker: Speaker) -> None:
    bids = [["2998", "1"], ["2991", "2"], ["2989", "4"]]
    speaker.pin("upbit", "KRW-XRP", bids, [["3001", "1"], ["3010", "2"], ["3011", "4"]])
    (rules,) = speaker.public("upbit", "/v1/orderbook/instruments", "markets=KRW-XRP").body
    assert rules["supported_levels"][:2] == ["0", "10"]
    (book,) = speaker.public("upbit", "/v1/orderbook", "markets=KRW-XRP&level=10").body
    units = [
        (u["bid_price"], u["bid_size"], u["ask_price"], u["ask_size"])
        for u in book["orderbook_units"]
    ]
    assert units == [(2990, 3, 3010, 3), (2980, 4, 3020, 4)]
    assert book["level"] == 10
    assert speaker.public("upbit", "/v1/orderbook", "markets=KRW-XRP&level=7").body == []
