"""Binance's routes about the account and its key: balances, commissions, counts, restrictions."""

from __future__ import annotations

from decimal import Decimal

from exchanges.simulator.core.binance import market as quotes
from exchanges.simulator.core.binance.orders import lag_ms
from exchanges.simulator.core.binance.params import Params
from exchanges.simulator.core.limits import Limiter
from exchanges.simulator.core.matching import BNB, BNB_DISCOUNT
from exchanges.simulator.core.numbers import fixed8, plain
from exchanges.simulator.core.values import BINANCE, Reply, json_reply
from exchanges.simulator.core.world import Key, World

_NOTHING = fixed8(Decimal(0))
EXTRAS = (
    "enableInternalTransfer",
    "enableMargin",
    "enableFutures",
    "permitsUniversalTransfer",
    "enableVanillaOptions",
    "enableFixApiTrade",
    "enableFixReadOnly",
    "enablePortfolioMarginTrading",
)


def _held(world: World, asset: str) -> tuple[Decimal, Decimal]:
    """Return free and locked as a read shows them, which may trail what happened."""
    since = world.wall_ms - lag_ms(world) if lag_ms(world) else world.wall_ms + 1
    free = world.vault.held_before(f"{BINANCE}.free", asset, since)
    return free, world.vault.held_before(f"{BINANCE}.locked", asset, since)


def account(world: World, params: Params) -> Reply:
    """Return the account with its balances."""
    rows = []
    for asset in world.vault.assets_at(BINANCE):
        free, locked = _held(world, asset)
        if params.get("omitZeroBalances") != "true" or free or locked:
            rows.append({"asset": asset, "free": fixed8(free), "locked": fixed8(locked)})
    fee = fixed8(Decimal("0.001"))
    return json_reply(
        {
            "makerCommission": 10,
            "takerCommission": 10,
            "buyerCommission": 0,
            "sellerCommission": 0,
            "commissionRates": {"maker": fee, "taker": fee, "buyer": _NOTHING, "seller": _NOTHING},
            "canTrade": True,
            "canWithdraw": True,
            "canDeposit": True,
            "brokered": False,
            "requireSelfTradePrevention": False,
            "preventSor": False,
            "updateTime": world.wall_ms,
            "accountType": "SPOT",
            "balances": rows,
            "permissions": ["SPOT"],
            "uid": 354937868,
        }
    )


def user_assets(world: World, params: Params) -> Reply:
    """Return what the account holds above zero, of one asset or of all."""
    asked = params.get("asset")
    rows = []
    for asset in world.vault.assets_at(BINANCE):
        free, locked = _held(world, asset)
        if asked in {None, asset} and (free or locked):
            zeros = dict.fromkeys(("freeze", "withdrawing", "ipoable", "btcValuation"), "0")
            rows.append({"asset": asset, "free": plain(free), "locked": plain(locked), **zeros})
    return json_reply(rows)


def commission(world: World, params: Params) -> Reply:
    """Return a market's commission rates and the discount for paying in BNB."""
    market = quotes.market_of(world, params.need("symbol"))
    fee = fixed8(market.taker_fee)
    none = dict.fromkeys(("maker", "taker", "buyer", "seller"), _NOTHING)
    return json_reply(
        {
            "symbol": market.symbol,
            "standardCommission": {**none, "maker": fee, "taker": fee},
            "specialCommission": none,
            "taxCommission": none,
            "discount": {
                "enabledForAccount": world.settings.bnb_usdt is not None,
                "enabledForSymbol": True,
                "discountAsset": BNB,
                "discount": fixed8(BNB_DISCOUNT),
            },
        }
    )


def order_counts(_world: World, _key: Key, limiter: Limiter, wall_ms: int) -> Reply:
    """Return the order limits with what is used of them."""
    used = limiter.binance_orders(wall_ms)
    limits = [row for row in quotes.rate_limits() if row["rateLimitType"] == "ORDERS"]
    return json_reply([{**row, "count": used[str(row["interval"])]} for row in limits])


def restrictions(_world: World, key: Key, _limiter: Limiter, _wall_ms: int) -> Reply:
    """Return what the signing key may do."""
    extras = {name: name in key.extras for name in EXTRAS}
    ends = {} if key.expires_ms is None else {"tradingAuthorityExpirationTime": key.expires_ms}
    return json_reply(
        {
            "ipRestrict": key.has_allow_list,
            "createTime": 1623840271000,
            "enableReading": "read" in key.permissions,
            "enableWithdrawals": "withdraw" in key.permissions,
            "enableSpotAndMarginTrading": "trade" in key.permissions,
            **extras,
            **ends,
        }
    )


def status(world: World, params: Params) -> Reply:
    """Say that the account is in order."""
    del world, params
    return json_reply({"data": "Normal"})


def trading_status(world: World, params: Params) -> Reply:
    """Say that the account is not locked for what its orders look like."""
    del params
    triggers = {"GCR": 150, "IFER": 150, "UFR": 300}
    return json_reply(
        {
            "data": {
                "isLocked": False,
                "plannedRecoverTime": 0,
                "triggerCondition": triggers,
                "updateTime": world.wall_ms,
            }
        }
    )
