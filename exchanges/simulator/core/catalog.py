"""What the simulated venues list: markets with their rules, and networks with their costs."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from exchanges.simulator.core.values import BINANCE, BITHUMB, UPBIT

# Upbit changed its KRW price steps on 31 July 2025; a stretch replays under the table of its time.
NEW_STEPS_FROM_MS = 1753887600000
_OLD_KRW_STEPS = (
    ("2000000", "1000"), ("1000000", "500"), ("500000", "100"), ("100000", "50"),
    ("10000", "10"), ("1000", "1"), ("100", "0.1"), ("10", "0.01"), ("1", "0.001"),
    ("0.1", "0.0001"), ("0", "0.00001"),
)  # fmt: skip
_NEW_KRW_STEPS = (
    ("1000000", "1000"), ("500000", "500"), ("100000", "100"), ("50000", "50"),
    ("10000", "10"), ("5000", "5"), ("100", "1"), ("10", "0.1"), ("1", "0.01"),
    ("0.1", "0.001"), ("0.01", "0.0001"), ("0", "0.00001"),
)  # fmt: skip

# Bithumb's table, of which no change is known.
_BITHUMB_STEPS = (
    ("1000000", "1000"), ("500000", "500"), ("100000", "100"), ("50000", "50"), ("10000", "10"),
    ("5000", "5"), ("100", "1"), ("10", "0.01"), ("1", "0.001"), ("0", "0.0001"),
)  # fmt: skip


def krw_price_step(venue: str, price: Decimal, recorded_ms: int) -> Decimal:
    """Return a Korean venue's price step at a price, under the table valid at a recorded instant."""
    upbits = _NEW_KRW_STEPS if recorded_ms >= NEW_STEPS_FROM_MS else _OLD_KRW_STEPS
    table: tuple[tuple[str, str], ...] = _BITHUMB_STEPS if venue == BITHUMB else upbits
    return next(Decimal(step) for floor, step in table if price >= Decimal(floor))


@dataclass(slots=True, kw_only=True)
class Market:
    """One market and its rules. `price_step` None: the Korean venue's table decides by price.

    `depth_usdt` is the mean notional of a generated level near the top of the book, in USDT.
    """

    venue: str
    symbol: str
    base: str
    quote: str
    price_step: Decimal | None
    quantity_step: Decimal
    min_notional: Decimal
    max_notional: Decimal
    taker_fee: Decimal
    depth_usdt: Decimal
    is_open: bool = True

    @property
    def takes_fee_on_top(self) -> bool:
        """Whether a buyer pays the fee in won besides (Korea), not out of the asset received."""
        return self.quote == "KRW"


@dataclass(slots=True, kw_only=True)
class Wallet:
    """One venue's terms for an asset on a network."""

    withdraw_fee: Decimal
    withdraw_min: Decimal
    withdraw_decimals: int
    credit_confirmations: int
    unlock_confirmations: int
    can_deposit: bool = True
    can_withdraw: bool = True
    # A Korean venue's status page tells an older story for a while: (can_deposit, can_withdraw), until when.
    shown: tuple[bool, bool] = (True, True)
    shown_until_ms: int = 0
    is_kept_quiet: bool = False  # every other page tells it as well

    def told(self, market_ms: int, *, is_late: bool = False) -> tuple[bool, bool]:
        """Return (can_deposit, can_withdraw) as a page tells it; `is_late`: the one that trails."""
        if market_ms < self.shown_until_ms and (is_late or self.is_kept_quiet):
            return self.shown
        return self.can_deposit, self.can_withdraw


@dataclass(slots=True, kw_only=True)
class Network:
    """One asset on one network, with the venues' terms; times are market time."""

    asset: str
    network: str
    title: str
    address_pattern: str
    has_tag: bool
    block_ms: int
    contract: str = ""  # empty: the network's own coin
    congestion: Decimal = Decimal(1)  # how many times as long a block takes now
    wallets: dict[str, Wallet] = field(default_factory=dict)


_TITLES = {"BTC": "Bitcoin", "ETH": "Ethereum", "XRP": "XRP", "SOL": "Solana",
           "DOGE": "Dogecoin", "USDT": "Tether"}  # fmt: skip
_KOREAN = {
    "BTC": "비트코인", "ETH": "이더리움", "XRP": "리플", "SOL": "솔라나", "DOGE": "도지코인",
    "USDT": "테더",
}  # fmt: skip
# asset: (price step, quantity step, mean notional of a level in USDT)
_BINANCE_RULES = {
    "BTC": ("0.01", "0.00001", 60000),
    "ETH": ("0.01", "0.0001", 50000),
    "XRP": ("0.0001", "0.1", 40000),
    "SOL": ("0.01", "0.001", 40000),
    "DOGE": ("0.00001", "1", 20000),
}
BOOKED_ASSETS = tuple(_BINANCE_RULES)  # whose markets the venues can list
_USDT_DEPTH = Decimal(100000)
# Of Upbit's depth: Bithumb's recorded books of 2024 hold a third of it and less, near the top.
_BITHUMB_DEPTH = Decimal("0.3")
_BASE58 = "[1-9A-HJ-NP-Za-km-z]"
_ORDER = (UPBIT, BINANCE, BITHUMB)
# asset, network, title, pattern, tag, block ms,
# then for Upbit, Binance and Bithumb: withdrawal fee, minimum, decimals, confirmations to credit and to unlock
_NETWORKS = (
    ("XRP", "XRP", "XRP Ledger", f"^r{_BASE58}{{25,34}}$", True, 4000,
     ("0.4", "1", 6, 3, 3), ("0.2", "2", 6, 3, 3), ("0.5", "21", 6, 3, 3)),
    ("SOL", "SOL", "Solana", f"^{_BASE58}{{32,44}}$", False, 400,
     ("0.0085", "0.02", 8, 32, 32), ("0.001", "0.01", 8, 32, 32), ("0.01", "0.05", 8, 32, 32)),
    ("ETH", "ETH", "Ethereum", "^0x[0-9A-Fa-f]{40}$", False, 12000,
     ("0.009", "0.02", 8, 12, 12), ("0.0003", "0.001", 8, 6, 12), ("0.0024", "0.01", 8, 32, 32)),
    ("BTC", "BTC", "Bitcoin", "^bc1q[02-9ac-hj-np-z]{38}$", False, 600000,
     ("0.0008", "0.001", 8, 2, 2), ("0.00003", "0.0001", 8, 1, 2), ("0.000108", "0.0001", 8, 2, 2)),
    ("DOGE", "DOGE", "Dogecoin", f"^D{_BASE58}{{33}}$", False, 60000,
     ("4", "20", 8, 6, 6), ("4", "10", 8, 6, 6), ("5", "20", 8, 12, 12)),
    ("USDT", "TRX", "Tron (TRC20)", f"^T{_BASE58}{{33}}$", False, 3000,
     ("0", "1", 6, 20, 20), ("1", "10", 6, 20, 20), ("0.8", "5", 6, 20, 20)),
)  # fmt: skip

_CONTRACTS = {("USDT", "TRX"): "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"}


def asset_titles(asset: str) -> tuple[str, str]:
    """Return the Korean and the English name."""
    return _KOREAN.get(asset, asset), _TITLES.get(asset, asset)


def markets_for(assets: tuple[str, ...]) -> dict[tuple[str, str], Market]:
    """List the venues' markets of the assets, and KRW-USDT at both Korean ones."""
    depths = {asset: Decimal(_BINANCE_RULES[asset][2]) for asset in assets} | {"USDT": _USDT_DEPTH}
    listed = [_upbit_market(asset, depth) for asset, depth in depths.items()]
    listed += [_binance_market(asset) for asset in assets]
    listed += [_bithumb_market(asset, depth * _BITHUMB_DEPTH) for asset, depth in depths.items()]
    return {(market.venue, market.symbol): market for market in listed}


def _upbit_market(asset: str, depth_usdt: Decimal) -> Market:
    return Market(
        venue=UPBIT, symbol=f"KRW-{asset}", base=asset, quote="KRW", price_step=None,
        quantity_step=Decimal("0.00000001"), min_notional=Decimal(5000),
        max_notional=Decimal(1000000000), taker_fee=Decimal("0.0005"), depth_usdt=depth_usdt,
    )  # fmt: skip


def _bithumb_market(asset: str, depth_usdt: Decimal) -> Market:
    return Market(  # the fee is that of an account with a coupon
        venue=BITHUMB, symbol=f"KRW-{asset}", base=asset, quote="KRW", price_step=None,
        quantity_step=Decimal("0.00000001"), min_notional=Decimal(5000),
        max_notional=Decimal(5000000000), taker_fee=Decimal("0.0004"), depth_usdt=depth_usdt,
    )  # fmt: skip


def _binance_market(asset: str) -> Market:
    price_step, quantity_step, depth_usdt = _BINANCE_RULES[asset]
    return Market(
        venue=BINANCE, symbol=f"{asset}USDT", base=asset, quote="USDT",
        price_step=Decimal(price_step), quantity_step=Decimal(quantity_step),
        min_notional=Decimal(5), max_notional=Decimal(9000000), taker_fee=Decimal("0.001"),
        depth_usdt=Decimal(depth_usdt) * 2,
    )  # fmt: skip


def networks_for(assets: tuple[str, ...]) -> dict[tuple[str, str], Network]:
    """List the networks of the assets and of USDT."""
    listed = {}
    for asset, network, title, pattern, has_tag, block_ms, *terms in _NETWORKS:
        if asset == "USDT" or asset in assets:
            listed[asset, network] = Network(
                asset=asset, network=network, title=title, address_pattern=pattern,
                has_tag=has_tag, block_ms=block_ms, contract=_CONTRACTS.get((asset, network), ""),
                wallets={venue: _wallet(*row) for venue, row in zip(_ORDER, terms, strict=True)},
            )  # fmt: skip
    return listed


def _wallet(fee: str, minimum: str, decimals: int, credit: int, unlock: int) -> Wallet:
    return Wallet(
        withdraw_fee=Decimal(fee), withdraw_min=Decimal(minimum), withdraw_decimals=decimals,
        credit_confirmations=credit, unlock_confirmations=unlock,
    )  # fmt: skip
