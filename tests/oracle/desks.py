"""The same dozen acts through ccxt and through our adapters, answered in the same words.

Where ccxt's unified calls cannot say it, its implicit call of the same endpoint does. Upbit: to look up
and to cancel by our id (`uuid=None` goes beside it). Bithumb: to sell at market, since its quantities are
cut to four decimals; what was executed, and in which trades, is read from the reply it keeps (`info`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any, Protocol, TypeVar

from exchanges.adapters.binance import build as binance_build
from exchanges.adapters.binance.client import BinanceVenue
from exchanges.adapters.bithumb import build as bithumb_build
from exchanges.adapters.bithumb.client import BithumbVenue
from exchanges.adapters.krw.build import OrderNames
from exchanges.adapters.upbit import build as upbit_build
from exchanges.adapters.upbit.client import UpbitVenue
from exchanges.errors import OutcomeUnknownError
from exchanges.registry import utc_now
from exchanges.transport.wire import Keys, Request
from exchanges.values import (
    DepositAddress,
    DepositStatus,
    Market,
    OrderReport,
    OrderRequest,
    OrderStatus,
    Side,
    WithdrawalRequest,
    WithdrawalStatus,
)
from tests.oracle.talking import Client, ClientError

T = TypeVar("T")
MARKETS = {
    "upbit": Market("XRP", "KRW"),
    "bithumb": Market("XRP", "KRW"),
    "binance": Market("XRP", "USDT"),
}
ASSET = NETWORK = "XRP"
FEES = {"binance": "0.2", "upbit": "0.4", "bithumb": "0.5"}  # of that network
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
CLIENT_IDS = {"upbit": "identifier", "bithumb": "clientOrderId", "binance": "newClientOrderId"}
NOT_READY = "준비되지 않았습니다"  # the venue's own words: ccxt drops the name
READY_SECONDS = 5


@dataclass(frozen=True, kw_only=True)
class Placing:
    """An order to place; `kind` is ioc, limit (it may rest) or market."""

    venue: str
    side: str
    kind: str
    quantity: str
    client_id: str
    price: str = ""


@dataclass(frozen=True)
class Seen:
    """What became of an order; its fills by price."""

    is_open: bool
    executed: Decimal
    fills: tuple[tuple[Decimal, Decimal], ...]


class Desk(Protocol):
    """What the script needs of a client library."""

    def place(self, order: Placing) -> None: ...
    def cancel(self, venue: str, client_id: str) -> None: ...
    def look(self, venue: str, client_id: str) -> Seen: ...
    def balances(self, venue: str) -> dict[str, tuple[Decimal, Decimal]]: ...
    def top(self, venue: str) -> tuple[Decimal, Decimal]: ...
    def address(self, venue: str) -> tuple[str, str]: ...
    def withdraw(self, venue: str, to: tuple[str, str], quantity: str, fee: str) -> None: ...
    def withdrawals(self, venue: str) -> list[tuple[Decimal, str]]: ...
    def deposits(self, venue: str) -> list[tuple[Decimal, str]]: ...


class CcxtDesk:
    """ccxt in its own process."""

    def __init__(self, client: Client, accounts: dict[str, Any]) -> None:
        self.client = client
        client.ask(accounts=accounts)
        for venue in MARKETS:
            self._ask(venue, "load_markets")

    def _ask(self, venue: str, call: str, *args: Any, **params: Any) -> Any:
        kwargs = {"params": params} if params else {}
        return self.client.ask(venue=venue, call=call, args=args, kwargs=kwargs)

    def place(self, order: Placing) -> None:
        if (order.venue, order.kind) == ("bithumb", "market"):
            self._ask(order.venue, "privatePostV2Orders", _bithumb_sale(order))
            return
        params = {CLIENT_IDS[order.venue]: order.client_id}
        if order.kind == "ioc":
            params["timeInForce"] = "IOC"
        kind = "market" if order.kind == "market" else "limit"
        symbol = MARKETS[order.venue].code
        price = order.price or None
        args = (symbol, kind, order.side, order.quantity, price)
        self._ask(order.venue, "create_order", *args, **params)

    def cancel(self, venue: str, client_id: str) -> None:
        if venue == "upbit":
            self._ask(venue, "privateDeleteOrder", {"identifier": client_id})
            return
        if venue == "bithumb":
            self._fetched(venue, client_id)  # a cancel is never sent twice: it must be ready
        self._ask(venue, "cancel_order", "", MARKETS[venue].code, clientOrderId=client_id)

    def look(self, venue: str, client_id: str) -> Seen:
        order = self._fetched(venue, client_id)
        filled, amount = order["filled"], "amount"
        if venue == "bithumb":
            filled, amount = order["info"]["executed_volume"], "volume"
            trades = order["info"]["trades"]
        elif venue == "upbit":
            trades = order["trades"]
        else:
            symbol = MARKETS[venue].code
            trades = self._ask(venue, "fetch_order_trades", order["id"], symbol)
        fills = sorted((Decimal(t["price"]), Decimal(t[amount])) for t in trades)
        return Seen(order["status"] == "open", Decimal(filled), tuple(fills))

    def _fetched(self, venue: str, client_id: str) -> Any:
        if venue == "upbit":
            raw = self._ask(venue, "privateGetOrder", {"identifier": client_id})
            return self._ask(venue, "parse_order", raw)
        symbol = MARKETS[venue].code
        fetch = partial(self._ask, venue, "fetch_order", "", symbol, clientOrderId=client_id)
        return when_ready(fetch, ClientError)

    def balances(self, venue: str) -> dict[str, tuple[Decimal, Decimal]]:
        told = self._ask(venue, "fetch_balance")
        rows = {
            asset: (Decimal(told[asset]["free"]), Decimal(told[asset]["used"]))
            for asset in told["total"]
        }
        return {asset: held for asset, held in rows.items() if any(held)}

    def top(self, venue: str) -> tuple[Decimal, Decimal]:
        book = self._ask(venue, "fetch_order_book", MARKETS[venue].code)
        return Decimal(str(book["bids"][0][0])), Decimal(str(book["asks"][0][0]))

    def address(self, venue: str) -> tuple[str, str]:
        told = self._ask(venue, "fetch_deposit_address", ASSET, network=NETWORK)
        return told["address"], told["tag"]

    def withdraw(self, venue: str, to: tuple[str, str], quantity: str, fee: str) -> None:
        amount = str(Decimal(quantity) + Decimal(fee)) if venue == "binance" else quantity
        receiver = {}
        if venue == "bithumb":
            receiver = receiver_of(self._ask(venue, "fetch_withdrawal_whitelist"), to)
        self._ask(venue, "withdraw", ASSET, amount, to[0], tag=to[1], network=NETWORK, **receiver)

    def withdrawals(self, venue: str) -> list[tuple[Decimal, str]]:
        rows = self._ask(venue, "fetch_withdrawals", ASSET)
        return [(Decimal(row["amount"]), row["status"] or "pending") for row in rows]

    def deposits(self, venue: str) -> list[tuple[Decimal, str]]:
        rows = self._ask(venue, "fetch_deposits", ASSET)
        return [(Decimal(row["amount"]), row["status"]) for row in rows]


class AdapterDesk:
    """Our adapters. The desk itself sends only immediate-or-cancel orders, so for the others their
    own request is sent with another time in force."""

    def __init__(self, accounts: dict[str, Any]) -> None:
        made: dict[str, type[UpbitVenue | BithumbVenue | BinanceVenue]] = {
            "upbit": UpbitVenue,
            "bithumb": BithumbVenue,
            "binance": BinanceVenue,
        }
        self.venues = {
            name: adapter(
                base_url=accounts[name]["base_url"],
                keys=Keys(access=accounts[name]["access_key"], secret=accounts[name]["secret_key"]),
                clock=utc_now,
            )
            for name, adapter in made.items()
        }

    def close(self) -> None:
        for venue in self.venues.values():
            venue.close()

    def place(self, order: Placing) -> None:
        request = OrderRequest(
            market=MARKETS[order.venue],
            side=Side(order.side),
            quantity=Decimal(order.quantity),
            limit_price=Decimal(order.price or 1),
            client_order_id=order.client_id,
        )
        if order.kind == "ioc":
            self.venues[order.venue].place_order(request)
        else:
            wanted = _BUILDS[order.venue](request, order.kind)
            self.venues[order.venue]._transport.call(wanted, lambda reply: None)

    def cancel(self, venue: str, client_id: str) -> None:
        if venue == "bithumb":
            self._report(venue, client_id)  # a cancel is never sent twice: it must be ready
        self.venues[venue].cancel_order(MARKETS[venue], client_order_id=client_id)

    def _report(self, venue: str, client_id: str) -> OrderReport:
        read = partial(self.venues[venue].order, MARKETS[venue], client_order_id=client_id)
        report = when_ready(read, OutcomeUnknownError)
        assert isinstance(report, OrderReport)
        return report

    def look(self, venue: str, client_id: str) -> Seen:
        report = self._report(venue, client_id)
        fills = sorted((fill.price, fill.quantity) for fill in report.fills)
        return Seen(report.status is OrderStatus.OPEN, report.executed_quantity, tuple(fills))

    def balances(self, venue: str) -> dict[str, tuple[Decimal, Decimal]]:
        rows = self.venues[venue].balances().values()
        return {row.asset: (row.free, row.locked) for row in rows if row.free or row.locked}

    def top(self, venue: str) -> tuple[Decimal, Decimal]:
        book = self.venues[venue].book(MARKETS[venue])
        return book.bids[0].price, book.asks[0].price

    def address(self, venue: str) -> tuple[str, str]:
        told = self.venues[venue].deposit_address(ASSET, network=NETWORK)
        assert told is not None
        return told.address, told.memo or ""

    def withdraw(self, venue: str, to: tuple[str, str], quantity: str, fee: str) -> None:
        destination = DepositAddress(
            venue="elsewhere", asset=ASSET, network=NETWORK, address=to[0], memo=to[1]
        )
        request = WithdrawalRequest(
            destination=destination, quantity=Decimal(quantity), network_fee=Decimal(fee),
            client_withdrawal_id=f"w{quantity}",
        )  # fmt: skip
        self.venues[venue].withdraw(request)

    def withdrawals(self, venue: str) -> list[tuple[Decimal, str]]:
        rows = self.venues[venue].withdrawals(ASSET, since=LONG_AGO)
        words = {WithdrawalStatus.PENDING: "pending", WithdrawalStatus.DONE: "ok"}
        return [(row.quantity, words[row.status]) for row in rows]

    def deposits(self, venue: str) -> list[tuple[Decimal, str]]:
        rows = self.venues[venue].deposits(ASSET, since=LONG_AGO)
        words = {DepositStatus.PENDING: "pending", DepositStatus.CREDITED: "ok"}
        return [(row.quantity, words[row.status]) for row in rows]


def when_ready(read: Callable[[], T], error_type: type[Exception]) -> T:
    """Read again while Bithumb says that the order is not ready, as a client has to."""
    ends_at = time.monotonic() + READY_SECONDS
    while True:
        try:
            return read()
        except error_type as error:
            is_not_ready = any(word in str(error) for word in (NOT_READY, "order_not_ready"))
            if not is_not_ready or time.monotonic() > ends_at:
                raise
            time.sleep(0.02)


def receiver_of(allow_list: list[dict[str, str]], to: tuple[str, str]) -> dict[str, str]:
    """Say who receives, as Bithumb's own list does."""
    wanted = (ASSET, *to)
    names = ("currency", "withdraw_address", "secondary_address")
    (row,) = [row for row in allow_list if tuple(row[name] for name in names) == wanted]
    return {
        "exchange_name": row["exchange_name"],
        "receiver_type": row["owner_type"],
        "receiver_ko_name": row["owner_ko_name"],
        "receiver_en_name": row["owner_en_name"],
    }


def _bithumb_sale(order: Placing) -> dict[str, str]:
    return {
        "market": "KRW-XRP",
        "side": "ask",
        "order_type": "market",
        "volume": order.quantity,
        "client_order_id": order.client_id,
    }


def _korean(
    request: OrderRequest, kind: str, *, place: Callable[[OrderRequest], Request], names: OrderNames
) -> Request:
    built = place(request)
    dropped = {"time_in_force"} | ({"price"} if kind == "market" else set())
    params = [pair for pair in built.params if pair[0] not in dropped]
    return replace(built, params=tuple((k, kind if k == names.kind else v) for k, v in params))


def _binance(request: OrderRequest, kind: str) -> Request:
    built = binance_build.place_order(request)
    if kind == "limit":
        changed = {"timeInForce": "GTC"}
        return replace(built, params=tuple((k, changed.get(k, v)) for k, v in built.params))
    kept = [pair for pair in built.params if pair[0] not in {"timeInForce", "price"}]
    return replace(built, params=tuple((k, "MARKET" if k == "type" else v) for k, v in kept))


_BUILDS: dict[str, Callable[[OrderRequest, str], Request]] = {
    "upbit": partial(_korean, place=upbit_build.place_order, names=upbit_build.ORDER_NAMES),
    "bithumb": partial(_korean, place=bithumb_build.place_order, names=bithumb_build.ORDER_NAMES),
    "binance": _binance,
}
