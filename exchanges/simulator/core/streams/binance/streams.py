"""Market streams: `/ws/<stream>`, `/ws` with SUBSCRIBE, `/stream?streams=`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from exchanges.simulator.core.streams import frames
from exchanges.simulator.core.streams.binance.channels import channel_of, is_stream
from exchanges.simulator.core.streams.binance.connection import BinanceSession

if TYPE_CHECKING:
    from exchanges.simulator.core.streams.hub import Streams

STREAMS_A_CONNECTION = 1024
_ID = re.compile(r"^[A-Za-z0-9_-]{1,36}$")  # a UUID too, as the official client sends
_METHODS = "`SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY`"


class WrongRequestError(Exception):
    """The venue answers with an error of that code and text."""

    def __init__(self, code: int, text: str) -> None:
        """Keep both."""
        super().__init__(text)
        self.code = code


class MarketStreams(BinanceSession):
    """One connection to the market streams, raw or combined (`{stream, data}`)."""

    def __init__(
        self, streams: Streams, path: str, number: int, names: list[str], *, is_combined: bool
    ) -> None:
        """Begin with the streams that the address names; the venue does not check those."""
        super().__init__(streams, path, number)
        self.is_combined = is_combined
        self.names: dict[str, None] = dict.fromkeys(name for name in names if name)

    def greet(self) -> None:
        """Join the streams of the address."""
        for name in self.names:
            self._join(name)

    def _join(self, name: str) -> None:
        channel = channel_of(self.world, name)
        if channel is not None:
            self.streams.join(self, (self.venue, name), channel)

    def hear(self, message: bytes) -> None:
        """Take a request; one that makes no sense is answered with an error."""
        if not self.is_within_limits():
            return
        request: dict[str, object] = {}
        try:
            request = _decoded(message)
            result = self._answer(request)
        except WrongRequestError as wrong:
            error = {"code": wrong.code, "msg": str(wrong)}
            self.put(frames.text({"error": error, "id": request.get("id")}))
            return
        self.put(frames.text({"result": result, "id": request.get("id")}))

    def _answer(self, request: dict[str, object]) -> object:
        verbs: dict[str, Callable[[list[object]], object]] = {
            "SUBSCRIBE": self._subscribe,
            "UNSUBSCRIBE": self._unsubscribe,
            "LIST_SUBSCRIPTIONS": self._list,
            "SET_PROPERTY": self._set_property,
            "GET_PROPERTY": self._get_property,
        }
        method = request.get("method")
        verb = verbs.get(method) if isinstance(method, str) else None
        if verb is None:
            raise WrongRequestError(2, _unknown(request))
        _check_id(request)
        params = request.get("params", [])
        if not isinstance(params, list):
            raise WrongRequestError(2, "Invalid request: params must be an array")
        return verb(params)

    def _subscribe(self, params: list[object]) -> None:
        names = [_stream_name(name) for name in params]
        wanted = [name for name in dict.fromkeys(names) if name not in self.names]
        if len(self.names) + len(wanted) > STREAMS_A_CONNECTION:
            raise WrongRequestError(2, "Invalid request: too many streams")
        for name in wanted:
            self.names[name] = None
            self._join(name)

    def _unsubscribe(self, params: list[object]) -> None:
        for name in [_stream_name(name) for name in params]:
            self.names.pop(name, None)
            self.streams.quit(self, (self.venue, name))

    def _list(self, params: list[object]) -> list[str]:
        if params:
            raise WrongRequestError(2, "Invalid request: too many parameters")
        return list(self.names)

    def _set_property(self, params: list[object]) -> None:
        self._check_property(params)
        if len(params) != 2 or not isinstance(params[1], bool):
            raise WrongRequestError(1, "Invalid value type: expected Boolean")
        self.is_combined = params[1]

    def _get_property(self, params: list[object]) -> bool:
        self._check_property(params)
        return self.is_combined

    def _check_property(self, params: list[object]) -> None:
        if not params or not isinstance(params[0], str):
            raise WrongRequestError(2, "Invalid request: property name must be a string")
        if params[0] != "combined":
            raise WrongRequestError(0, "Unknown property")

    def wishes(self) -> list[str]:
        """Name the streams."""
        return list(self.names)


def _decoded(message: bytes) -> dict[str, object]:
    try:
        request = msgspec.json.decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WrongRequestError(3, f"Invalid JSON: {error}") from None
    if not isinstance(request, dict):
        raise WrongRequestError(2, "Invalid request: expected an object")
    return request


def _unknown(request: dict[str, object]) -> str:
    if "method" not in request:
        return "Invalid request: missing field `method`"
    return f"Invalid request: unknown variant `{request['method']}`, expected one of {_METHODS}"


def _check_id(request: dict[str, object]) -> None:
    given = request.get("id")
    is_number = isinstance(given, int) and not isinstance(given, bool) and abs(given) < 2**63
    is_text = isinstance(given, str) and _ID.match(given) is not None
    if given is not None and not is_number and not is_text:
        raise WrongRequestError(2, "Invalid request: request ID must be an unsigned integer")


def _stream_name(name: object) -> str:
    if not isinstance(name, str) or not is_stream(name):
        raise WrongRequestError(2, "Invalid request: invalid stream")
    return name
