"""What the control port shows, and the official exchange rate in two independent shapes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from exchanges.simulator.core.books import GENERATED, Book
from exchanges.simulator.core.catalog import Market
from exchanges.simulator.core.errors import UnavailableError
from exchanges.simulator.core.faults import Rule
from exchanges.simulator.core.numbers import plain
from exchanges.simulator.core.orders import OPEN
from exchanges.simulator.core.scenarios.library import played
from exchanges.simulator.core.values import VENUES
from exchanges.simulator.core.world import World

if TYPE_CHECKING:
    from exchanges.simulator.core.simulator import Simulator

Spec = dict[str, object]


def moment(at_ms: int) -> str:
    """Write a wall instant as ISO 8601 in UTC."""
    return datetime.fromtimestamp(at_ms // 1000, tz=UTC).isoformat().replace("+00:00", "Z")


def accounts(simulator: Simulator, _spec: Spec) -> object:
    """Return keys, balances and deposit addresses; the transport adds the base URLs."""
    world = simulator.world
    return {
        "generated": True,
        "seed": world.seed,
        "stretch": world.recording.name,
        "speed": plain(world.timeline.speed),
        "limits": simulator.limiter.is_on,
        "accounts": {
            venue: {"base_url": simulator.base_urls.get(venue, ""), **_account(world, venue)}
            for venue in VENUES
        },
    }


def _account(world: World, venue: str) -> dict[str, object]:
    key = next(key for key in world.keys.values() if key.venue == venue)
    return {
        "venue": venue,
        "access_key": key.access,
        "secret_key": key.secret,
        "balances": _balances(world, venue),
        "deposit_addresses": [
            {"asset": asset, "network": network, "address": address, "tag": tag}
            for (at, asset, network), (address, tag) in world.wallet.addresses.items()
            if at == venue
        ],
        "withdrawal_addresses": [asdict(row) for row in world.wallet.allowed.get(venue, [])],
    }


def _balances(world: World, venue: str) -> dict[str, dict[str, str]]:
    return {
        asset: {
            "free": plain(world.free(venue, asset)),
            "locked": plain(world.locked(venue, asset)),
        }
        for asset in world.vault.assets_at(venue)
    }


def balances(simulator: Simulator, _spec: Spec) -> object:
    """Return every account's balances and what is between them."""
    world = simulator.world
    between = {f"{place}": {} for place in ("chain.flight", "chain.lost")}  # type: dict[str, dict[str, str]]
    for (place, asset), held in world.vault.cells.items():
        if place in between and held:
            between[place][asset] = plain(held)
    return {**{venue: _balances(world, venue) for venue in VENUES}, **between}


def clock(simulator: Simulator, _spec: Spec) -> object:
    """Return both clocks."""
    world = simulator.world
    return {
        "wall_ms": world.wall_ms,
        "market_ms": world.market_ms,
        "recorded_at": moment(world.recording.recorded_ms(world.market_ms)),
        "speed": plain(world.timeline.speed),
        "frozen": world.timeline.is_frozen,
        "events": len(world.agenda.events),
    }


def markets(simulator: Simulator, _spec: Spec) -> object:
    """Return every market with its price, top of book, and what of it was recorded."""
    world = simulator.world
    tape = world.recording
    return {
        "stretch": tape.name,
        "description": tape.description,
        "recorded": tape.recorded,
        "generated": tape.generated,
        "markets": [_market(world, market) for market in world.markets.values()],
    }


def _market(world: World, market: Market) -> dict[str, object]:
    book = world.book(market)
    return {
        "venue": market.venue,
        "symbol": market.symbol,
        "base": market.base,
        "quote": market.quote,
        "price": plain(book.price),
        "price_generated": not world.recording.has_recorded(market.venue, market.base),
        "price_step": plain(world.price_step(market, book.price)),
        "quantity_step": plain(market.quantity_step),
        "min_notional": plain(market.min_notional),
        "taker_fee": plain(market.taker_fee),
        "depth": {
            "generated": book.origin == GENERATED,
            "origin": book.origin,
            "pinned": book.is_pinned,
            **_top(book),
        },
    }


def _top(book: Book) -> dict[str, object]:
    bid, ask = next(iter(book.bids), None), next(iter(book.asks), None)
    return {
        "best_bid": [plain(bid.price), plain(bid.quantity)] if bid else None,
        "best_ask": [plain(ask.price), plain(ask.quantity)] if ask else None,
    }


def orders(simulator: Simulator, _spec: Spec) -> object:
    """Return every accepted order and how often its client id was accepted."""
    world = simulator.world
    return [
        {
            "venue": venue,
            "client_order_id": order.client_order_id,
            "venue_order_id": order.venue_order_id,
            "symbol": order.symbol,
            "side": order.side,
            "state": order.state,
            "is_open": order.state == OPEN,
            "quantity": None if order.quantity is None else plain(order.quantity),
            "executed": plain(order.executed),
            "executed_notional": plain(order.executed_notional),
            "fee": plain(order.fee),
            "created_ms": order.created_ms,
            "acceptances": len(log.by_client.get(order.client_order_id or "", [order])),
        }
        for venue, log in world.orders.items()
        for order in log.by_id.values()
    ]


def transfers(simulator: Simulator, _spec: Spec) -> object:
    """Return withdrawals, chain transactions and deposits."""
    log = simulator.world.wallet
    return {
        "withdrawals": [asdict(row) for row in log.withdrawals.values()],
        "transactions": [asdict(row) for row in log.transactions.values()],
        "deposits": [asdict(row) for row in log.deposits.values()],
    }


def rule_view(rule: Rule) -> dict[str, object]:
    """Return a fault rule with how often it was looked at and fired."""
    return {**asdict(rule), "probability": plain(rule.probability)}


def scenario(simulator: Simulator, _spec: Spec) -> object:
    """Return the scenario that is played, which of its spells are under way, and what has struck."""
    play = simulator.world.play
    told = played(play.scenario)
    spells = told.spells
    return {
        "scenario": play.scenario,
        "about": told.about,
        "since_market_ms": play.since_market_ms,
        "running": [spells[index].does for index in sorted(play.running)],
        "spells": {spells[index].does: times for index, times in sorted(play.begun.items())},
        "faults": dict(sorted(simulator.faults.struck.items())),
    }


def faults(simulator: Simulator, _spec: Spec) -> object:
    """Return the fault rules in force."""
    return [rule_view(rule) for rule in simulator.faults.rules]


def journal(simulator: Simulator, spec: Spec) -> object:
    """Return journal rows after `since`."""
    return simulator.world.journal.since(int(str(spec.get("since", 0))))


def requests(simulator: Simulator, spec: Spec) -> object:
    """Return requests as they arrived after number `since`, signatures removed."""
    since = int(str(spec.get("since", 0)))
    return [asdict(seen) for seen in simulator.seen if seen.number > since]


def streams(simulator: Simulator, _spec: Spec) -> object:
    """Return the open WebSocket connections, and how many there were."""
    hub = simulator.streams
    return {
        "opened": hub.opened,
        "refused": hub.refused,
        "channels": [
            {"venue": row.venue, "name": row.name, "listeners": len(row.listeners)}
            for row in hub.channels.values()
        ],
        "sessions": [
            {
                "number": session.number,
                "venue": session.venue,
                "path": session.path,
                "private": session.is_private,
                "opened_ms": session.opened_ms,
                "subscriptions": session.wishes(),
                "received": session.received,
                "sent": session.sent,
            }
            for session in hub.sessions
        ],
    }


def invariants(simulator: Simulator, _spec: Spec) -> object:
    """Check conservation and locks over everything."""
    problems = simulator.problems()
    return {"ok": not problems, "problems": problems, "moves": simulator.world.vault.moves}


def _quote(world: World) -> tuple[Decimal, int]:
    """Return the official rate and the re-dated wall instant of its quotation."""
    if world.is_live:
        raise UnavailableError("books are live: let the desk read today's rates (KIMP_FX_*_URL)")
    rate, age_ms = world.recording.official(world.market_ms)
    return rate, world.wall_ms - int(age_ms / world.timeline.speed)


def fx_usdkrw(simulator: Simulator, _spec: Spec) -> object:
    """Return the official USD/KRW, its quotation re-dated along with the bars."""
    rate, quoted_ms = _quote(simulator.world)
    quoted_at = moment(quoted_ms)
    return {
        "base": "USD",
        "quote": "KRW",
        "rate": plain(rate),
        "source": "ECB (recorded)",
        "quoted_at": quoted_at,
        "date": quoted_at[:10],
    }


def fx_latest(simulator: Simulator, _spec: Spec) -> object:
    """Return the same rate in the shape of a public latest-rates service, as JSON numbers."""
    world = simulator.world
    rate, quoted_ms = _quote(world)
    due_ms = world.wall_ms + int(
        world.recording.official_due(world.market_ms) / world.timeline.speed
    )
    return {
        "result": "success",
        "provider": "kimp simulator (ECB, recorded)",
        "time_last_update_unix": quoted_ms // 1000,
        "time_last_update_utc": moment(quoted_ms),
        "time_next_update_unix": due_ms // 1000,
        "base_code": "USD",
        "rates": {"USD": 1, "KRW": rate},
    }


VIEWS: dict[str, Callable[[Simulator, Spec], object]] = {
    "/control/accounts": accounts,
    "/control/balances": balances,
    "/control/clock": clock,
    "/control/markets": markets,
    "/control/orders": orders,
    "/control/transfers": transfers,
    "/control/faults": faults,
    "/control/scenario": scenario,
    "/control/journal": journal,
    "/control/requests": requests,
    "/control/invariants": invariants,
    "/control/streams": streams,
    "/fx/usdkrw": fx_usdkrw,
    "/fx/v6/latest/USD": fx_latest,
}
