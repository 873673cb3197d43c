"""What a pause stops, in the one spelling that is looked for."""

from __future__ import annotations

from collections.abc import Collection

from cycles.domain.words import PauseScope, word
from cycles.errors import InvalidInputError


def spelled(
    scope: PauseScope, text: str, *, venues: Collection[str], assets: Collection[str]
) -> str:
    """Give a pause's key as it is stored: `upbit`, `XRP`, `XRP:binance>upbit`.

    Raises InvalidInputError where it names nothing that the desk knows: such a pause would stop nothing.
    """
    key = "".join(text.split())
    if scope is PauseScope.VENUE:
        return _one_of(key.lower(), venues, PauseScope.VENUE)
    if scope is PauseScope.ASSET:
        return _one_of(key.upper(), assets, PauseScope.ASSET)
    asset, _, way = key.partition(":")
    begin, _, end = way.partition(">")
    if not (asset and begin and end):
        raise InvalidInputError(
            "not a route: %(text)r; write ASSET:from>to, as XRP:binance>upbit", text=text
        )
    ends = [_one_of(venue.lower(), venues, PauseScope.VENUE) for venue in (begin, end)]
    if ends[0] == ends[1]:
        raise InvalidInputError(
            "a route leads from one venue to another: %(text)r does not", text=text
        )
    return f"{_one_of(asset.upper(), assets, PauseScope.ASSET)}:{'>'.join(ends)}"


def _one_of(name: str, known: Collection[str], what: PauseScope) -> str:
    if name not in known:
        raise InvalidInputError(
            "there is no %(what)s %(name)r here: %(known)s",
            what=word(what),
            name=name,
            known=", ".join(sorted(known)),
        )
    return name
