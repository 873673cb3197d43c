"""How one venue of Upbit's family speaks: its paths, limits, names and private messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from exchanges.simulator.core.bithumb.routes import TOKENS as BITHUMB_TOKENS
from exchanges.simulator.core.krw.auth import TokenRules
from exchanges.simulator.core.orders import Order
from exchanges.simulator.core.streams.hearing import Happening
from exchanges.simulator.core.streams.upbit import bithumb, names, private
from exchanges.simulator.core.streams.upbit.names import Names
from exchanges.simulator.core.upbit.routes import TOKENS as UPBIT_TOKENS
from exchanges.simulator.core.values import BITHUMB, UPBIT
from exchanges.simulator.core.world import World

PUBLIC_KINDS = ("ticker", "trade", "orderbook")
PRIVATE_KINDS = ("myOrder", "myAsset")

ShowsOrder = Callable[[World, Happening, Order], dict[str, object]]
ShowsAsset = Callable[[World, Happening], dict[str, object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """Connects a second are per address, or per account where it signs; a ban follows excess."""

    venue: str
    public_path: str
    private_path: str
    connects_a_second: int
    ban_ms: int = 0
    messages_a_second: int = 5
    messages_a_minute: int = 100
    idle_ms: int = 120_000
    alive_every_ms: int = 10_000
    tokens: TokenRules
    my_order: ShowsOrder
    my_asset: ShowsAsset
    names: Mapping[str, Names]


COMMON_NAMES: Mapping[str, Names] = {
    "ticker": names.TICKER,
    "trade": names.TRADE,
    "orderbook": names.ORDERBOOK,
    "myAsset": names.MY_ASSET,
}
UPBIT_DIALECT = Dialect(
    venue=UPBIT,
    public_path="/websocket/v1",
    private_path="/websocket/v1/private",
    connects_a_second=5,
    tokens=UPBIT_TOKENS,
    my_order=private.my_order,
    my_asset=private.my_asset,
    names={**COMMON_NAMES, "myOrder": names.MY_ORDER},
)
BITHUMB_DIALECT = Dialect(
    venue=BITHUMB,
    public_path="/websocket/v1",
    private_path="/websocket/v2/private",
    connects_a_second=10,
    ban_ms=600_000,
    tokens=BITHUMB_TOKENS,
    my_order=bithumb.my_order,
    my_asset=private.my_asset,
    names={**COMMON_NAMES, "myOrder": bithumb.MY_ORDER_NAMES},
)
DIALECTS: Mapping[str, Dialect] = {
    dialect.venue: dialect for dialect in (UPBIT_DIALECT, BITHUMB_DIALECT)
}
