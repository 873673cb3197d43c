"""The control port: change the world, and read what truly happened.

Control requests are not the venues' protocol; money is written as strings, times as wall
milliseconds. Books and rates that were generated rather than recorded say `generated: true`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from exchanges.simulator.core import (
    changes,
    control_chain,
    control_keys,
    control_listings,
    control_live,
    control_settings,
    control_views,
    matching,
)
from exchanges.simulator.core.books import SET, Book, ladder_from
from exchanges.simulator.core.catalog import Market
from exchanges.simulator.core.chain import AllowedAddress
from exchanges.simulator.core.errors import UnavailableError
from exchanges.simulator.core.genesis import set_speed
from exchanges.simulator.core.numbers import plain
from exchanges.simulator.core.scenarios import playing
from exchanges.simulator.core.scenarios.library import UnknownScenarioError
from exchanges.simulator.core.values import VENUES, Reply, Request, json_reply
from exchanges.simulator.core.vault import OUTSIDE
from exchanges.simulator.core.world import World

if TYPE_CHECKING:
    from exchanges.simulator.core.simulator import Simulator

Spec = dict[str, object]
Verb = Callable[["Simulator", Spec], object]


def answer(simulator: Simulator, request: Request) -> Reply:
    """Answer a control request: 404 for an unknown path, 400 with the reason for a bad one."""
    verb = VERBS.get((request.method, request.path))
    if verb is None:
        return json_reply({"error": f"no route {request.method} {request.path}"}, 404)
    try:
        spec = _spec(request)
        return json_reply(verb(simulator, spec))
    except UnknownScenarioError as error:
        return json_reply({"error": str(error)}, 400)
    except UnavailableError as error:
        return json_reply({"error": str(error)}, 503)
    except (ValueError, TypeError, KeyError, InvalidOperation, re.error) as error:
        return json_reply({"error": _sentence(error)}, 400)


def _sentence(error: Exception) -> str:
    """Say what is wrong with a request, in words instead of Python's."""
    if isinstance(error, json.JSONDecodeError):
        return f"the body is not JSON: {error.msg} at character {error.pos}"
    if isinstance(error, KeyError):
        named = error.args[0] if error.args else ""
        shown = " ".join(map(str, named)) if isinstance(named, tuple) else str(named)
        return f"{shown}: missing here, or nothing that the simulator knows"
    if isinstance(error, InvalidOperation):
        return "a value that must be a number is none"
    if isinstance(error, re.error):
        return f"a pattern cannot be read: {error}"
    if isinstance(error, TypeError):
        return "a value is of the wrong kind"
    return str(error).replace("invalid literal for int() with base 10:", "not a whole number:")


def _spec(request: Request) -> Spec:
    spec: Spec = dict(parse_qsl(request.query))
    if request.body:
        given = json.loads(request.body, parse_float=Decimal)
        if not isinstance(given, dict):
            raise ValueError("the body is a JSON object")
        spec |= given
    return spec


def _text(spec: Spec, *names: str) -> str:
    for name in names:
        if name in spec:
            return str(spec[name])
    raise KeyError(names[0])


def _venue(spec: Spec) -> str:
    venue = _text(spec, "venue")
    if venue not in VENUES:
        raise ValueError(f"unknown venue {venue}")
    return venue


def _reset(simulator: Simulator, spec: Spec) -> object:
    world = simulator.world
    was_live = world.is_live
    simulator.begin(
        int(str(spec.get("seed", world.seed))),
        world.recording,
        Decimal(str(spec.get("speed", world.timeline.speed))),
        world.wall_ms,
        str(spec.get("scenario", world.play.scenario)),
    )
    if was_live:  # never a book of the stretch in between
        control_live.switch(simulator.world, is_on=True)
    return control_views.accounts(simulator, spec)


def _clock(simulator: Simulator, spec: Spec) -> object:
    world = simulator.world
    if "speed" in spec:
        set_speed(world, Decimal(str(spec["speed"])))
    if "freeze" in spec:
        world.timeline.rebase()
        world.timeline.is_frozen = bool(spec["freeze"])
        _watch_all(world)
    world.fact("clock_changed", change={name: str(value) for name, value in spec.items()})
    if "advance_ms" in spec:
        world.timeline.rebase(jump_ms=int(str(spec["advance_ms"])))
        simulator.advance_to(world.wall_ms)
    return control_views.clock(simulator, spec)


def _watch_all(world: World) -> None:
    for venue, log in world.orders.items():
        for order in log.open_orders():
            matching.watch(world, world.markets[venue, order.symbol])


def _balances(simulator: Simulator, spec: Spec) -> object:
    world, venue, asset = simulator.world, _venue(spec), _text(spec, "asset", "coin", "currency")
    free = f"{venue}.free"
    if "free" in spec:
        change = Decimal(str(spec["free"])) - world.free(venue, asset)
    else:
        change = Decimal(_text(spec, "credit"))
    if change >= 0:
        world.move(asset, change, OUTSIDE, free)
    else:
        world.move(asset, -change, free, OUTSIDE)
    if "delayed_ms" in spec:  # a bank transfer whose worth may not leave yet
        until_ms = world.market_ms + int(_text(spec, "delayed_ms"))
        world.wallet.delayed_krw.append((change, until_ms))
    world.fact("balance_set", venue=venue, asset=asset, change=plain(change))
    return control_views.balances(simulator, spec)


def _market(world: World, spec: Spec) -> Market:
    return world.markets[_venue(spec), _text(spec, "symbol", "market")]


def _book(simulator: Simulator, spec: Spec) -> object:
    world = simulator.world
    market = _market(world, spec)
    if spec.get("unpin"):
        world.books.unpin(market)
    elif "mid" in spec:
        world.books.put(market, _book_around(world, market, spec))
    else:
        bids = ladder_from(_rows(spec["bids"]), is_bid=True)
        asks = ladder_from(_rows(spec["asks"]), is_bid=False)
        price = bids[0].price if bids else asks[0].price
        tick = world.market_ms // world.books.tick_ms
        world.books.put(market, Book(tick, price, bids, asks, is_pinned=True, origin=SET))
    world.fact("book_set", venue=market.venue, symbol=market.symbol)
    matching.match_resting(world, market)
    return {"venue": market.venue, "symbol": market.symbol}


def _rows(rows: object) -> list[tuple[Decimal, Decimal]]:
    if not isinstance(rows, list):
        raise TypeError("bids and asks are lists of [price, quantity]")
    return [(Decimal(str(row[0])), Decimal(str(row[1]))) for row in rows]


def _book_around(world: World, market: Market, spec: Spec) -> Book:
    mid = Decimal(str(spec["mid"]))
    half = mid * Decimal(str(spec.get("spread_bps", 2))) / 20000
    quantity = Decimal(str(spec.get("quantity", 1000)))
    step = world.price_step(market, mid)
    bid, ask = (mid - half) // step * step, -(-(mid + half) // step) * step
    return Book(
        world.market_ms // world.books.tick_ms,
        mid,
        ladder_from([(bid - step * n, quantity) for n in range(30)], is_bid=True),
        ladder_from([(ask + step * n, quantity) for n in range(30)], is_bid=False),
        is_pinned=True,
        origin=SET,
    )


def _wallet(simulator: Simulator, spec: Spec) -> object:
    venue, asset = _venue(spec), _text(spec, "coin", "asset")
    terms = changes.change_wallet(simulator.world, spec)
    return {"venue": venue, "asset": asset, "deposit": terms.can_deposit,
            "withdraw": terms.can_withdraw}  # fmt: skip


def _rules(simulator: Simulator, spec: Spec) -> object:
    market = changes.change_market(simulator.world, {**spec, "venue": _venue(spec)})
    return {"venue": market.venue, "symbol": market.symbol, "is_open": market.is_open}


def _allow(simulator: Simulator, spec: Spec) -> object:
    entry = AllowedAddress(
        asset=_text(spec, "asset", "coin"), network=_text(spec, "network", "net"),
        address=_text(spec, "address"), tag=str(spec.get("tag", "")),
        owner=str(spec.get("owner", "somebody")),
    )  # fmt: skip
    simulator.world.wallet.allowed.setdefault(_venue(spec), []).append(entry)
    simulator.world.fact("address_allowed", venue=_venue(spec), asset=entry.asset)
    return {"allowed": len(simulator.world.wallet.allowed[_venue(spec)])}


def _maintenance(simulator: Simulator, spec: Spec) -> object:
    changes.change_maintenance(simulator.world, {**spec, "venue": _venue(spec)})
    return simulator.world.maintenance


def _skew(simulator: Simulator, spec: Spec) -> object:
    changes.change_skew(simulator.world, {**spec, "venue": _venue(spec)})
    return simulator.world.skew_ms


def _scenario(simulator: Simulator, spec: Spec) -> object:
    playing.adopt(simulator, _text(spec, "name"))
    return control_views.scenario(simulator, spec)


def _add_fault(simulator: Simulator, spec: Spec) -> object:
    return control_views.rule_view(simulator.faults.add(spec))


def _clear_faults(simulator: Simulator, spec: Spec) -> object:
    number = int(str(spec.get("rule", 0)))
    rules, label = simulator.faults.rules, str(spec.get("label", ""))
    if label:
        simulator.faults.lift(label)
    else:
        rules[:] = [rule for rule in rules if number and rule.number != number]
    return control_views.faults(simulator, spec)


VERBS: dict[tuple[str, str], Verb] = {
    ("POST", "/control/reset"): _reset,
    ("POST", "/control/clock"): _clock,
    ("POST", "/control/balances"): _balances,
    ("POST", "/control/book"): _book,
    ("POST", "/control/live"): control_live.steer,
    ("POST", "/control/wallet"): _wallet,
    ("POST", "/control/market"): _rules,
    ("POST", "/control/chain"): control_chain.steer,
    ("POST", "/control/addresses"): _allow,
    ("POST", "/control/keys"): control_keys.change,
    ("POST", "/control/rotate"): control_listings.rotate,
    ("POST", "/control/listing"): control_listings.relist,
    ("POST", "/control/maintenance"): _maintenance,
    ("POST", "/control/skew"): _skew,
    ("POST", "/control/scenario"): _scenario,
    ("POST", "/control/settings"): control_settings.change,
    ("GET", "/control/settings"): control_settings.show,
    ("POST", "/control/network"): control_settings.congest,
    ("POST", "/control/faults"): _add_fault,
    ("DELETE", "/control/faults"): _clear_faults,
    **{("GET", path): view for path, view in control_views.VIEWS.items()},
}
