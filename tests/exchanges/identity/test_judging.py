"""What a venue's name is, by facts alone: the traps of tickers, networks and contracts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from exchanges.identity import known
from exchanges.identity.judging import changed, disguised, judge
from exchanges.identity.listed import Standing, spelled_contract
from exchanges.values import Listing

USDT = Listing(
    venue="binance",
    symbol="USDT",
    network="TRX",
    title="TetherUS",
    network_title="Tron (TRC20)",
    contract="TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t",
)
XRP = Listing(
    venue="upbit",
    symbol="XRP",
    network="XRP",
    title="Ripple",
    network_title="XRP Ledger",
    contract=None,
)


@pytest.mark.parametrize(
    "listing", [USDT, XRP, replace(XRP, contract=""), replace(XRP, title="XRP")]
)
def test_what_agrees_with_every_fact_is_proven_and_names_its_source(listing: Listing) -> None:
    judgement = judge(listing)
    assert judgement.standing is Standing.PROVEN
    assert judgement.known is not None
    assert judgement.because == judgement.known.source
    assert judgement.known.asset == listing.symbol


@pytest.mark.parametrize(
    "listing",
    [
        replace(USDT, contract="TOtherContract"),  # one ticker, two coins
        replace(USDT, contract=""),  # a chain's own coin under the ticker of a token
        replace(XRP, title="XRP Classic"),  # a fork that kept the ticker
        replace(XRP, title=""),
        replace(USDT, network="BSC", network_title="BNB Smart Chain (BEP20)"),  # a pegged copy
        replace(USDT, network_title="BNB Smart Chain (BEP20)"),  # one spelling, another chain
        replace(USDT, network="TRC20"),  # a spelling that this venue does not use
        replace(USDT, symbol="USDTE"),
        replace(USDT, venue="elsewhere"),
        replace(XRP, symbol="LUNA", title="Terra"),
    ],
)
def test_what_differs_in_one_fact_is_unproven_and_says_in_which(listing: Listing) -> None:
    judgement = judge(listing)
    assert judgement.standing is Standing.UNPROVEN
    assert judgement.known is None
    assert judgement.because


def test_a_wrapped_coin_under_a_chains_ticker_is_not_the_coin() -> None:
    pegged = Listing(
        venue="binance", symbol="ETH", network="BSC", title="Ethereum",
        network_title="BNB Smart Chain (BEP20)", contract="0x2170ed0880ac9a755fd29b2688956bd959f933f8",
    )  # fmt: skip
    assert judge(pegged).standing is Standing.UNPROVEN


def test_another_contract_is_another_coin_and_blocks() -> None:
    moved = changed(USDT, replace(USDT, contract="TNewContract"))
    assert moved is not None
    assert moved[0] is Standing.BLOCKED
    assert "TR7N" in moved[1]
    assert "TNewContract" in moved[1]
    assert changed(XRP, replace(XRP, contract="0xnew")) is None  # told for the first time: judged


@pytest.mark.parametrize(
    "now", [replace(USDT, title="USDT Classic"), replace(USDT, network_title="TRX2")]
)
def test_another_name_withdraws_a_proof(now: Listing) -> None:
    change = changed(USDT, now)
    assert change is not None
    assert change[0] is Standing.UNPROVEN


def test_a_contract_that_is_told_no_more_withdraws_a_proof() -> None:
    change = changed(USDT, replace(USDT, contract=None))
    assert change is not None
    assert change[0] is Standing.UNPROVEN
    assert changed(USDT, USDT) is None


def test_a_known_contract_under_another_ticker_is_noticed() -> None:
    renamed = replace(USDT, symbol="USDT0")
    found = disguised(renamed)
    assert found is not None
    assert found.asset == "USDT"
    assert disguised(USDT) is None
    assert disguised(replace(renamed, contract="TOther")) is None
    assert disguised(replace(XRP, symbol="XRP2", contract="")) is None  # native coins have none


def test_contracts_are_compared_in_one_spelling() -> None:
    assert spelled_contract(" 0xDAC17F958D2EE523A2206206994597C13D831EC7") == (
        "0xdac17f958d2ee523a2206206994597c13d831ec7"
    )
    assert spelled_contract(USDT.contract or "") == USDT.contract  # base58 is not


def test_the_shipped_facts_keep_one_coin_behind_one_asset() -> None:
    coins = [(row.network, row.contract) for row in known.KNOWN]
    assert len(coins) == len(set(coins))
    assert len(known.BY_CHAIN) == len(known.KNOWN)
    for row in known.KNOWN:
        assert row.network in known.CHAINS
        assert row.network in known.NETWORK_TITLES
        assert row.asset in known.TITLES
        assert row.source
        assert row.contract == spelled_contract(row.contract)
