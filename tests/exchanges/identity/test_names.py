"""Names both ways: a venue's words in and out, and no foreign coin under a code of ours."""

from __future__ import annotations

import pytest

from exchanges.identity import known
from exchanges.identity.listed import Standing, Tie
from exchanges.identity.names import Names, names_of
from exchanges.values import Market

PROVEN, UNPROVEN, BLOCKED = Standing.PROVEN, Standing.UNPROVEN, Standing.BLOCKED


def tie(symbol: str, spelling: str, asset: str, network: str, standing: Standing = PROVEN) -> Tie:
    return Tie(
        symbol=symbol, venue_network=spelling, asset=asset, network=network, standing=standing
    )


def test_one_chain_has_many_spellings() -> None:
    names = names_of("elsewhere", [tie("USDT", "TRC20", "USDT", "TRX")])
    assert names.spelling("USDT", "TRX") == "TRC20"
    assert names.network("USDT", "TRC20") == "TRX"


def test_a_ticker_that_was_renamed_is_spoken_by_its_new_name_and_old_records_are_understood() -> (
    None
):
    names = names_of(
        "binance",
        [tie("MATIC", "ETH", "MATIC", "ETH", UNPROVEN), tie("POL", "ETH", "MATIC", "ETH")],
    )
    assert names.symbol("MATIC") == "POL"
    assert names.asset("POL") == "MATIC"
    assert names.asset("MATIC") == "MATIC"
    assert names.market(Market("MATIC", "USDT")) == Market("POL", "USDT")
    assert names.standing("MATIC", "ETH") is PROVEN


def test_a_block_of_the_old_name_does_not_hold_the_new_one() -> None:
    names = names_of(
        "binance",
        [tie("LUNA", "LUNC", "LUNC", "LUNC", BLOCKED), tie("LUNC", "LUNC", "LUNC", "LUNC")],
    )
    assert names.symbol("LUNC") == "LUNC"
    assert names.standing("LUNC") is PROVEN


def test_two_venues_call_one_asset_differently_and_one_ticker_means_two_assets() -> None:
    here = names_of("binance", [tie("BTT", "BTT", "BTTC", "BTT")])
    there = names_of(
        "upbit", [tie("BTT", "TRX", "BTTOLD", "TRX"), tie("BTTC", "BTT", "BTTC", "BTT")]
    )
    assert (here.asset("BTT"), there.asset("BTT"), there.asset("BTTC")) == (
        "BTTC",
        "BTTOLD",
        "BTTC",
    )
    assert (here.symbol("BTTC"), there.symbol("BTTC")) == ("BTT", "BTTC")


@pytest.mark.parametrize("venue", ["upbit", "binance", "bithumb"])
def test_before_anything_was_fetched_the_shipped_names_hold_and_nothing_is_proven(
    venue: str,
) -> None:
    names = Names(venue=venue)
    assert (names.symbol("XRP"), names.asset("XRP")) == ("XRP", "XRP")
    assert (names.spelling("USDT", "TRX"), names.network("USDT", "TRX")) == ("TRX", "TRX")
    assert not names.is_known
    assert names.standing("XRP") is UNPROVEN
    assert "unproven" in names.objection("XRP", "XRP")


def test_a_name_that_is_tied_to_nothing_is_never_a_code_of_ours_and_is_spoken_back_as_it_was() -> (
    None
):
    names = names_of("upbit", [tie("XRP", "ETH", "", "", UNPROVEN)])
    assert names.asset("XRP") == "XRP?"
    assert names.network("XRP", "ETH") == "ETH?"
    assert (names.symbol("XRP?"), names.spelling("XRP?", "ETH?")) == ("XRP", "ETH")
    assert names.asset("SHIB") == "SHIB"  # collides with nothing
    assert names.network("SHIB", "BSC") == "BSC"


def test_a_ticker_that_a_venue_gives_to_another_coin_is_not_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(known.TICKERS, ("bithumb", "XRPL"), "XRP")
    names = Names(venue="bithumb")
    assert names.symbol("XRP") == "XRPL"
    assert names.asset("XRPL") == "XRP"
    assert names.asset("XRP") == "XRP?"
    assert Names(venue="upbit").asset("XRP") == "XRP"


def test_won_is_won_everywhere() -> None:
    names = names_of("upbit", [tie("XRP", "XRP", "XRP", "XRP")])
    assert (names.asset("KRW"), names.symbol("KRW"), names.standing("KRW")) == (
        "KRW",
        "KRW",
        PROVEN,
    )


def test_an_asset_is_traded_where_it_is_proven_on_some_chain_and_blocked_on_none() -> None:
    proven = tie("USDT", "TRX", "USDT", "TRX")
    names = names_of("binance", [proven, tie("USDT", "BSC", "", "", UNPROVEN)])
    assert names.objection("USDT") == ""
    assert names.objection("USDT", "TRX") == ""
    assert names.objection("USDT", "ETH")
    names = names_of("binance", [proven, tie("USDT", "ETH", "USDT", "ETH", BLOCKED)])
    assert "blocked" in names.objection("USDT")
    assert "blocked" in names.objection("USDT", "TRX")


def test_what_has_arrived_may_be_sold_when_a_proof_is_withdrawn_but_not_when_it_is_blocked() -> (
    None
):
    withdrawn = names_of("upbit", [tie("XRP", "XRP", "XRP", "XRP", UNPROVEN)])
    assert withdrawn.objection("XRP")
    assert withdrawn.objection("XRP", may_end=True) == ""
    blocked = names_of("upbit", [tie("XRP", "XRP", "XRP", "XRP", BLOCKED)])
    assert blocked.objection("XRP", may_end=True)
