"""The steps of each passage, and the one order or withdrawal that a step sends next."""

from __future__ import annotations

import base64
import re
import string
import uuid
from dataclasses import dataclass
from decimal import Decimal

from cycles.domain.depth import walk_notional, walk_quantity
from cycles.domain.money import ONE, ceiled, floored, raised_by_bps
from cycles.domain.premium import STABLE
from cycles.domain.words import Passage, StepKind
from exchanges.values import Book, Market, MarketRules, NetworkRules, OrderRequest, Side

# A limit a little beyond the walked price, so that a book that ticks meanwhile still fills.
CUSHION_BPS = Decimal(5)
OWN_ID = re.compile(r"k([a-z2-7]{26})(\d{2})(\d{3}|[a-z][0-9a-z]{2})")
# From the thousandth attempt on it begins with a letter: base 36 less what three digits say.
PLAIN_ATTEMPTS, LETTERED_FROM = 1000, 10 * 36 * 36
MOST_ATTEMPTS = 26 * 36 * 36 + PLAIN_ATTEMPTS
DIGITS = string.digits + string.ascii_lowercase


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPlan:
    """A step to be written. `quote` is empty where it does not trade."""

    passage: Passage
    kind: StepKind
    venue: str
    to_venue: str = ""
    asset: str
    quote: str = ""
    network: str = ""


def outbound_steps(
    asset: str, *, global_venue: str, korea_venue: str, network: str
) -> tuple[StepPlan, ...]:
    """Plan USDT -> asset -> KRW; USDT itself needs no BUY."""
    steps = _carry(Passage.OUTBOUND, asset, global_venue, korea_venue, network, ("USDT", "KRW"))
    return steps[1:] if asset == STABLE else steps


def return_steps(
    asset: str, *, global_venue: str, korea_venue: str, network: str
) -> tuple[StepPlan, ...]:
    """Plan KRW -> asset -> USDT; USDT itself needs no SELL."""
    steps = _carry(Passage.RETURN, asset, korea_venue, global_venue, network, ("KRW", "USDT"))
    return steps[:-1] if asset == STABLE else steps


def _carry(
    passage: Passage, asset: str, origin: str, target: str, network: str, quotes: tuple[str, str]
) -> tuple[StepPlan, ...]:
    """Plan the four steps of one passage."""
    return (
        StepPlan(passage=passage, kind=StepKind.BUY, venue=origin, asset=asset, quote=quotes[0]),
        StepPlan(
            passage=passage,
            kind=StepKind.WITHDRAW,
            venue=origin,
            to_venue=target,
            asset=asset,
            network=network,
        ),
        StepPlan(
            passage=passage,
            kind=StepKind.DEPOSIT,
            venue=target,
            asset=asset,
            network=network,
        ),
        StepPlan(passage=passage, kind=StepKind.SELL, venue=target, asset=asset, quote=quotes[1]),
    )


def client_order_id(cycle_id: uuid.UUID, *, position: int, attempt: int, prefix: str = "k") -> str:
    """Give our id of a request: prefix, the cycle's UUID in base32, step, attempt; 32 characters."""
    if not (0 <= position < 100 and 0 <= attempt < MOST_ATTEMPTS):
        raise ValueError(f"step {position} attempt {attempt} does not fit a client order id")
    digits = base64.b32encode(cycle_id.bytes).decode().rstrip("=").lower()
    return f"{prefix}{digits}{position:02d}{_attempt_text(attempt)}"


def _attempt_text(attempt: int) -> str:
    """Write an attempt by three characters: who is turned away again and again has thousands."""
    if attempt < PLAIN_ATTEMPTS:
        return f"{attempt:03d}"
    number = attempt - PLAIN_ATTEMPTS + LETTERED_FROM
    return DIGITS[number // 36**2] + DIGITS[number // 36 % 36] + DIGITS[number % 36]


def _attempt_of(text: str) -> int:
    """Read an attempt back."""
    return int(text) if text.isdecimal() else int(text, 36) - LETTERED_FROM + PLAIN_ATTEMPTS


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class RequestName:
    """What a client order id of ours says: whose request it is, of which step, which attempt."""

    cycle_id: uuid.UUID
    position: int
    attempt: int


def request_named(order_id: str) -> RequestName | None:
    """Read an id of an order or withdrawal of ours back; None: it is not one."""
    found = OWN_ID.fullmatch(order_id)
    if found is None:
        return None
    digits, position, attempt = found.groups()
    padded = digits.upper() + "=" * (-len(digits) % 8)
    cycle_id = uuid.UUID(bytes=base64.b32decode(padded))
    name = RequestName(cycle_id=cycle_id, position=int(position), attempt=_attempt_of(attempt))
    # Of the last digit of base32 two bits are spare: what they say must be nothing.
    own = client_order_id(cycle_id, position=name.position, attempt=name.attempt)
    return name if own == order_id else None


def buy_order(
    book: Book,
    rules: MarketRules,
    *,
    spend: Decimal,
    max_slippage_bps: Decimal,
    order_id: str,
) -> OrderRequest | None:
    """Plan an order that spends at most `spend` of quote, fees included; None below the minimum.

    Quantity floors to the step. The limit price rises to what the book needs, within the slippage.
    """
    fee = rules.taker_fee_rate if rules.buy_fee_in_quote else Decimal(0)
    budget = spend / (ONE + fee)
    walk = walk_notional(book.asks, budget)
    if walk is None:
        return None
    ceiling = raised_by_bps(walk.best_price, max_slippage_bps)
    wanted = min(raised_by_bps(walk.worst_price, CUSHION_BPS), ceiling)
    price = ceiled(wanted, rules.price_step(wanted))
    if price > ceiling:
        price = max(floored(ceiling, rules.price_step(ceiling)), walk.best_price)
    quantity = floored(budget / price, rules.quantity_step)
    return _order(book.market, Side.BUY, quantity, price, rules, order_id)


def sell_order(
    book: Book,
    rules: MarketRules,
    *,
    quantity: Decimal,
    max_slippage_bps: Decimal,
    order_id: str,
) -> OrderRequest | None:
    """Plan an order that sells at most `quantity` of base; None below the venue's minimum."""
    walk = walk_quantity(book.bids, quantity)
    if walk is None:
        return None
    floor = raised_by_bps(walk.best_price, -max_slippage_bps)
    wanted = max(raised_by_bps(walk.worst_price, -CUSHION_BPS), floor)
    price = floored(wanted, rules.price_step(wanted))
    if price < floor:
        price = min(ceiled(floor, rules.price_step(floor)), walk.best_price)
    return _order(
        book.market, Side.SELL, floored(quantity, rules.quantity_step), price, rules, order_id
    )


def _order(
    market: Market,
    side: Side,
    quantity: Decimal,
    price: Decimal,
    rules: MarketRules,
    order_id: str,
) -> OrderRequest | None:
    """Give the order if it is worth at least the venue's minimum."""
    quantity = _capped(quantity, price, rules)
    if quantity <= 0 or quantity * price < rules.minimum_notional:
        return None
    return OrderRequest(
        market=market, side=side, quantity=quantity, limit_price=price, client_order_id=order_id
    )


def is_worthless(rules: MarketRules, left: Decimal, *, buys: bool) -> bool:
    """Say whether what is left, of quote or of base, is worth no order whatever the book says."""
    return left < (rules.minimum_notional if buys else rules.quantity_step)


def _capped(quantity: Decimal, price: Decimal, rules: MarketRules) -> Decimal:
    """Keep an order within the venue's largest; what is left over is the next order's."""
    most = [quantity]
    if rules.maximum_quantity is not None:
        most.append(rules.maximum_quantity)
    if rules.maximum_notional is not None and price > 0:
        most.append(rules.maximum_notional / price)
    return floored(min(most), rules.quantity_step)


def is_too_much(quantity: Decimal, rules: NetworkRules) -> bool:
    """Say whether a venue sends less than that at once."""
    return rules.withdraw_maximum is not None and quantity > rules.withdraw_maximum


def is_lost(quantity: Decimal, arrival: NetworkRules) -> bool:
    """Say whether a venue would not credit so little: what is below its minimum is gone."""
    return arrival.deposit_minimum is not None and quantity < arrival.deposit_minimum


def sendable_quantity(holding: Decimal, rules: NetworkRules) -> Decimal:
    """Give what can arrive of `holding` after the fee, floored to the network's step; 0 below its minimum."""
    quantity = floored(holding - rules.withdraw_fee, rules.withdraw_step)
    return quantity if quantity >= rules.withdraw_minimum and quantity > 0 else Decimal(0)
