"""What is known of the desk's assets for certain, with its source: shipped, and proof enough by itself.

An asset is a code, a chain and a contract; a ticker is only what a venue calls it. What is not in
these tables is proven by a person, or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass

FIAT = frozenset({"KRW"})  # has no chain, and one meaning at every venue

# our code of a chain: its name
CHAINS = {
    "BTC": "Bitcoin",
    "ETH": "Ethereum",
    "XRP": "XRP Ledger",
    "SOL": "Solana",
    "TRX": "Tron",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownAsset:
    """An asset on a chain; an empty contract: it is the chain's own coin."""

    asset: str
    network: str
    contract: str = ""
    decimals: int
    source: str


KNOWN = (
    KnownAsset(
        asset="BTC", network="BTC", decimals=8, source="bitcoin.org, whitepaper and BIP 176"
    ),
    KnownAsset(asset="ETH", network="ETH", decimals=18, source="ethereum.org, yellow paper"),
    KnownAsset(asset="XRP", network="XRP", decimals=6, source="xrpl.org, currency formats"),
    KnownAsset(asset="SOL", network="SOL", decimals=9, source="solana.com, lamports"),
    KnownAsset(
        asset="USDT",
        network="TRX",
        contract="TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t",
        decimals=6,
        source="tether.to, supported protocols",
    ),
    KnownAsset(
        asset="USDT",
        network="ETH",
        contract="0xdac17f958d2ee523a2206206994597c13d831ec7",
        decimals=6,
        source="tether.to, supported protocols",
    ),
)
BY_CHAIN = {(row.asset, row.network): row for row in KNOWN}
CONTRACTS = {(row.network, row.contract): row for row in KNOWN if row.contract}

# How venues call the assets in words; compared without regard to case.
TITLES = {
    "BTC": frozenset({"bitcoin"}),
    "ETH": frozenset({"ethereum"}),
    "XRP": frozenset({"xrp", "ripple"}),
    "SOL": frozenset({"solana"}),
    "USDT": frozenset({"tether", "tetherus", "tether usdt"}),
}
NETWORK_TITLES = {
    "BTC": frozenset({"bitcoin"}),
    "ETH": frozenset({"ethereum", "ethereum (erc20)", "erc20"}),
    "XRP": frozenset({"xrp", "ripple", "xrp ledger"}),
    "SOL": frozenset({"solana"}),
    "TRX": frozenset({"tron", "tron (trc20)", "trc20"}),
}

# venue: how it spells the chains. One chain has many spellings, and one spelling many chains (BEP20 and
# ERC20 addresses look the same), so that only those listed for a venue count there.
_BY_OUR_CODES = {code: code for code in CHAINS}
SPELLINGS: dict[str, dict[str, str]] = {
    "binance": _BY_OUR_CODES,
    "upbit": _BY_OUR_CODES,
    "bithumb": _BY_OUR_CODES,
}
# (venue, symbol): our code, where a venue's ticker is another than ours
TICKERS: dict[tuple[str, str], str] = {}


def asset_called(venue: str, symbol: str) -> str | None:
    """Give the asset that a venue's ticker is shipped as; None for a ticker nobody knows."""
    if (venue, symbol) in TICKERS:
        return TICKERS[venue, symbol]
    return symbol if symbol in TITLES and symbol not in _renamed(venue) else None


def ticker_of(venue: str, asset: str) -> str:
    """Give a venue's ticker of an asset, as shipped: our own code where nothing else is known."""
    renamed = (symbol for (at, symbol), code in TICKERS.items() if (at, code) == (venue, asset))
    return next(renamed, asset)


def _renamed(venue: str) -> set[str]:
    """Give the assets that a venue calls otherwise: their codes mean something else there."""
    return {code for (at, _symbol), code in TICKERS.items() if at == venue}


def spelling_of(venue: str, network: str) -> str:
    """Give a venue's spelling of a chain, as shipped."""
    spellings = SPELLINGS.get(venue, {}).items()
    return next((spelt for spelt, code in spellings if code == network), network)
