"""Accepts an order that passed the venue's checks: locks, walks the book, settles, rests or ends.

Korean venues take their fee in the quote asset (on top of a buy, out of a sale), Binance in the
asset received. Fees floor to eight decimals.
"""

from __future__ import annotations

from decimal import Decimal

from exchanges.simulator.core.books import Level
from exchanges.simulator.core.catalog import Market
from exchanges.simulator.core.numbers import EIGHT_PLACES, ZERO, ceil_to, floor_to, plain
from exchanges.simulator.core.orders import (
    BUY,
    CANCELLED,
    EXPIRED,
    FILLED,
    OPEN,
    Fill,
    Order,
)
from exchanges.simulator.core.prints import of_fill
from exchanges.simulator.core.values import BINANCE
from exchanges.simulator.core.world import World

# Generated books begin well within this share of the recorded price.
NEAR = Decimal("0.01")
BNB = "BNB"
BNB_DISCOUNT = Decimal("0.75")


def needed_lock(market: Market, order: Order) -> tuple[str, Decimal, Decimal]:
    """Return the asset to lock, how much, and the fee within it (buys in won)."""
    if order.side != BUY:
        return market.base, order.quantity or ZERO, ZERO
    notional = order.budget
    if notional is None:
        notional = (order.price or ZERO) * (order.quantity or ZERO)
    if not market.takes_fee_on_top:
        return market.quote, notional, ZERO
    fee = ceil_to(notional * market.taker_fee, EIGHT_PLACES)
    return market.quote, notional + fee, fee


def submit(world: World, market: Market, order: Order) -> None:
    """Lock, match and settle an order; the balance must have been checked."""
    accept(world, market, order)
    execute(world, market, order)


def accept(world: World, market: Market, order: Order) -> None:
    """Lock what an order needs and record it."""
    asset, lock, order.reserved_fee = needed_lock(market, order)
    world.move(asset, lock, f"{order.venue}.free", f"{order.venue}.locked")
    order.held = lock
    world.orders[order.venue].add(order)
    world.fact(
        "order_accepted",
        venue=order.venue,
        venue_order_id=order.venue_order_id,
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        quantity=_text(order.quantity),
        price=_text(order.price),
        budget=_text(order.budget),
    )


def execute(world: World, market: Market, order: Order) -> None:
    """Match an accepted order, at once or when the latency that fills have is over."""
    if "rests" in world.override:
        order.time_in_force, order.is_asleep = "gtc", True
    if world.settings.fill_latency_ms:
        due_ms = world.market_ms + world.settings.fill_latency_ms
        world.agenda.plan(due_ms, "match", f"{order.venue}/{order.venue_order_id}")
    else:
        match(world, market, order)


def match_late(world: World, subject: str) -> None:
    """Match the order `venue/id` whose latency is over, unless it has ended since."""
    venue, _, order_id = subject.partition("/")
    order = world.orders[venue].by_id[order_id]
    if order.state == OPEN:
        match(world, world.markets[venue, order.symbol], order)


def match(world: World, market: Market, order: Order) -> None:
    """Match an accepted order with the book, then let it rest or end."""
    levels = facing(world, market, order)
    if order.time_in_force == "fok" and not _can_fill(order, levels):
        levels = []
    if order.time_in_force != "post_only":
        _take(world, market, order, levels)
    elif levels and crosses(order, levels[0].price):
        close(world, market, order, CANCELLED)
    _settle_end(world, market, order)


def _text(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)


def facing(world: World, market: Market, order: Order) -> list[Level]:
    """Return the side of the book that the order could take."""
    if world.override.get("no_liquidity"):
        return []
    book = world.book(market)
    return book.asks if order.side == BUY else book.bids


def crosses(order: Order, price: Decimal) -> bool:
    """Say whether the order may be executed at the price."""
    if order.price is None:
        return True
    return price <= order.price if order.side == BUY else price >= order.price


def _can_fill(order: Order, levels: list[Level]) -> bool:
    usable = [level for level in levels if crosses(order, level.price)]
    if order.quantity is not None:
        return sum((level.quantity for level in usable), ZERO) >= order.remaining
    total = sum((level.quantity * level.price for level in usable), ZERO)
    return total >= (order.budget or ZERO)


def would_cross(world: World, market: Market, order: Order) -> bool:
    """Say whether the order would take liquidity now."""
    levels = facing(world, market, order)
    return bool(levels) and crosses(order, levels[0].price)


def _take(world: World, market: Market, order: Order, levels: list[Level]) -> None:
    usual = world.override.get("rests", world.settings.partial_fill_ratio)
    ratio = world.override.get("fill_ratio", usual)
    limit = None if order.quantity is None else order.executed + order.remaining
    if limit is not None and isinstance(ratio, Decimal) and ratio < 1:
        limit = floor_to(limit * ratio, market.quantity_step)
    for level in levels:
        if level.quantity <= ZERO:
            continue
        if not crosses(order, level.price):
            break
        quantity = _wanted(market, order, level, limit)
        if quantity <= ZERO:
            break
        level.quantity -= quantity
        settle_fill(world, market, order, level.price, quantity)
    if order.fills:
        world.book(market).touch()


def _wanted(market: Market, order: Order, level: Level, limit: Decimal | None) -> Decimal:
    if limit is not None:
        return min(level.quantity, limit - order.executed)
    affordable = floor_to(order.budget_left / level.price, market.quantity_step)
    return min(level.quantity, affordable)


def settle_fill(
    world: World, market: Market, order: Order, price: Decimal, quantity: Decimal
) -> None:
    """Exchange the assets of one execution and take the fee."""
    notional = price * quantity
    fee_asset, fee = _fee(world, market, order, quantity, notional)
    if order.side == BUY:
        _exchange(world, order, (market.quote, notional), (market.base, quantity), fee_asset, fee)
    else:
        _exchange(world, order, (market.base, quantity), (market.quote, notional), fee_asset, fee)
    order.executed += quantity
    order.executed_notional += notional
    order.fee += fee
    order.updated_ms = world.wall_ms
    tick_ms = world.books.tick_ms
    number = world.prints.next_number(market, world.market_ms // tick_ms * tick_ms)
    fill = Fill(
        venue_trade_id=world.new_trade_id(order.venue, number),
        price=price,
        quantity=quantity,
        notional=notional,
        fee=fee,
        fee_asset=fee_asset,
        at_ms=world.wall_ms,
        number=number,
        is_maker=order.has_rested,
    )
    order.fills.append(fill)
    world.prints.add(market, of_fill(order, fill))
    _journal_fill(world, order, fill)


def _fee(
    world: World, market: Market, order: Order, quantity: Decimal, notional: Decimal
) -> tuple[str, Decimal]:
    if market.venue == BINANCE and world.settings.bnb_usdt is not None:
        discounted = notional * market.taker_fee * BNB_DISCOUNT
        fee = floor_to(discounted / world.settings.bnb_usdt, EIGHT_PLACES)
        if world.free(market.venue, BNB) >= fee:
            return BNB, fee
    if market.takes_fee_on_top or order.side != BUY:
        return market.quote, floor_to(notional * market.taker_fee, EIGHT_PLACES)
    return market.base, floor_to(quantity * market.taker_fee, EIGHT_PLACES)


def _exchange(
    world: World,
    order: Order,
    given: tuple[str, Decimal],
    got: tuple[str, Decimal],
    fee_asset: str,
    fee: Decimal,
) -> None:
    """Give what was locked, take the fee on top of it, out of what is got, or from beside."""
    venue = order.venue
    world.move(*given, f"{venue}.locked", f"{venue}.maker")
    order.held -= given[1]
    asset, quantity = got
    if fee_asset == asset:
        world.move(asset, fee, f"{venue}.maker", f"{venue}.fees")
        quantity -= fee
    elif fee_asset != given[0]:
        world.move(fee_asset, fee, f"{venue}.free", f"{venue}.fees")
    else:
        world.move(fee_asset, fee, f"{venue}.locked", f"{venue}.fees")
        order.held -= fee
    world.move(asset, quantity, f"{venue}.maker", f"{venue}.free")


def _journal_fill(world: World, order: Order, fill: Fill) -> None:
    world.fact(
        "fill",
        venue=order.venue,
        venue_order_id=order.venue_order_id,
        price=plain(fill.price),
        quantity=plain(fill.quantity),
        fee=plain(fill.fee),
        fee_asset=fill.fee_asset,
    )


def _settle_end(world: World, market: Market, order: Order) -> None:
    if order.state != OPEN:
        return
    if order.remaining == ZERO and _is_spent(world, market, order):
        close(world, market, order, FILLED)
    elif order.time_in_force in {"ioc", "fok"} or order.price is None:
        close(world, market, order, EXPIRED)
    else:
        _rest(world, market, order)


def _is_spent(world: World, market: Market, order: Order) -> bool:
    """Say whether a budget is used up: to the last digit in won, to the last step elsewhere."""
    if order.budget_left == ZERO or market.takes_fee_on_top or not order.executed:
        return order.budget_left == ZERO
    left = next((level for level in facing(world, market, order) if level.quantity > ZERO), None)
    return left is not None and order.budget_left < left.price * market.quantity_step


def _rest(world: World, market: Market, order: Order) -> None:
    book = world.book(market)
    own_side = book.bids if order.side == BUY else book.asks
    order.queue_ahead = sum(
        (level.quantity for level in own_side if level.price == order.price), ZERO
    )
    order.has_rested = True
    watch(world, market)


def watch(world: World, market: Market) -> None:
    """Plan a look at the market's resting orders at the next tick, once."""
    key = (market.venue, market.symbol)
    if key in world.watched:
        return
    world.watched.add(key)
    next_tick = (world.market_ms // world.books.tick_ms + 1) * world.books.tick_ms
    world.agenda.plan(next_tick, "book_tick", f"{market.venue}/{market.symbol}")


def match_resting(world: World, market: Market) -> None:
    """Fill resting orders of a market that the present book reaches, oldest first."""
    world.watched.discard((market.venue, market.symbol))
    resting = [
        order
        for order in world.orders[market.venue].open_orders()
        if order.symbol == market.symbol and order.has_rested and not order.is_asleep
    ]
    for order in resting:
        if not _is_near(world, market, order):
            continue
        _fill_resting(world, market, order)
        if order.remaining == ZERO:
            close(world, market, order, FILLED)
    if any(order.state == OPEN for order in resting):
        watch(world, market)


def _is_near(world: World, market: Market, order: Order) -> bool:
    """Say whether the book could reach the order, without making the book."""
    book = world.books.current.get((market.venue, market.symbol))
    if order.price is None or (book is not None and book.is_pinned):
        return True
    price = world.price(market.venue, market.base)
    reach = price * NEAR
    return order.price >= price - reach if order.side == BUY else order.price <= price + reach


def _fill_resting(world: World, market: Market, order: Order) -> None:
    for level in facing(world, market, order):
        if order.price is None or order.remaining == ZERO or not crosses(order, level.price):
            return
        printed = level.quantity
        level.quantity = ZERO
        world.book(market).touch()
        if level.price == order.price:
            waited = min(order.queue_ahead, printed)
            order.queue_ahead -= waited
            printed -= waited
        quantity = min(printed, order.remaining)
        if quantity > ZERO:
            settle_fill(world, market, order, order.price, quantity)


def close(world: World, market: Market, order: Order, state: str) -> None:
    """End an order and unlock what it still holds."""
    if order.state != OPEN:
        return
    asset = market.quote if order.side == BUY else market.base
    order.shown_locked = order.held if state != FILLED else ZERO
    world.move(asset, order.held, f"{order.venue}.locked", f"{order.venue}.free")
    order.held = ZERO
    order.state = state
    order.updated_ms = world.wall_ms
    world.orders[order.venue].open_ids.pop(order.venue_order_id, None)
    world.fact(
        "order_closed",
        venue=order.venue,
        venue_order_id=order.venue_order_id,
        state=state,
        executed=plain(order.executed),
    )


def complete(world: World, market: Market, order: Order) -> None:
    """Fill the rest of a resting order at its own price (a fill that races a cancel)."""
    if order.price is not None and order.remaining > ZERO:
        settle_fill(world, market, order, order.price, order.remaining)
    close(world, market, order, FILLED)
