"""Binance's parameters: query string and form body, and the bytes the signature covers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import unquote_plus

from exchanges.simulator.core.binance.refusals import refuse
from exchanges.simulator.core.numbers import parse_decimal
from exchanges.simulator.core.values import Request


@dataclass(slots=True)
class Params:
    """Parameters by name, the signature taken out, and the payload that was signed."""

    values: dict[str, str]
    signature: str | None
    payload: str

    def get(self, name: str) -> str | None:
        """Return the value or None; an empty one is refused (-1105)."""
        value = self.values.get(name)
        if value == "":
            raise refuse(-1105, name)
        return value

    def need(self, name: str) -> str:
        """Return the value or refuse (-1102)."""
        value = self.get(name)
        if value is None:
            raise refuse(-1102, name)
        return value

    def decimal(self, name: str) -> Decimal | None:
        """Return a positive decimal, None if absent; refuse anything else."""
        text = self.get(name)
        if text is None:
            return None
        value = parse_decimal(text)
        if value is None:
            raise refuse(-1100, name)
        if value <= 0:
            raise refuse(-1013, "", text=f"Invalid {name}.")
        return value

    def whole(self, name: str, default: int | None = None) -> int | None:
        """Return a whole number or the default."""
        text = self.get(name)
        if text is None:
            return default
        if not text.isdecimal():
            raise refuse(-1100, name)
        return int(text)

    def only(self, names: Iterable[str]) -> None:
        """Refuse parameters the route does not know (-1104)."""
        known = {*names, "timestamp", "recvWindow"}
        unknown = [name for name in self.values if name not in known]
        if unknown:
            raise refuse(-1104, len(self.values) - len(unknown), len(self.values))


def read_params(request: Request) -> Params:
    """Read query and body; refuse raw non-ASCII bytes, which cannot have been signed right."""
    if not request.query.isascii() or not request.body.isascii():
        raise refuse(-1022)
    values: dict[str, str] = {}
    payload: list[str] = []
    signature = None
    for text in (request.query, request.body.decode("ascii")):
        kept = []
        for part in text.split("&") if text else []:
            name, _, value = part.partition("=")
            if name == "signature":
                signature = value
            else:
                kept.append(part)
                values[unquote_plus(name)] = unquote_plus(value)
        payload.append("&".join(kept))
    return Params(values, signature, "".join(payload))
