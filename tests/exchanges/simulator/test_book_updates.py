"""A book's update id: whatever changes what is shown makes it grow, reading never does."""

from __future__ import annotations

import pickle

from tests.exchanges.simulator.speaking import Speaker

BUY = {"symbol": "XRPUSDT", "side": "BUY", "type": "MARKET", "quantity": "10"}


def depth(speaker: Speaker) -> tuple[int, list[list[str]]]:
    body = speaker.public("binance", "/api/v3/depth", "symbol=XRPUSDT").body
    return body["lastUpdateId"], body["asks"]


def test_reading_a_book_twice_gives_the_same_update_id(speaker: Speaker) -> None:
    assert depth(speaker) == depth(speaker)


def test_a_tick_an_order_a_pin_and_an_unpin_each_make_the_id_grow(speaker: Speaker) -> None:
    ids = [depth(speaker)[0]]
    speaker.wait(1)
    ids.append(depth(speaker)[0])
    assert speaker.binance("POST", "/api/v3/order", **BUY).status == 200
    ids.append(depth(speaker)[0])
    speaker.pin("binance", "XRPUSDT", [["2.4", "1000"]], [["2.5", "1000"]])
    ids.append(depth(speaker)[0])
    speaker.control("POST", "/control/book", venue="binance", symbol="XRPUSDT", unpin=True)
    ids.append(depth(speaker)[0])
    assert ids == sorted(set(ids))


def test_the_id_does_not_fall_when_the_books_begin_to_tick_more_slowly(speaker: Speaker) -> None:
    speaker.control("POST", "/control/clock", speed="1")
    speaker.wait(14)
    before = depth(speaker)[0]
    speaker.control("POST", "/control/clock", speed="600")
    assert depth(speaker)[0] > before


def test_a_resting_order_that_is_reached_is_the_maker(speaker: Speaker) -> None:
    speaker.pin("binance", "XRPUSDT", [["2.4", "1000"]], [["2.5", "1000"]])
    order = {"symbol": "XRPUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
    speaker.binance("POST", "/api/v3/order", **order, price="2.5", quantity="10")
    speaker.binance("POST", "/api/v3/order", **order, price="2.45", quantity="10")
    speaker.pin("binance", "XRPUSDT", [["2.3", "1000"]], [["2.44", "1000"]])
    trades = speaker.binance("GET", "/api/v3/myTrades", symbol="XRPUSDT").body
    assert [trade["isMaker"] for trade in trades] == [False, True]


def test_who_listens_to_the_journal_hears_facts_and_is_not_kept(speaker: Speaker) -> None:
    heard: list[str] = []
    journal = speaker.simulator.world.journal
    journal.listener = lambda kind, details: heard.append(f"{kind} {details['venue']}")
    speaker.credit("binance", "XRP", "1")
    journal.note(0, "fault", venue="binance")
    assert heard == ["balance_set binance"]
    kept = pickle.loads(pickle.dumps(journal))
    assert kept.listener is None
    assert kept.rows == journal.rows
