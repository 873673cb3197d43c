"""One venue's names and ours, both ways, as one reading of the registry found them.

A name that is tied to nothing never comes out as a code of ours: it gets a question mark.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from exchanges.identity import known
from exchanges.identity.listed import Standing, Tie
from exchanges.sentences import Sentence
from exchanges.values import Market

FOREIGN = "?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Translates for one venue. Ties win over what is shipped, proven ones over those withdrawn."""

    venue: str
    symbols: dict[str, str] = field(default_factory=dict)  # asset: symbol
    assets: dict[str, str] = field(default_factory=dict)  # symbol: asset; "" for none
    spellings: dict[tuple[str, str], str] = field(default_factory=dict)  # asset, network: theirs
    networks: dict[tuple[str, str], str] = field(default_factory=dict)  # symbol, theirs: network
    standings: dict[tuple[str, str], Standing] = field(default_factory=dict)  # asset, network

    @property
    def is_known(self) -> bool:
        """Say whether the venue's list was ever read."""
        return bool(self.networks)

    def symbol(self, asset: str) -> str:
        """Give the venue's symbol of an asset."""
        if asset.endswith(FOREIGN):
            return asset.removesuffix(FOREIGN)
        return self.symbols.get(asset) or known.ticker_of(self.venue, asset)

    def asset(self, symbol: str) -> str:
        """Give our code of a symbol; one that is tied to no asset comes out as `SYMBOL?`."""
        if symbol in known.FIAT:
            return symbol
        if symbol in self.assets:
            return self.assets[symbol] or symbol + FOREIGN
        shipped = known.asset_called(self.venue, symbol)
        if shipped is not None:
            return shipped
        return symbol + FOREIGN if symbol in known.TITLES or symbol in self.symbols else symbol

    def spelling(self, asset: str, network: str) -> str:
        """Give the venue's name of a chain for an asset."""
        if network.endswith(FOREIGN):
            return network.removesuffix(FOREIGN)
        tied = self.spellings.get((asset, network))
        return tied or known.spelling_of(self.venue, network)

    def network(self, symbol: str, spelling: str) -> str:
        """Give our code of a venue's network for a symbol; a chain of ours only where that is known."""
        tied = self.networks.get((symbol, spelling))
        if tied is not None:
            return tied or _foreign_network(spelling)
        shipped = known.SPELLINGS.get(self.venue, {}).get(spelling)
        return shipped or _foreign_network(spelling)

    def market(self, market: Market) -> Market:
        """Give a market in the venue's symbols."""
        return Market(self.symbol(market.base), self.symbol(market.quote))

    def standing(self, asset: str, network: str | None = None) -> Standing:
        """Say how far a name is proven: of an asset on a chain, or as it is traded.

        Traded is what is proven on some chain and blocked on none.
        """
        if asset in known.FIAT:
            return Standing.PROVEN
        mine = {chain: state for (code, chain), state in self.standings.items() if code == asset}
        if Standing.BLOCKED in mine.values():
            return Standing.BLOCKED
        if network is not None:
            return mine.get(network, Standing.UNPROVEN)
        return Standing.PROVEN if Standing.PROVEN in mine.values() else Standing.UNPROVEN

    def objection(self, asset: str, network: str | None = None, *, may_end: bool = False) -> str:
        """Say why nothing may be begun with an asset here; nothing if it may.

        `may_end`: what has arrived may still be sold, unless its name is blocked.
        """
        standing = self.standing(asset, network)
        if standing is Standing.PROVEN or (may_end and standing is Standing.UNPROVEN):
            return ""
        return Sentence(
            "%(asset)s on %(network)s at %(venue)s is %(standing)s: see the registry of assets"
            if network
            else "%(asset)s at %(venue)s is %(standing)s: see the registry of assets",
            asset=asset,
            network=network,
            venue=self.venue,
            standing=Sentence(standing.value.lower()),
        )


def _foreign_network(spelling: str) -> str:
    return spelling + FOREIGN if spelling in known.CHAINS else spelling


def names_of(venue: str, ties: Iterable[Tie]) -> Names:
    """Put a venue's ties together; a proven one of a name comes last, and stays."""
    found = Names(venue=venue)
    ordered = sorted(ties, key=lambda one: one.standing is Standing.PROVEN)
    for tie in ordered:
        found.networks[tie.symbol, tie.venue_network] = tie.network
        if not tie.asset:
            found.assets.setdefault(tie.symbol, "")
            continue
        found.assets[tie.symbol] = tie.asset
        found.symbols[tie.asset] = tie.symbol
    for tie in ordered:
        # A symbol that the asset had before it was renamed has no say any more.
        if tie.asset and found.symbols[tie.asset] == tie.symbol:
            found.spellings[tie.asset, tie.network] = tie.venue_network
            found.standings[tie.asset, tie.network] = tie.standing
    return found
