"""Replies that are JSON and yet wrong: books that no market has, fields of another type."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from exchanges.simulator.core.values import BINANCE

Args = Mapping[str, object]
Sides = dict[str, list[list[Decimal]]]

_NUMBER = re.compile(r"^-?\d{1,18}(\.\d+)?$")
_STATES = {"state", "status"}
_NULLS = ("remaining_volume", "cummulativeQuoteQty")
FROZEN = "frozen"


def reshaped_book(body: bytes, venue: str, args: Args) -> object:
    """Give a venue's book with its sides as `kind` has them; `frozen` sets its stamp to `at_ms`."""
    told = json.loads(body, parse_float=Decimal)
    kind, side = str(args.get("kind", "crossed")), str(args.get("side", "asks"))
    if venue == BINANCE:
        if kind == FROZEN:
            return told  # this book carries no stamp
        sides = _RESHAPED[kind](_binance_sides(told), side, args)
        return told | {
            name: [[f"{price:f}", f"{size:f}"] for price, size in rows]
            for name, rows in sides.items()
        }
    return [_upbit_book(book, kind, side, args) for book in told]


def stamp_of(body: bytes, venue: str) -> int | None:
    """Give the stamp of a venue's book, if it carries one."""
    told = json.loads(body)
    return None if venue == BINANCE else int(told[0]["timestamp"])


def _binance_sides(told: dict[str, Any]) -> Sides:
    return {name: [[Decimal(n) for n in row] for row in told[name]] for name in ("bids", "asks")}


def _upbit_book(book: dict[str, Any], kind: str, side: str, args: Args) -> dict[str, Any]:
    if kind == FROZEN:
        return book | {"timestamp": int(str(args["at_ms"]))}
    units = book["orderbook_units"]
    told: Sides = {
        f"{one}s": [[Decimal(u[f"{one}_price"]), Decimal(u[f"{one}_size"])] for u in units]
        for one in ("bid", "ask")
    }
    sides = _RESHAPED[kind](told, side, args)
    pairs = zip(sides["bids"], sides["asks"], strict=False)
    fresh = [
        {"ask_price": ask[0], "bid_price": bid[0], "ask_size": ask[1], "bid_size": bid[1]}
        for bid, ask in pairs
    ]
    return book | {"orderbook_units": fresh}


def _crossed(sides: Sides, side: str, args: Args) -> Sides:
    """Let the best bid and the best ask change places."""
    del side, args
    bids, asks = sides["bids"], sides["asks"]
    return {
        "bids": [[asks[0][0], bids[0][1]], *bids[1:]],
        "asks": [[bids[0][0], asks[0][1]], *asks[1:]],
    }


def _empty(sides: Sides, side: str, args: Args) -> Sides:
    """Leave a side out; where a unit pairs a bid with an ask it stands at nothing."""
    del args
    return sides | {side: [[Decimal(0), Decimal(0)] for _ in sides[side][:1]]}


def _zero(sides: Sides, side: str, args: Args) -> Sides:
    """Keep a side's prices and leave nothing at them."""
    del args
    return sides | {side: [[price, Decimal(0)] for price, _ in sides[side]]}


def _fat_finger(sides: Sides, side: str, args: Args) -> Sides:
    """Leave one level on a side, at `times` its price: a thousand for asks, a thousandth for bids."""
    usual = "1000" if side == "asks" else "0.001"
    times = Decimal(str(args.get("times", usual)))
    return sides | {side: [[sides[side][0][0] * times, sides[side][0][1]]]}


_RESHAPED: dict[str, Callable[[Sides, str, Args], Sides]] = {
    "crossed": _crossed,
    "empty": _empty,
    "zero": _zero,
    "fat_finger": _fat_finger,
}


def retyped(body: bytes, args: Args) -> object:
    """Give a reply whose fields have another type than documented, by `kind`."""
    kind = str(args.get("kind", "strings"))
    told = json.loads(body, parse_float=Decimal) if body else {}
    names = args.get("names", _NULLS)
    change = _CHANGES[kind]
    return _walked(told, lambda name, value: change(name, value, names), adds=kind == "extra")


def _walked(value: Any, change: Callable[[str, Any], Any], *, adds: bool, name: str = "") -> Any:
    """Change every leaf of a reply; `adds` puts a field that nobody knows into each object."""
    if isinstance(value, dict):
        walked = {key: _walked(one, change, adds=adds, name=key) for key, one in value.items()}
        return walked | ({"kimp_extra": {"new": [1, None]}} if adds else {})
    if isinstance(value, list):
        return [_walked(one, change, adds=adds, name=name) for one in value]
    return change(name, value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _as_string(name: str, value: Any, names: object) -> Any:
    del name, names
    return str(value) if _is_number(value) else value


def _as_number(name: str, value: Any, names: object) -> Any:
    del name, names
    is_text = isinstance(value, str) and _NUMBER.match(value)
    return Decimal(value) if is_text else value


def _as_null(name: str, value: Any, names: object) -> Any:
    return None if isinstance(names, list | tuple) and name in names else value


def _as_news(name: str, value: Any, names: object) -> Any:
    """Give a state that the documentation does not list."""
    del names
    if name not in _STATES:
        return value
    return "foo" if isinstance(value, str) else 99


def _as_it_is(name: str, value: Any, names: object) -> Any:
    del name, names
    return value


_CHANGES: dict[str, Callable[[str, Any, object], Any]] = {
    "strings": _as_string,
    "numbers": _as_number,
    "nulls": _as_null,
    "enum": _as_news,
    "extra": _as_it_is,
}
