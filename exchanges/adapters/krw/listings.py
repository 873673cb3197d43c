"""What the Korean venues list, in their own words: names of assets by market, networks by wallet. Pure.

Sources: docs.upbit.com and apidocs.bithumb.com, `market/all` and `status/wallet`. Neither tells contracts.
"""

from __future__ import annotations

import msgspec

from exchanges.transport.reading import decode
from exchanges.values import Listing


class _Market(msgspec.Struct):
    market: str
    english_name: str | None = None


class _Wallet(msgspec.Struct):
    currency: str
    net_type: str | None = None
    network_name: str | None = None


def listings(venue: str, markets: bytes, wallets: bytes) -> list[Listing]:
    """Put names and networks together; an asset without a market of its own has no name."""
    titles: dict[str, str] = {}
    for row in decode(markets, list[_Market]):
        titles.setdefault(row.market.rpartition("-")[2], row.english_name or "")
    return [
        Listing(
            venue=venue,
            symbol=row.currency,
            network=row.net_type,
            title=titles.get(row.currency, ""),
            network_title=row.network_name or "",
            contract=None,
        )
        for row in decode(wallets, list[_Wallet])
        if row.net_type
    ]
