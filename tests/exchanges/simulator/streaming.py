"""Connects to a simulator's WebSockets in process: sessions of the core, no sockets."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import uuid4

from exchanges.simulator.core.streams import frames
from exchanges.simulator.core.streams.frames import Frame
from exchanges.simulator.core.streams.session import Session
from exchanges.simulator.core.values import Reply, Request
from tests.exchanges.simulator.speaking import Speaker, upbit_token

PUBLIC = "/websocket/v1"
PRIVATE = "/websocket/v1/private"
API = "/ws-api/v3"


def knock(
    speaker: Speaker, venue: str, path: str, query: str = "", **headers: str
) -> Session | Reply:
    request = Request(venue=venue, method="GET", path=path, query=query, headers=headers, body=b"")
    return speaker.simulator.streams.open(request)


@dataclass
class Client:
    """One connection; what it was sent is decoded with exact numbers."""

    speaker: Speaker
    session: Session
    last: list[Frame] = field(default_factory=list)

    def say(self, message: Any) -> None:
        text = message if isinstance(message, str) else json.dumps(message)
        self.speaker.simulator.streams.hear(self.session, frames.TEXT, text.encode())

    def send(self, kind: str, data: bytes) -> None:
        self.speaker.simulator.streams.hear(self.session, kind, data)

    def frames(self) -> list[Frame]:
        """Take what is there."""
        self.last = self.session.take()
        return self.last

    def heard(self) -> list[Any]:
        """Take what is there; only messages."""
        return [
            json.loads(frame.data, parse_float=Decimal)
            for frame in self.frames()
            if frame.kind in {frames.TEXT, frames.BINARY}
        ]

    def one(self) -> Any:
        """Take the only message."""
        (message,) = self.heard()
        return message

    def ends(self) -> list[tuple[str, int]]:
        """Take how it ended, if it did."""
        return [
            (frame.kind, frame.code)
            for frame in self.frames()
            if frame.kind in {frames.CLOSE, frames.ABORT}
        ]


def connect(speaker: Speaker, venue: str, path: str, query: str = "", **headers: str) -> Client:
    session = knock(speaker, venue, path, query, **headers)
    assert isinstance(session, Session), session
    return Client(speaker, session)


def upbit_public(speaker: Speaker, *wishes: Any, form: str | None = None) -> Client:
    """Connect and ask; the snapshots are waiting."""
    client = connect(speaker, "upbit", PUBLIC)
    client.say([{"ticket": "t"}, *wishes, *([{"format": form}] if form else [])])
    return client


def bearer(speaker: Speaker, nonce: str | None = None) -> str:
    account = speaker.upbit_account
    nonce = nonce or str(uuid4())
    return f"Bearer {upbit_token(account['access_key'], account['secret_key'], '', nonce)}"


def upbit_private(speaker: Speaker, *wishes: Any, form: str | None = None) -> Client:
    """Connect with a signature and ask."""
    client = connect(speaker, "upbit", PRIVATE, authorization=bearer(speaker))
    client.say([{"ticket": "t"}, *wishes, *([{"format": form}] if form else [])])
    return client


def binance_streams(speaker: Speaker, *names: str) -> Client:
    """Connect to combined streams."""
    return connect(speaker, "binance", "/stream", f"streams={'/'.join(names)}")


def signed(speaker: Speaker, **params: Any) -> dict[str, Any]:
    """Sign parameters as the WebSocket API wants: in alphabetical order."""
    account = speaker.binance_account
    full = {"timestamp": speaker.wall_ms, **params, "apiKey": account["access_key"]}
    texts = {name: json.dumps(v) if not isinstance(v, str) else v for name, v in full.items()}
    payload = "&".join(f"{name}={texts[name]}" for name in sorted(texts))
    secret = account["secret_key"].encode()
    return {**full, "signature": hmac.new(secret, payload.encode(), hashlib.sha256).hexdigest()}


@dataclass
class ApiClient(Client):
    """A connection to Binance's WebSocket API."""

    asked: int = 0

    def call(self, method: str, /, **params: Any) -> Any:
        """Ask and return the answer; events stay aside."""
        self.asked += 1
        self.say({"id": self.asked, "method": method, "params": params})
        return next(row for row in self.heard_all() if row.get("id") == self.asked)

    def heard_all(self) -> list[Any]:
        self.waiting = self.heard()
        return self.waiting

    waiting: list[Any] = field(default_factory=list)

    def events(self) -> list[Any]:
        """Return the user's events of the last answer, and those since."""
        rows, self.waiting = [*self.waiting, *self.heard()], []
        return [row["event"] for row in rows if "event" in row]


def binance_api(speaker: Speaker) -> ApiClient:
    client = connect(speaker, "binance", API)
    return ApiClient(client.speaker, client.session)


def binance_user(speaker: Speaker) -> ApiClient:
    """Connect and subscribe to the user's events."""
    client = binance_api(speaker)
    answer = client.call("userDataStream.subscribe.signature", **signed(speaker))
    assert answer["result"] == {"subscriptionId": 0}, answer
    return client
