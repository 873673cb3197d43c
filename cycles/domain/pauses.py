"""What a pause stops, in the one spelling that is looked for."""

from __future__ import annotations

from collections.abc import Collection

from cycles.domain.words import PauseScope
from cycles.errors import InvalidInputError


def spelled(
    scope: PauseScope, text: str, *, venues: Collection[str], assets: Collection[str]
) -> str:
    """Give a pause's key as it is stored: `upbit`, `XRP`, `XRP:binance>upbit`.

    Raises InvalidInputError where it names nothing that the desk knows: such a pause would stop nothing.
    """
    key = "".join(text.split())
    if scope is PauseScope.VENUE:
        return _one_of(key.lower(), venues, "venue")
    if scope is PauseScope.ASSET:
        return _one_of(key.upper(), assets, "asset")
    asset, _, way = key.partition(":")
    begin, _, end = way.partition(">")
    if not (asset and begin and end):
        raise InvalidInputError(f"not a route: {text!r}; write ASSET:from>to, as XRP:binance>upbit")
    ends = [_one_of(venue.lower(), venues, "venue") for venue in (begin, end)]
    if ends[0] == ends[1]:
        raise InvalidInputError(f"a route leads from one venue to another: {text!r} does not")
    return f"{_one_of(asset.upper(), assets, 'asset')}:{'>'.join(ends)}"


def _one_of(name: str, known: Collection[str], what: str) -> str:
    if name not in known:
        raise InvalidInputError(f"there is no {what} {name!r} here: {', '.join(sorted(known))}")
    return name
