"""How the Korean venues trade and move an asset: minima, fees, wallet states, limits. Pure."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec

from exchanges.transport.decoding import or_zero, required
from exchanges.transport.reading import decode
from exchanges.values import Market, MarketRules, NetworkRules

QUANTITY_STEP = Decimal("0.00000001")
PriceSteps = tuple[tuple[Decimal, Decimal], ...]
# Neither API says which networks want a memo; these do by design.
MEMO_NETWORKS = frozenset({"XRP", "XLM", "EOS", "ATOM", "HBAR", "STX", "TON"})
WITHDRAW_STATES = frozenset({"working", "withdraw_only"})
DEPOSIT_STATES = frozenset({"working", "deposit_only"})


def steps(*rows: tuple[str, str]) -> PriceSteps:
    """Write a table of (from price, step), highest first."""
    return tuple((Decimal(floor), Decimal(step)) for floor, step in rows)


def limit(value: Decimal | None, name: str) -> Decimal | None:
    """Read a limit; none, or nothing, is no limit."""
    return None if value is None else required(value, name) or None


class Side(msgspec.Struct):
    """One side's terms; `price_unit` is Bithumb's."""

    min_total: Decimal | None = None
    price_unit: Decimal | None = None


class ChanceMarket(msgspec.Struct):
    """The market's part of `orders/chance`."""

    bid: Side
    ask: Side
    max_total: Decimal | None = None
    state: str | None = None


class Chance(msgspec.Struct):
    """What the account may do in a market."""

    bid_fee: Decimal
    ask_fee: Decimal
    market: ChanceMarket

    def rules(self, venue: str, market: Market, steps: PriceSteps, now: datetime) -> MarketRules:
        """Give the market's rules; the higher of both sides' minima and fees counts."""
        sides = (self.market.bid, self.market.ask)
        return MarketRules(
            venue=venue,
            market=market,
            price_steps=steps,
            quantity_step=QUANTITY_STEP,
            minimum_notional=max(or_zero(side.min_total, "min_total") for side in sides),
            maximum_notional=limit(self.market.max_total, "max_total"),
            taker_fee_rate=max(
                required(self.bid_fee, "bid_fee"), required(self.ask_fee, "ask_fee")
            ),
            buy_fee_in_quote=True,
            is_open=self.market.state in {None, "active"},
            fetched_at=now,
        )


class _Wallet(msgspec.Struct):
    currency: str
    wallet_state: str
    net_type: str | None = None
    block_state: str | None = None


def wallets(body: bytes, asset: str) -> dict[str, str]:
    """Read the wallet state of each of the asset's networks; one whose node is down reads paused."""
    rows = [row for row in decode(body, list[_Wallet]) if row.currency == asset and row.net_type]
    return {
        row.net_type: "paused" if row.block_state == "inactive" else row.wallet_state
        for row in rows
        if row.net_type and row.wallet_state != "unsupported"
    }


class ChanceCurrency(msgspec.Struct):
    """The asset's part of `withdraws/chance`."""

    withdraw_fee: Decimal | None = None


class WithdrawLimit(msgspec.Struct):
    """The account's part of `withdraws/chance`; `fixed` counts decimals, `onetime` is the most at once."""

    minimum: Decimal | None = None
    onetime: Decimal | None = None
    fixed: int | None = None
    can_withdraw: bool | None = None


class Receiving(msgspec.Struct, frozen=True, kw_only=True):
    """What is told of deposits on one network, where anything is."""

    is_open: bool = True
    minimum: Decimal | None = None
    confirmations: int | None = None


class WithdrawChance(msgspec.Struct):
    """What may be withdrawn on one network, and what it costs."""

    currency: ChanceCurrency
    withdraw_limit: WithdrawLimit

    @property
    def step(self) -> Decimal:
        """Give the step of a withdrawal; eight decimals unless told."""
        fixed = self.withdraw_limit.fixed
        return Decimal(1).scaleb(-(8 if fixed is None else min(max(fixed, 0), 18)))

    def rules(
        self,
        venue: str,
        asset: str,
        network: str,
        state: str,
        *,
        receiving: Receiving = Receiving(),  # noqa: B008  frozen
        now: datetime,
    ) -> NetworkRules:
        """Give the network's rules; every source must agree that it is open."""
        terms = self.withdraw_limit
        return NetworkRules(
            venue=venue,
            asset=asset,
            network=network,
            withdraw_is_open=state in WITHDRAW_STATES and terms.can_withdraw is not False,
            deposit_is_open=state in DEPOSIT_STATES and receiving.is_open,
            withdraw_fee=required(self.currency.withdraw_fee, "withdraw_fee"),
            withdraw_minimum=or_zero(terms.minimum, "minimum"),
            withdraw_maximum=limit(terms.onetime, "onetime"),
            withdraw_step=self.step,
            deposit_minimum=receiving.minimum,
            memo_is_required=network in MEMO_NETWORKS,
            confirmations=receiving.confirmations,
            fetched_at=now,
        )
