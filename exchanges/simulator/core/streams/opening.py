"""Who may connect, and to what: paths, limits of connections, signatures of private streams."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote

from exchanges.simulator.core.errors import RefusalError
from exchanges.simulator.core.krw.auth import authenticate
from exchanges.simulator.core.krw.params import Params
from exchanges.simulator.core.krw.refusals import refuse
from exchanges.simulator.core.streams.binance.api import ApiSession
from exchanges.simulator.core.streams.binance.streams import MarketStreams
from exchanges.simulator.core.streams.pace import Door, Pace
from exchanges.simulator.core.streams.session import Session
from exchanges.simulator.core.streams.upbit.dialect import DIALECTS, Dialect
from exchanges.simulator.core.streams.upbit.session import (
    FamilySession,
    PrivateSession,
    RefusedSession,
)
from exchanges.simulator.core.values import BINANCE, HTML_TYPE, Reply, Request

if TYPE_CHECKING:
    from exchanges.simulator.core.streams.hub import Streams

BINANCE_CONNECTS = 300
BINANCE_WINDOW_MS = 300_000
ORIGIN_WINDOW_MS = 10_000
_NOT_FOUND = Reply(status=404, content_type=HTML_TYPE)


def admitted(streams: Streams, request: Request) -> Session | Reply:
    """Return a session for a request to connect, or the reply that refuses it."""
    number = streams.opened + 1
    dialect = DIALECTS.get(request.venue)
    if dialect is not None:
        return _family(streams, dialect, request, number)
    if request.venue != BINANCE:
        return _NOT_FOUND
    session = _binance(streams, request, number)
    if session is not None and not _admits_binance(streams, request.remote):
        return Reply(status=429, content_type=HTML_TYPE, headers=(("Retry-After", "300"),))
    return session or _NOT_FOUND


def _binance(streams: Streams, request: Request, number: int) -> Session | None:
    path = unquote(request.path)
    if path == "/ws-api/v3":
        return ApiSession(streams, path, number, request.remote)
    if path == "/stream":
        asked = dict(parse_qsl(request.query)).get("streams", "")
        return MarketStreams(streams, path, number, asked.split("/"), is_combined=True)
    if path == "/ws" or path.startswith("/ws/"):
        names = path.removeprefix("/ws").split("/")
        return MarketStreams(streams, path, number, names, is_combined=False)
    return None


def _admits_binance(streams: Streams, remote: str) -> bool:
    fresh = Door((Pace(BINANCE_CONNECTS, BINANCE_WINDOW_MS),))
    return _admits(streams, f"{BINANCE}:{remote}", fresh)


def _admits(streams: Streams, caller: str, fresh: Door) -> bool:
    door = streams.doors.setdefault(caller, fresh)
    return door.admits(streams.world.wall_ms) or not streams.has_limits


def _family(streams: Streams, dialect: Dialect, request: Request, number: int) -> Session | Reply:
    is_private = request.path == dialect.private_path
    if not is_private and request.path != dialect.public_path:
        return _NOT_FOUND
    if not _admits_family(streams, dialect, request):
        return refuse("too_many_requests", status=429).reply
    if not is_private:
        return FamilySession(streams, dialect, request.path, number)
    return _signed(streams, dialect, request, number)


def _admits_family(streams: Streams, dialect: Dialect, request: Request) -> bool:
    caller = "account" if "authorization" in request.headers else request.remote
    connects = Door((Pace(dialect.connects_a_second, 1000),), ban_ms=dialect.ban_ms)
    is_admitted = _admits(streams, f"{dialect.venue}:{caller}", connects)
    if "origin" not in request.headers:
        return is_admitted
    browsers = Door((Pace(1, ORIGIN_WINDOW_MS),))
    return _admits(streams, f"{dialect.venue}:origin:{request.remote}", browsers) and is_admitted


def _signed(streams: Streams, dialect: Dialect, request: Request, number: int) -> Session | Reply:
    """Check the token, its nonce included; a refused one connects only to hear so."""
    rule = streams.spoiler.rejects_auth(dialect.venue, request.path)
    if rule is not None and rule.args.get("how") == "handshake":
        return refuse("jwt_verification").reply
    try:
        if rule is not None:
            raise refuse("jwt_verification")
        params, nonces = Params(dialect.venue), streams.simulator.nonces
        key = authenticate(streams.world, nonces, request, params, dialect.tokens)
        if "read" not in key.permissions:
            raise refuse("out_of_scope")
    except RefusalError:
        return RefusedSession(streams, dialect.venue, request.path, number)
    return PrivateSession(streams, dialect, request.path, number)
