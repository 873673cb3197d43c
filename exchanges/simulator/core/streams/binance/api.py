"""The WebSocket API: the REST routes as methods of one connection, and the user data stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import msgspec

from exchanges.simulator.core.binance.auth import authenticate
from exchanges.simulator.core.binance.params import Params
from exchanges.simulator.core.binance.refusals import refuse
from exchanges.simulator.core.errors import RefusalError
from exchanges.simulator.core.streams import frames
from exchanges.simulator.core.streams.binance.answers import answered, rate_limits_of
from exchanges.simulator.core.streams.binance.connection import BinanceSession
from exchanges.simulator.core.streams.binance.events import terminated, user_events
from exchanges.simulator.core.streams.hearing import Happening
from exchanges.simulator.core.values import BINANCE, Fault, Reply, Request, json_reply
from exchanges.simulator.core.world import Key

if TYPE_CHECKING:
    from exchanges.simulator.core.streams.hub import Streams

# Methods that are REST routes under another name.
ROUTES: Mapping[str, tuple[str, str]] = {
    "ping": ("GET", "/api/v3/ping"),
    "time": ("GET", "/api/v3/time"),
    "exchangeInfo": ("GET", "/api/v3/exchangeInfo"),
    "depth": ("GET", "/api/v3/depth"),
    "ticker.price": ("GET", "/api/v3/ticker/price"),
    "ticker.book": ("GET", "/api/v3/ticker/bookTicker"),
    "order.place": ("POST", "/api/v3/order"),
    "order.test": ("POST", "/api/v3/order/test"),
    "order.status": ("GET", "/api/v3/order"),
    "order.cancel": ("DELETE", "/api/v3/order"),
    "openOrders.status": ("GET", "/api/v3/openOrders"),
    "openOrders.cancelAll": ("DELETE", "/api/v3/openOrders"),
    "allOrders": ("GET", "/api/v3/allOrders"),
    "myTrades": ("GET", "/api/v3/myTrades"),
    "account.status": ("GET", "/api/v3/account"),
}
_SUBSCRIBE = "userDataStream.subscribe.signature"
_OWN = ("apiKey", "signature", "returnRateLimits")
_ALREADY = "User Data Stream subscription already active."


class ApiSession(BinanceSession):
    """One connection: each message is a request, answered under its id; events come between."""

    is_private = True
    message_limit = None  # requests are counted by weight, as those of REST

    def __init__(self, streams: Streams, path: str, number: int, remote: str) -> None:
        """Begin without a subscription."""
        super().__init__(streams, path, number)
        self.remote = remote
        self.subscriptions: dict[int, Key] = {}
        self.subscribed = 0

    def hear(self, message: bytes) -> None:
        """Take a request and answer it."""
        try:
            asked = _READ.decode(message)
            texts = {name: _text(value) for name, value in asked.params.items()}
        except (msgspec.MsgspecError, UnicodeDecodeError):
            self._answer(None, json_reply(_MALFORMED, 400), {})
            return
        try:
            outcome = self._outcome(asked.method.rpartition("/")[2], texts)
        except RefusalError as refusal:
            outcome = refusal.reply
        self._answer(asked.id, outcome, texts)

    def _outcome(self, method: str, texts: dict[str, str]) -> Reply | Fault:
        if method == _SUBSCRIBE:
            return self._subscribe(texts)
        if method == "userDataStream.unsubscribe":
            return self._unsubscribe(texts)
        if method == "session.subscriptions":
            return json_reply([{"subscriptionId": number} for number in self.subscriptions])
        if method not in ROUTES:
            raise refuse(-1020)
        verb, path = ROUTES[method]
        signer = self._signer(texts) if "signature" in texts else None
        kept = {name: text for name, text in texts.items() if name not in _OWN}
        request = self._request(verb, path, urlencode(kept), texts)
        return self.streams.simulator.relay(request, signer)

    def _request(self, verb: str, path: str, query: str, texts: Mapping[str, str]) -> Request:
        return Request(
            venue=BINANCE,
            method=verb,
            path=path,
            query=query,
            headers={"x-mbx-apikey": texts.get("apiKey", "")},
            body=b"",
            remote=self.remote,
        )

    def _signer(self, texts: Mapping[str, str]) -> Key:
        """Check the signature over the parameters in alphabetical order."""
        values = {name: text for name, text in texts.items() if name != "signature"}
        payload = "&".join(f"{name}={values[name]}" for name in sorted(values))
        params = Params(values, texts.get("signature"), payload)
        return authenticate(self.world, self._request("GET", self.path, "", texts), params)

    def _subscribe(self, texts: Mapping[str, str]) -> Reply:
        self.streams.check_private_auth(self)
        key = self._signer(texts)
        if "read" not in key.permissions:
            raise refuse(-2015)
        if key in self.subscriptions.values():
            raise refuse(-2035, text=_ALREADY)
        number, self.subscribed = self.subscribed, self.subscribed + 1
        self.subscriptions[number] = key
        return json_reply({"subscriptionId": number})

    def _unsubscribe(self, texts: Mapping[str, str]) -> Reply:
        named = texts.get("subscriptionId")
        for number in [n for n in self.subscriptions if named in {None, str(n)}]:
            self._terminate(number)
        return json_reply({})

    def _terminate(self, number: int) -> None:
        del self.subscriptions[number]
        self._event(number, terminated(self.world))

    def _event(self, number: int, event: dict[str, object]) -> None:
        wrapped = {"subscriptionId": number, "event": event}
        self.streams.deliver(self, str(event["e"]), frames.text(wrapped))

    def _answer(
        self, request_id: int | str | None, outcome: Reply | Fault, texts: Mapping[str, str]
    ) -> None:
        """Answer as a fault lets it: at once, late, never, or with the end of the connection."""
        reply = outcome.reply if isinstance(outcome, Fault) else outcome
        limits = None if texts.get("returnRateLimits") == "false" else rate_limits_of(reply)
        frame = answered(request_id, reply, limits)
        if isinstance(outcome, Reply):
            self.put(frame)
        elif outcome.action == "delay":
            self.put_later(frame, self.world.wall_ms + outcome.milliseconds)
        elif outcome.action == "fin":
            self.close(frames.GOING_AWAY)
        elif outcome.action != "hang":
            self.cut()

    def tell(self, happening: Happening) -> None:
        """Pass on an event of the account to each subscription."""
        if not self.subscriptions:
            return
        events = user_events(self.world, happening)
        for number in self.subscriptions:
            for event in events:
                self._event(number, event)

    def beat(self, now_ms: int) -> None:
        """End the subscriptions of keys that are no longer good."""
        for number, key in list(self.subscriptions.items()):
            if key.has_ended(self.world.wall_ms) or self.world.keys.get(key.access) is not key:
                self._terminate(number)
        super().beat(now_ms)

    def shutdown_event(self) -> dict[str, object]:
        """Return the announcement as this endpoint wraps it."""
        return {"event": super().shutdown_event()}

    def wishes(self) -> list[str]:
        """Name the subscriptions."""
        return [f"userData:{number}" for number in self.subscriptions]


class _Asked(msgspec.Struct):
    """A request; its parameters as they were written, for they are signed so."""

    method: str
    id: int | str | None = None
    params: dict[str, msgspec.Raw] = {}


_MALFORMED = {"code": -1135, "msg": "JSON Request is invalid."}
_READ = msgspec.json.Decoder(_Asked)


def _text(raw: msgspec.Raw) -> str:
    written = bytes(raw)
    return str(msgspec.json.decode(written)) if written.startswith(b'"') else written.decode()
