"""Changes of a venue's own terms: markets, wallets, maintenance; by control, or as a request arrives."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from decimal import Decimal

from exchanges.simulator.core import matching
from exchanges.simulator.core.catalog import Market, Network, Wallet
from exchanges.simulator.core.numbers import plain
from exchanges.simulator.core.orders import EXPIRED
from exchanges.simulator.core.values import BINANCE, Request
from exchanges.simulator.core.world import World

Spec = Mapping[str, object]

AFTER = "after:"  # before the name of a change that waits until its request was accepted
FOR_EVER_MS = 10**15
_COARSER = 10
_DEARER = 2
_SUBJECTS = {
    "symbol": r"(?:symbol|market)",
    "asset": r"(?:coin|currency)",
    "network": r"(?:network|net_type)",
}


def aimed(args: Spec, request: Request) -> dict[str, object]:
    """Say what a change is about where its rule does not: the request's own market, asset, network."""
    text = f"{request.query}&{request.body.decode('utf-8', 'replace')}"
    found = {
        name: match[1]
        for name, words in _SUBJECTS.items()
        if (match := re.search(rf'\b{words}"?\s*[=:]\s*"?([^"&,}}]+)', text))
    }
    return {**found, **args, "venue": request.venue}


def apply(world: World, override: Mapping[str, object], *, accepted: bool) -> None:
    """Carry out the changes that rules want around a request: before it, or once it was accepted."""
    for action, change in _CHANGES.items():
        spec = override.get(AFTER + action if accepted else action)
        if isinstance(spec, Mapping):
            with suppress(KeyError):  # a request that names no market or network changes none
                change(world, spec)


def change_market(world: World, spec: Spec) -> Market:
    """Change a market's rules; a step ten times as coarse if nothing is named."""
    market = world.markets[str(spec["venue"]), str(spec.get("symbol") or spec["market"])]
    known = ("price_step", "quantity_step", "min_notional", "is_open")
    if not any(name in spec for name in known):
        step = world.price_step(market, world.book(market).price)
        spec = {**spec, "price_step": step * _COARSER}
    for name in known[:3]:
        if name in spec:
            setattr(market, name, Decimal(str(spec[name])))
    market.is_open = bool(spec.get("is_open", market.is_open))
    world.fact(
        "market_changed",
        venue=market.venue,
        symbol=market.symbol,
        price_step=plain(market.price_step) if market.price_step is not None else None,
        min_notional=plain(market.min_notional),
        is_open=market.is_open,
    )
    return market


def change_wallet(world: World, spec: Spec) -> Wallet:
    """Change a wallet's terms; `told` open lets every status go on telling the old ones.

    A fee twice as high if nothing is named.
    """
    venue, asset = str(spec["venue"]), str(spec.get("coin") or spec["asset"])
    terms = world.networks[asset, str(spec.get("net") or spec["network"])].wallets[venue]
    if not any(name in spec for name in ("deposit", "withdraw", "withdraw_fee", "withdraw_min")):
        spec = {**spec, "withdraw_fee": terms.withdraw_fee * _DEARER}
    terms.shown = (terms.can_deposit, terms.can_withdraw)
    terms.is_kept_quiet = spec.get("told") == "open"
    lag_ms = FOR_EVER_MS if terms.is_kept_quiet else world.settings.wallet_status_lag_ms
    terms.shown_until_ms = world.market_ms + lag_ms
    terms.can_deposit = bool(spec.get("deposit", terms.can_deposit))
    terms.can_withdraw = bool(spec.get("withdraw", terms.can_withdraw))
    terms.withdraw_fee = Decimal(str(spec.get("withdraw_fee", terms.withdraw_fee)))
    terms.withdraw_min = Decimal(str(spec.get("withdraw_min", terms.withdraw_min)))
    world.fact("wallet_changed", venue=venue, asset=asset, deposit=terms.can_deposit,
               withdraw=terms.can_withdraw)  # fmt: skip
    return terms


def change_maintenance(world: World, spec: Spec) -> bool:
    """Begin or end a venue's maintenance; Binance's resting orders expire with its beginning."""
    venue, is_on = str(spec["venue"]), bool(spec.get("on", True))
    world.maintenance[venue] = is_on
    world.fact("maintenance", venue=venue, on=is_on)
    if is_on and venue == BINANCE:
        for order in world.orders[venue].open_orders():
            matching.close(world, world.markets[venue, order.symbol], order, EXPIRED)
    return is_on


def change_network(world: World, spec: Spec) -> Network:
    """Let a network's blocks take so many times as long from the next one on."""
    network = world.networks[str(spec.get("coin", spec.get("asset"))), str(spec["net"])]
    multiplier = Decimal(str(spec["congestion"]))
    if multiplier <= 0:
        raise ValueError("the congestion is above zero; 1 is none")
    network.congestion = multiplier
    world.fact("congestion", asset=network.asset, network=network.network, times=plain(multiplier))
    return network


def change_skew(world: World, spec: Spec) -> int:
    """Set how far a venue's own clock is ahead, in milliseconds."""
    venue, milliseconds = str(spec["venue"]), int(str(spec["ms"]))
    world.skew_ms[venue] = milliseconds
    world.fact("skew", venue=venue, ms=milliseconds)
    return milliseconds


_CHANGES: dict[str, Callable[[World, Spec], object]] = {
    "market": change_market,
    "wallet": change_wallet,
    "maintenance": change_maintenance,
}
ACTIONS = frozenset(_CHANGES)
