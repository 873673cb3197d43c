"""What a client asks for: `[{ticket}, {type, codes, ...}, ..., {format}]`, read strictly."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import msgspec

from exchanges.simulator.core.numbers import parse_decimal

UNITS = (1, 5, 15, 30)
FORMATS = ("DEFAULT", "SIMPLE", "JSON_LIST", "SIMPLE_LIST")
LIST_SUBSCRIPTIONS = "LIST_SUBSCRIPTIONS"

_MESSAGES = {
    "INVALID_AUTH": "인증 정보가 올바르지 않습니다.",
    "WRONG_FORMAT": "요청 형식이 올바르지 않습니다.",
    "NO_TICKET": "ticket 필드가 없습니다.",
    "NO_TYPE": "type 필드가 없습니다.",
    "NO_CODES": "codes 필드가 없습니다.",
    "INVALID_PARAM": "지원하지 않는 값입니다.",
    "TOO_MANY_REQUESTS": "요청 수 제한을 초과했습니다.",
}


class AskedWronglyError(Exception):
    """The venue answers with an error frame of that name; the subscription stays as it was."""

    def __init__(self, name: str, detail: str = "") -> None:
        """Keep the venue's name of it, and what was wrong."""
        super().__init__(f"{_MESSAGES[name]} {detail}".strip())
        self.name = name

    def view(self) -> dict[str, object]:
        """Return the error frame's content."""
        return {"error": {"name": self.name, "message": str(self)}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One `{type, ...}` of a request; `codes` as they were written, unit suffix included."""

    kind: str
    codes: tuple[str, ...] = ()
    level: Decimal = Decimal(0)
    has_snapshot: bool = True
    has_realtime: bool = True

    def view(self) -> dict[str, object]:
        """Return it as LIST_SUBSCRIPTIONS does."""
        shown: dict[str, object] = {"type": self.kind}
        if self.codes:
            shown["codes"] = list(self.codes)
        if self.kind == "orderbook":
            shown["level"] = self.level
        return shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request: what to subscribe to, or a question about that; None keeps the format."""

    ticket: str
    format: str
    wishes: tuple[Wish, ...] = ()
    lists_subscriptions: bool = False


def symbol_and_units(code: str) -> tuple[str, int]:
    """Part `KRW-BTC.15`; a number of units that is not offered gives all thirty."""
    symbol, _, units = code.partition(".")
    return symbol, int(units) if units in {str(known) for known in UNITS} else UNITS[-1]


def read_request(message: bytes, kinds: tuple[str, ...]) -> Asked:
    """Read a request about the endpoint's kinds of data, or raise AskedWronglyError."""
    parts = _parts(message)
    ticket = next((part["ticket"] for part in parts if "ticket" in part), None)
    if not isinstance(ticket, str) or not ticket:
        raise AskedWronglyError("NO_TICKET")
    spelled = next((part["format"] for part in parts if "format" in part), FORMATS[0])
    if not isinstance(spelled, str) or spelled not in FORMATS:
        raise AskedWronglyError("INVALID_PARAM", "format")
    if any("method" in part for part in parts):
        return _question(parts, ticket, spelled)
    wishes = tuple(_wish(part, kinds) for part in parts if _is_wish(part))
    if not wishes:
        raise AskedWronglyError("NO_TYPE")
    return Asked(ticket=ticket, format=spelled, wishes=wishes)


def _parts(message: bytes) -> list[dict[str, object]]:
    try:
        parts = msgspec.json.decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise AskedWronglyError("WRONG_FORMAT") from None
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise AskedWronglyError("WRONG_FORMAT")
    return parts


def _is_wish(part: dict[str, object]) -> bool:
    return not {"ticket", "format"} & part.keys()


def _question(parts: list[dict[str, object]], ticket: str, spelled: str) -> Asked:
    method = next(part["method"] for part in parts if "method" in part)
    if method != LIST_SUBSCRIPTIONS:
        raise AskedWronglyError("INVALID_PARAM", "method")
    return Asked(ticket=ticket, format=spelled, lists_subscriptions=True)


def _wish(part: dict[str, object], kinds: tuple[str, ...]) -> Wish:
    kind = part.get("type")
    if kind is None:
        raise AskedWronglyError("NO_TYPE")
    if not isinstance(kind, str) or kind not in kinds:
        raise AskedWronglyError("INVALID_PARAM", "type")
    if kind == "myAsset" and "codes" in part:
        raise AskedWronglyError("WRONG_FORMAT", "myAsset takes no codes")
    only_snapshot, only_realtime = _flag(part, "is_only_snapshot"), _flag(part, "is_only_realtime")
    return Wish(
        kind=kind,
        codes=_codes(part, kind),
        level=_level(part),
        has_snapshot=not only_realtime or only_snapshot,
        has_realtime=not only_snapshot or only_realtime,
    )


def _codes(part: dict[str, object], kind: str) -> tuple[str, ...]:
    codes = part.get("codes", [])
    if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
        raise AskedWronglyError("WRONG_FORMAT", "codes")
    if not codes and not kind.startswith("my"):
        raise AskedWronglyError("NO_CODES")
    return tuple(codes)


def _flag(part: dict[str, object], name: str) -> bool:
    value = part.get(name, False)
    if not isinstance(value, bool):
        raise AskedWronglyError("WRONG_FORMAT", name)
    return value


def _level(part: dict[str, object]) -> Decimal:
    level = parse_decimal(str(part.get("level", 0)))
    if level is None or level < 0:
        raise AskedWronglyError("INVALID_PARAM", "level")
    return level
