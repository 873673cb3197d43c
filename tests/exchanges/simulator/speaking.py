"""Speaks to a simulator in process, with real signatures and a clock of its own."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from exchanges.simulator.candles import load_tape
from exchanges.simulator.core.prices import Tape
from exchanges.simulator.core.simulator import Simulator
from exchanges.simulator.core.values import Fault, Reply

BEGIN_MS = 1_795_000_000_000
_TAPES: dict[str, Tape] = {}


def tape(stretch: str = "crash-2024-12-03") -> Tape:
    if stretch not in _TAPES:
        _TAPES[stretch] = load_tape(stretch)
    return _TAPES[stretch]


def new_simulator(
    *,
    seed: int = 1,
    speed: int = 60,
    scenario: str = "unlimited",
    stretch: str = "crash-2024-12-03",
) -> Simulator:
    return Simulator(
        seed=seed,
        tape=tape(stretch),
        make_random=random.Random,
        speed=Decimal(speed),
        wall_ms=BEGIN_MS,
        scenario=scenario,
    )


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def korean_token(
    access: str, secret: str, hashed: str, nonce: str, algorithm: str = "HS512", **extra: int
) -> str:
    claims: dict[str, Any] = {"access_key": access, "nonce": nonce, **extra}
    if hashed:
        digest = hashlib.sha512(hashed.encode()).hexdigest()
        claims |= {"query_hash": digest, "query_hash_alg": "SHA512"}
    header = {"alg": algorithm, "typ": "JWT"}
    signed = f"{encoded(json.dumps(header).encode())}.{encoded(json.dumps(claims).encode())}"
    hashing = {"HS512": hashlib.sha512, "HS256": hashlib.sha256}[algorithm]
    return f"{signed}.{encoded(hmac.new(secret.encode(), signed.encode(), hashing).digest())}"


def upbit_token(access: str, secret: str, hashed: str, nonce: str, algorithm: str = "HS512") -> str:
    return korean_token(access, secret, hashed, nonce, algorithm)


@dataclass(frozen=True)
class Said:
    """A reply, its JSON decoded with exact numbers."""

    status: int
    body: Any
    headers: dict[str, str]


@dataclass
class Speaker:
    """The accounts of one simulator."""

    simulator: Simulator
    wall_ms: int = BEGIN_MS
    nonces: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.accounts = self.control("GET", "/control/accounts").body["accounts"]
        self.upbit_account, self.binance_account = self.accounts["upbit"], self.accounts["binance"]

    def wait(self, seconds: float) -> None:
        self.wall_ms += int(seconds * 1000)
        self.simulator.advance_to(self.wall_ms)

    def upbit_raw(self, method: str, path: str, /, **params: Any) -> Reply | Fault:
        query = "&".join(f"{name}={value}" for name, value in params.items())
        return self._korean("upbit", method, path, query, params, algorithm="HS512")

    def bithumb_raw(self, method: str, path: str, /, **params: Any) -> Reply | Fault:
        query = "&".join(f"{name}={value}" for name, value in params.items())
        stamp = {"algorithm": "HS256", "timestamp": self.wall_ms}
        return self._korean("bithumb", method, path, query, params, **stamp)

    def bithumb(self, method: str, path: str, /, **params: Any) -> Said:
        return said(self.bithumb_raw(method, path, **params))

    def _korean(
        self, venue: str, method: str, path: str, query: str, params: dict[str, Any], **claims: Any
    ) -> Reply | Fault:
        nonce = self.nonces.pop() if self.nonces else str(uuid4())
        account = self.accounts[venue]
        token = korean_token(account["access_key"], account["secret_key"], query, nonce, **claims)
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        is_post = method == "POST"
        return self.simulator.handle(
            venue,
            method,
            path,
            "" if is_post else query,
            headers,
            json.dumps(params).encode() if is_post else b"",
        )

    def upbit(self, method: str, path: str, /, **params: Any) -> Said:
        return said(self.upbit_raw(method, path, **params))

    def binance_raw(self, method: str, path: str, /, **params: Any) -> Reply | Fault:
        params.setdefault("timestamp", self.wall_ms)
        query = urlencode({name: value for name, value in params.items() if value is not None})
        secret = self.binance_account["secret_key"]
        signature = hmac.new(secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        headers = {"x-mbx-apikey": self.binance_account["access_key"]}
        return self.simulator.handle(
            "binance", method, path, f"{query}&signature={signature}", headers
        )

    def binance(self, method: str, path: str, /, **params: Any) -> Said:
        return said(self.binance_raw(method, path, **params))

    def public(self, venue: str, path: str, query: str = "") -> Said:
        return said(self.simulator.handle(venue, "GET", path, query))

    def control(self, method: str, path: str, /, **spec: Any) -> Said:
        if method == "GET":
            return said(self.simulator.control(method, path, urlencode(spec)))
        return said(self.simulator.control(method, path, "", json.dumps(spec).encode()))

    def fault(self, fault: str, venue: str, **spec: Any) -> None:
        reply = self.control("POST", "/control/faults", fault=fault, venue=venue, **spec)
        assert reply.status == 200, reply.body

    def pin(self, venue: str, symbol: str, bids: Any, asks: Any) -> None:
        rows = {"bids": bids, "asks": asks}
        reply = self.control("POST", "/control/book", venue=venue, symbol=symbol, **rows)
        assert reply.status == 200, reply.body

    def credit(self, venue: str, asset: str, quantity: str) -> None:
        self.control("POST", "/control/balances", venue=venue, asset=asset, credit=quantity)

    def held(self, venue: str, asset: str) -> tuple[Decimal, Decimal]:
        world = self.simulator.world
        return world.free(venue, asset), world.locked(venue, asset)

    def address(self, venue: str, asset: str) -> dict[str, str]:
        rows = self.accounts[venue]["deposit_addresses"]
        return next(row for row in rows if row["asset"] == asset)

    def kinds(self) -> list[Any]:
        return [row["kind"] for row in self.simulator.world.journal.rows]

    def rows(self, kind: str) -> list[dict[str, Any]]:
        return [row for row in self.simulator.world.journal.rows if row["kind"] == kind]


def said(reply: Reply | Fault) -> Said:
    assert isinstance(reply, Reply), reply
    body = json.loads(reply.body, parse_float=Decimal) if reply.body else None
    return Said(reply.status, body, dict(reply.headers))
