"""What a fault rule's arguments may be, checked when the rule is made: a request must never trip over them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from decimal import Decimal, InvalidOperation

from exchanges.simulator.core.values import BINANCE

_WHOLE_VALUES = {"read_lag_ms": 0, "delay_ms": 0, "skew_ms": None}  # the least of each
_RATIO_VALUES = {"fill_ratio", "rests"}
_WHOLE_ARGS = {"status": 100, "seconds": 0, "milliseconds": 0, "mebibytes": 1, "at_ms": 0}
_LARGEST_STATUS = 599
_SUMS = ("price_step", "quantity_step", "min_notional", "withdraw_fee", "withdraw_min", "times")
_KINDS: Mapping[str, Collection[str]] = {
    "garbage": ("empty", "object", "list", "html", "truncated", "bom", "wrong_type"),
    "limiter": ("429", "429_silent", "418", "waf"),
    "book": ("crossed", "empty", "zero", "fat_finger", "frozen"),
    "retype": ("strings", "numbers", "extra", "nulls", "enum"),
}
_VALUES: Mapping[str, Collection[str]] = {
    "withdrawal": ("twin", "reject", "fail", "cancel", "stuck", "stuck_with_txid"),
    "arrival": (
        "late", "reorg", "locked", "partial", "short", "wrong_tag", "wrong_network", "suspected",
        "refunding", "refunded",
    ),
}  # fmt: skip
Args = Mapping[str, object]


def demand_usable(action: str, venue: str, args: Args) -> None:
    """Raise ValueError, with a sentence, for an argument that the action cannot use."""
    _demand_numbers(args)
    _demand_value(action, args)
    if action in _KINDS and "kind" in args:
        _demand_one_of("args.kind", args["kind"], _KINDS[action])
    if "side" in args:
        _demand_one_of("args.side", args["side"], ("bids", "asks"))
    if action == "refusal" and "json" not in args:
        _demand_refusal(venue, args)


def _demand_numbers(args: Args) -> None:
    for name, value in args.items():
        if name in _WHOLE_ARGS:
            _demand_whole(f"args.{name}", value, _WHOLE_ARGS[name])
        if name in _SUMS:
            _demand_number(f"args.{name}", value, lambda number: number >= 0, "0 or more")
    if int(str(args.get("status", 0))) > _LARGEST_STATUS:
        raise ValueError(f"args.status is at most {_LARGEST_STATUS}")


def _demand_value(action: str, args: Args) -> None:
    if "value" not in args:
        return
    if action in _WHOLE_VALUES:
        _demand_whole("args.value", args["value"], _WHOLE_VALUES[action])
    if action in _RATIO_VALUES:
        _demand_number("args.value", args["value"], lambda one: 0 <= one <= 1, "between 0 and 1")
    if action in _VALUES:
        _demand_one_of("args.value", args["value"], _VALUES[action])


def _demand_refusal(venue: str, args: Args) -> None:
    """A rule for all venues needs the words of each."""
    if venue in {"", BINANCE} and "code" in args:
        _demand_whole("args.code", args["code"], None)
    if venue not in {"", BINANCE} and "name" not in args:
        raise ValueError("args.name says which refusal it is")


def _demand_whole(name: str, value: object, least: int | None) -> None:
    try:
        number = int(str(value))
    except ValueError:
        raise ValueError(f"{name} is a whole number, not {value!r}") from None
    if least is not None and number < least:
        raise ValueError(f"{name} is {least} or more, not {number}")


def _demand_number(
    name: str, value: object, is_right: Callable[[Decimal], bool], told: str
) -> None:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or not is_right(number):
        raise ValueError(f"{name} is a number, {told}, not {value!r}")


def _demand_one_of(name: str, value: object, known: Collection[str]) -> None:
    if str(value) not in known:
        raise ValueError(f"{name} is one of {', '.join(known)}, not {value!r}")
