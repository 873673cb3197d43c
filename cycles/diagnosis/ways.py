"""How assets travel between two venues: networks common to both, wallets open, addresses registered both ways.

By what was last fetched (`sync_markets`): a read that would make a venue create an address is not sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from cycles.diagnosis.findings import Finding, amiss, doubtful, spoken, well
from exchanges import destinations, reference, registry
from exchanges.market_sync import ASSETS, markets_at
from exchanges.models import AllowedDestination, MarketRule, NetworkRule
from exchanges.values import NetworkRules

SYNC = "run manage.py sync_markets; the worker does so by itself"
ROUTES = "allow a route in the admin (Transfer routes), or run manage.py sync_markets"
ADDRESSES = "see the address book: manage.py addresses"
IDENTITIES = "see what the venue lists and prove it: manage.py identities"
WAIT = "nothing to do but to wait: no cycle takes this way until the venue opens it"
Known = dict[tuple[str, str], dict[str, NetworkRules]]


def of_rules(now: datetime) -> Iterator[Finding]:
    """Say whether what each venue told is fresh enough: markets, networks, and whom it lets us send to."""
    for venue in registry.desk_venues():
        told = dict(MarketRule.objects.filter(venue=venue).values_list("market", "fetched_at"))
        missing = [market.code for market in markets_at(venue) if market.code not in told]
        rows = NetworkRule.objects.filter(venue=venue, asset__in=ASSETS)
        moves = {f"{row.asset} on {row.network}": row.fetched_at for row in rows}
        allowed = AllowedDestination.objects.filter(sender=venue).select_related("address")
        ends = {row.address.code: min(row.fetched_at, row.address.fetched_at) for row in allowed}
        yield _rules(f"rules {venue}", told | moves | ends, missing, now)


def _rules(
    subject: str, fetched: dict[str, datetime], missing: list[str], now: datetime
) -> Finding:
    old = [what for what, at in fetched.items() if now - at > reference.OLDEST]
    if missing or old or not fetched:
        limit = spoken(reference.OLDEST)
        parts = [f"never fetched: {_few(missing)}"] if missing or not fetched else []
        parts += [f"older than {limit}: {_few(old)}"] if old else []
        return amiss(subject, "; ".join(parts), SYNC)
    age = max(now - at for at in fetched.values())
    return well(
        subject, f"{len(fetched)} markets, networks and destinations, the oldest {spoken(age)} old"
    )


def _few(names: list[str]) -> str:
    shown = ", ".join(sorted(names)[:3]) or "anything"
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown


def of_ways(korea: str) -> Iterator[Finding]:
    """Give a line for each asset between the venue abroad and a Korean one, and one for a way that none takes."""
    known: Known = {}
    for row in reference.known_networks():
        known.setdefault((row.venue, row.asset), {})[row.network] = row
    ends = ((registry.GLOBAL_VENUE, korea), (korea, registry.GLOBAL_VENUE))
    hindered = {way: _hindered(*way, known) for way in ends}
    for asset in ASSETS:
        common = sorted(set.intersection(*(set(known.get((end, asset), {})) for end in ends[0])))
        yield from _of_asset(asset, common, [line for way in ends for line in hindered[way][asset]])
    for source, target in ends:
        if all(hindered[source, target].values()):
            told = f"no asset can travel from {source} to {target} now"
            yield amiss("ways", told, "mend the lines above: no cycle begins until one can")


def _hindered(source: str, target: str, known: Known) -> dict[str, list[Finding]]:
    """Give what hinders each asset on one way, by its quickest route."""
    routes = reference.quickest_networks(source, target)
    barred = destinations.barred_ways(source, target)
    found: dict[str, list[Finding]] = {}
    for asset in ASSETS:
        if asset not in routes:
            told = f"no allowed route from {source} to {target}"
            found[asset] = [amiss(asset, told, ROUTES)]
            continue
        found[asset] = list(_closed(asset, source, target, routes[asset], known))
        if asset in barred:
            cure = IDENTITIES if "registry of assets" in barred[asset] else ADDRESSES
            found[asset].append(amiss(asset, barred[asset], cure))
    return found


def _of_asset(asset: str, common: list[str], hindered: list[Finding]) -> Iterator[Finding]:
    """Give what hinders an asset, or one line that says it may travel."""
    if not common:
        told = "the two venues know no network of it in common"
        yield amiss(asset, told, f"{SYNC}; then see both venues' wallet pages")
    elif hindered:
        yield from hindered
    else:
        told = "open both ways, addresses confirmed and allowed both ways"
        yield well(asset, f"{told}; networks in common: {', '.join(common)}")


def _closed(asset: str, source: str, target: str, network: str, known: Known) -> Iterator[Finding]:
    """Say which wallet is closed on a way, as its venue last told."""
    sending = known.get((source, asset), {}).get(network)
    taking = known.get((target, asset), {}).get(network)
    if sending is None or not sending.withdraw_is_open:
        yield doubtful(asset, f"withdrawals by {network} are closed at {source}", WAIT)
    if taking is None or not taking.deposit_is_open:
        yield doubtful(asset, f"deposits by {network} are closed at {target}", WAIT)
