"""Connections that know whether a byte was sent, and whose exchange obeys one total deadline.

urllib3's time-outs bound each address and each `recv` only: a venue that drips one byte a second,
headers included, would hold a worker for ever. Here resolving, connecting, the TLS handshake, sending
and every `recv` get what is left of the deadline, and `send` notes that the request is no longer
provably unsent; exception classes alone do not tell (a TLS error may come before or after). Before that it
asks for the last time whether the request may still leave.
"""

from __future__ import annotations

import io
import logging
import socket
from contextvars import ContextVar
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.poolmanager import PoolManager

from exchanges.lasting import lasting_seconds
from exchanges.transport import leaving
from exchanges.transport.connecting import connected, deliver_within

CONNECT_SECONDS = 3

# urllib3 logs whole URLs, signatures included; nothing it says is missed: failures are classified here.
logging.getLogger("urllib3").setLevel(logging.CRITICAL)


@dataclass(slots=True)
class Attempt:
    """One attempt to send: when it must be over, by `lasting_seconds`, and whether a byte has left.

    `objection` says why none may leave any more; `objected`: what it said.
    """

    ends_at: float
    objection: leaving.Objection = leaving.none
    was_sent: bool = False
    objected: str = ""

    @property
    def seconds_left(self) -> float:
        """Give what is left of the deadline, never below a millisecond (0 would not block at all)."""
        return max(self.ends_at - lasting_seconds(), 0.001)

    @property
    def is_over(self) -> bool:
        """Say whether the deadline has passed."""
        return lasting_seconds() >= self.ends_at

    def demand_leave(self) -> None:
        """Raise TimeoutError when no byte may leave any more."""
        if self.is_over:
            raise TimeoutError("deadline passed before it was sent")
        self.objected = self.objection()
        if self.objected:
            raise TimeoutError(self.objected)


current_attempt: ContextVar[Attempt] = ContextVar("current_attempt")


class _DeadlineReader(io.RawIOBase):
    """A socket's bytes, each `recv` bounded by what is left of the attempt."""

    def __init__(self, sock: socket.socket, attempt: Attempt) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._attempt = attempt

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._attempt.is_over:
            raise TimeoutError("deadline passed")
        self._sock.settimeout(self._attempt.seconds_left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _DeadlineSocket:
    """What http.client asks of a socket when it reads a reply."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def makefile(self, mode: str) -> io.BufferedReader:
        if mode != "rb":
            raise ValueError(f"replies are read as bytes, not {mode!r}")
        return io.BufferedReader(_DeadlineReader(self._sock, current_attempt.get()))


class _DeadlineResponse(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        # http.client only ever calls makefile("rb") on it
        super().__init__(_DeadlineSocket(sock), *args, **kwargs)  # type: ignore[arg-type]


class _Connection(HTTPConnection):
    response_class = _DeadlineResponse

    def _new_conn(self) -> socket.socket:
        return _connected(self)

    def send(self, data: Any) -> None:
        _demand_leave(self)
        super().send(data)


class _TlsConnection(HTTPSConnection):
    response_class = _DeadlineResponse

    def _new_conn(self) -> socket.socket:
        return _connected(self)

    def send(self, data: Any) -> None:
        _demand_leave(self)
        super().send(data)


def _connected(connection: HTTPConnection) -> socket.socket:
    """Connect for urllib3, in its errors; a TLS handshake has what is left after it."""
    attempt = current_attempt.get()
    most = connection.timeout if isinstance(connection.timeout, int | float) else CONNECT_SECONDS
    try:
        return connected(
            connection.host,
            connection.port or connection.default_port,
            ends_at=min(lasting_seconds() + most, attempt.ends_at),
            options=connection.socket_options or (),
        )
    except socket.gaierror as error:
        raise NameResolutionError(connection.host, connection, error) from error
    except TimeoutError as error:
        raise ConnectTimeoutError(connection, "no connection in time") from error
    except OSError as error:
        raise NewConnectionError(connection, "no connection") from error


def _demand_leave(connection: HTTPConnection) -> None:
    """Connect first, and bound the sending; if bytes may still leave then, note that they are about to."""
    attempt = current_attempt.get()
    if connection.sock is None:
        connection.connect()
    if connection.sock is not None:
        connection.sock.settimeout(attempt.seconds_left)
        deliver_within(
            connection.sock, attempt.seconds_left
        )  # anew: a kept one has the last call's
    attempt.demand_leave()  # last of all: whatever else is to be done takes time
    attempt.was_sent = True


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class DeadlineAdapter(HTTPAdapter):
    """A requests adapter over the connections above; it never retries by itself."""

    def init_poolmanager(  # the signature is requests' own
        self,
        connections: int,
        maxsize: int,
        block: bool = False,  # noqa: FBT001, FBT002 - as above
        **pool_kwargs: Any,
    ) -> None:
        self.poolmanager = PoolManager(
            num_pools=connections, maxsize=maxsize, block=block, **pool_kwargs
        )
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
