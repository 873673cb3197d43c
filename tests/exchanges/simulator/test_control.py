"""The control port: what it changes and what it tells."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.exchanges.simulator.speaking import BEGIN_MS, Speaker


def test_accounts_name_keys_balances_and_addresses(speaker: Speaker) -> None:
    body = speaker.control("GET", "/control/accounts").body
    upbit, binance = body["accounts"]["upbit"], body["accounts"]["binance"]
    assert upbit["balances"] == {"KRW": {"free": "50000000", "locked": "0"}}
    assert binance["balances"] == {"USDT": {"free": "100000", "locked": "0"}}
    assert len({account["access_key"] for account in body["accounts"].values()}) == 3


def keyed(rows: list[dict[str, str]]) -> set[tuple[str, str, str]]:
    return {(row["asset"], row["address"], row["tag"]) for row in rows}


@pytest.mark.parametrize("venue", ["upbit", "binance", "bithumb"])
def test_an_account_may_withdraw_to_every_other_account_and_to_none_of_its_own(
    speaker: Speaker, venue: str
) -> None:
    accounts = speaker.control("GET", "/control/accounts").body["accounts"]
    others = [keyed(row["deposit_addresses"]) for name, row in accounts.items() if name != venue]
    assert keyed(accounts[venue]["withdrawal_addresses"]) == set.union(*others)
    assert len(set.union(*others)) == sum(map(len, others))


def test_the_clock_jumps_freezes_and_changes_pace(speaker: Speaker) -> None:
    assert (
        speaker.control("POST", "/control/clock", advance_ms=600_000).body["market_ms"] == 600_000
    )
    speaker.control("POST", "/control/clock", freeze=True)
    speaker.wait(10)
    assert speaker.control("GET", "/control/clock").body["market_ms"] == 600_000
    speaker.control("POST", "/control/clock", freeze=False)
    speaker.control("POST", "/control/clock", speed="10")
    speaker.wait(10)
    clock = speaker.control("GET", "/control/clock").body
    assert (clock["market_ms"], clock["wall_ms"]) == (700_000, BEGIN_MS + 20_000)


def test_time_never_goes_back(speaker: Speaker) -> None:
    speaker.wait(10)
    speaker.simulator.advance_to(BEGIN_MS)
    assert speaker.simulator.world.wall_ms == BEGIN_MS + 10_000


def test_a_jump_lets_transfers_arrive_at_once(speaker: Speaker) -> None:
    speaker.credit("binance", "XRP", "100")
    to = speaker.address("upbit", "XRP")
    request = {"coin": "XRP", "network": "XRP", "amount": "50", "address": to["address"]}
    speaker.binance("POST", "/sapi/v1/capital/withdraw/apply", **request, addressTag=to["tag"])
    speaker.control("POST", "/control/clock", advance_ms=120_000)
    assert speaker.held("upbit", "XRP")[0] == Decimal("49.8")


def test_balances_are_set_or_credited_from_outside(speaker: Speaker) -> None:
    speaker.control("POST", "/control/balances", venue="upbit", asset="KRW", free="7")
    speaker.control("POST", "/control/balances", venue="upbit", asset="KRW", credit="3")
    assert speaker.held("upbit", "KRW")[0] == 10
    assert speaker.control("GET", "/control/invariants").body["ok"] is True


def test_a_book_is_pinned_around_a_price_until_it_is_unpinned(speaker: Speaker) -> None:
    speaker.control(
        "POST", "/control/book", venue="binance", symbol="XRPUSDT", mid="9", spread_bps=20
    )
    speaker.wait(60)
    depth = speaker.public("binance", "/api/v3/depth", "symbol=XRPUSDT&limit=1").body
    assert (depth["bids"][0][0], depth["asks"][0][0]) == ("8.99100000", "9.00900000")
    speaker.control("POST", "/control/book", venue="binance", symbol="XRPUSDT", unpin=True)
    depth = speaker.public("binance", "/api/v3/depth", "symbol=XRPUSDT&limit=1").body
    assert Decimal(depth["asks"][0][0]) < 4


def test_skew_moves_only_the_venues_own_clock(speaker: Speaker) -> None:
    speaker.control("POST", "/control/skew", venue="binance", ms=8000)
    assert speaker.public("binance", "/api/v3/time").body["serverTime"] == BEGIN_MS + 8000
    assert speaker.binance("GET", "/api/v3/account").body["code"] == -1021
    assert speaker.upbit("GET", "/v1/accounts").status == 200


def test_the_accounts_say_whether_there_are_limits(speaker: Speaker) -> None:
    assert speaker.control("GET", "/control/accounts").body["limits"] is False
    speaker.control("POST", "/control/scenario", name="default")
    assert speaker.control("GET", "/control/accounts").body["limits"] is True


def test_the_journal_is_read_from_where_one_left_off(speaker: Speaker) -> None:
    speaker.credit("upbit", "XRP", "1")
    rows = speaker.control("GET", "/control/journal").body
    assert [row["kind"] for row in rows] == ["world_began", "balance_set"]
    later = speaker.control("GET", "/control/journal", since=rows[0]["seq"]).body
    assert [row["kind"] for row in later] == ["balance_set"]


def test_requests_are_counted_as_they_arrived(speaker: Speaker) -> None:
    order = {"market": "KRW-XRP", "side": "bid", "ord_type": "price", "price": "1"}
    speaker.upbit("POST", "/v1/orders", **order)
    rows = speaker.control("GET", "/control/requests").body
    assert [(row["method"], row["path"]) for row in rows] == [("POST", "/v1/orders")]
    assert '"price": "1"' in rows[0]["body"]


def test_a_reset_begins_another_world(speaker: Speaker) -> None:
    speaker.credit("upbit", "XRP", "5")
    before = speaker.upbit_account["access_key"]
    body = speaker.control("POST", "/control/reset", seed=2).body
    assert body["accounts"]["upbit"]["access_key"] != before
    assert speaker.held("upbit", "XRP")[0] == 0


def test_what_the_control_port_does_not_understand_changes_nothing(speaker: Speaker) -> None:
    assert speaker.control("POST", "/control/nope").status == 404
    for spec in ({}, {"venue": "mars", "asset": "XRP", "free": "1"}, {"venue": "upbit"}):
        assert speaker.control("POST", "/control/balances", **spec).status == 400
    assert speaker.control("POST", "/control/clock", speed="0").status == 400
    assert speaker.control("POST", "/control/scenario", name="nope").status == 400
    assert len(speaker.control("GET", "/control/journal").body) == 1


def test_settings_are_shown_and_changed_one_by_one(speaker: Speaker) -> None:
    before = speaker.control("GET", "/control/settings").body
    assert (before["has_limits"], before["partial_fill_ratio"]) == (False, "1")
    changed = {"partial_fill_ratio": "0.5", "read_lag_wall_ms": {"upbit": 70}, "bnb_usdt": None}
    after = speaker.control("POST", "/control/settings", **changed).body
    expected = {"partial_fill_ratio": "0.5", "read_lag_wall_ms": {"upbit": 70}, "bnb_usdt": None}
    assert after == {**before, **expected}


def test_a_setting_that_nobody_knows_changes_none(speaker: Speaker) -> None:
    before = speaker.control("GET", "/control/settings").body
    for name, value in (("colour", "red"), ("has_limits", "yes"), ("review_ms", "soon")):
        spec = {"broadcast_ms": 1, name: value}
        assert speaker.control("POST", "/control/settings", **spec).status == 400
    assert speaker.control("GET", "/control/settings").body == before


def test_the_chain_is_steered_by_an_action_or_by_its_short_form(speaker: Speaker) -> None:
    speaker.credit("binance", "XRP", "200")
    to = speaker.address("upbit", "XRP")
    request = {"coin": "XRP", "network": "XRP", "address": to["address"], "addressTag": to["tag"]}
    for amount in ("50", "60"):
        speaker.binance("POST", "/sapi/v1/capital/withdraw/apply", **request, amount=amount)
    speaker.control("POST", "/control/clock", freeze=True)
    speaker.control("POST", "/control/clock", advance_ms=46_000)
    first, second = speaker.control("GET", "/control/transfers").body["transactions"]
    speaker.control("POST", "/control/chain", txid=first["txid"], confirm=3)
    assert speaker.held("upbit", "XRP")[0] == Decimal("49.8")
    speaker.control("POST", "/control/chain", txid=second["txid"], stall=True)
    speaker.control("POST", "/control/clock", advance_ms=600_000)
    assert speaker.held("upbit", "XRP")[0] == Decimal("49.8")
    speaker.control("POST", "/control/chain", txid=second["txid"], action="confirm", n=3)
    assert speaker.held("upbit", "XRP")[0] == Decimal("109.6")
    assert speaker.control("POST", "/control/chain", txid=second["txid"]).status == 400
