"""A Korean venue's parameters: from the query or the JSON body, with the text that is hashed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from decimal import Decimal
from urllib.parse import quote, unquote, unquote_plus

from exchanges.simulator.core.krw.refusals import invalid, missing, refuse
from exchanges.simulator.core.numbers import parse_decimal
from exchanges.simulator.core.values import BITHUMB, Request


@dataclass(slots=True)
class Params:
    """Parameters by name without `[]`, and the spellings of the text a client may have hashed."""

    venue: str
    values: dict[str, list[str]] = field(default_factory=dict)
    hashed: tuple[str, ...] = ()
    rows: list[Params] = field(default_factory=list)  # of an array of objects

    def get(self, name: str) -> str | None:
        """Return the value, None if absent or empty."""
        found = self.values.get(name)
        return found[0] if found and found[0] != "" else None

    def need(self, name: str) -> str:
        """Return the value or refuse."""
        value = self.get(name)
        if value is None:
            raise missing(name)
        return value

    def many(self, name: str) -> list[str]:
        """Return all values of an array, splitting commas."""
        return [part for value in self.values.get(name, []) for part in value.split(",") if part]

    def decimal(self, name: str) -> Decimal | None:
        """Return a positive decimal, None if absent; refuse anything else."""
        text = self.get(name)
        if text is None:
            return None
        value = parse_decimal(text)
        if value is None or value <= 0:
            raise invalid(name)
        return value

    def whole(self, name: str, default: int, limit: int) -> int:
        """Return a whole number between 1 and the limit."""
        text = self.get(name)
        if text is None:
            return default
        if not text.isdecimal() or not 1 <= int(text) <= limit:
            raise invalid(name)
        return int(text)


def read_params(request: Request) -> Params:
    """Read the parameters of a request; refuse duplicates and a body that is not JSON."""
    if request.method == "POST":
        return _from_body(request)
    return _from_query(request.venue, request.query)


def _from_query(venue: str, query: str) -> Params:
    values: dict[str, list[str]] = {}
    for part in query.split("&") if query else []:
        name, _, value = part.partition("=")
        _put(values, unquote_plus(name), unquote_plus(value))
    spellings = (unquote(query), unquote_plus(query))
    return Params(venue, values, (*spellings, query) if venue == BITHUMB else spellings)


def _put(values: dict[str, list[str]], name: str, value: str) -> None:
    plain_name = name.removesuffix("[]")
    if plain_name in values and plain_name == name:
        raise refuse("validation_error", f"{name} is given twice")
    values.setdefault(plain_name, []).append(value)


def _from_body(request: Request) -> Params:
    if not request.body:
        return Params(request.venue)
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise refuse("validation_error", "Content-Type must be application/json", 415)
    try:
        pairs = json.loads(
            request.body, object_pairs_hook=list, parse_float=str, parse_int=str
        )  # numbers as written: the hash is over the text
    except ValueError:
        raise refuse("validation_error", "the body is not JSON") from None
    return _from_pairs(request.venue, pairs)


def _from_pairs(venue: str, pairs: object) -> Params:
    params = Params(venue)
    texts: list[tuple[str, str]] = []
    for name, value in pairs if isinstance(pairs, list) else []:
        is_list = isinstance(value, list)
        key = f"{name}[]" if is_list else name
        for item in value if is_list else [value]:
            if item is None:
                continue
            text = _text(item)
            texts.append((key, text))
            if _is_object(item):
                params.rows.append(_from_pairs(venue, item))
            else:
                _put(params.values, key, text)
    plain = "&".join(f"{key}={text}" for key, text in texts)
    # Bithumb's page on tokens encodes, its users do not: both have been seen to pass.
    encoded = "&".join(f"{key}={quote(text, safe='')}" for key, text in texts)
    params.hashed = (plain, encoded) if venue == BITHUMB else (plain,)
    return params


def _is_object(item: object) -> bool:
    """Say whether an item was an object: its members came as pairs."""
    return isinstance(item, list) and all(isinstance(part, tuple) for part in item)


def _text(item: object) -> str:
    """Write a value as it is hashed; how an object in an array is, no venue documents."""
    if _is_object(item) and isinstance(item, list):
        return json.dumps(dict(item), ensure_ascii=False, separators=(",", ":"))
    return str(item).lower() if isinstance(item, bool) else str(item)
