"""From a name to a connected socket within what is left of a deadline, however many addresses it has.

The system's resolver knows no deadline, and a connect time-out counts anew for each address: between
them they could hold a worker for longer than its lease.
"""

from __future__ import annotations

import queue
import socket
import struct
import threading
from collections.abc import Sequence
from typing import Any

from exchanges.lasting import lasting_seconds

Address = tuple[Any, ...]  # as getaddrinfo gives it
SocketOptions = Sequence[tuple[int, int, int | bytes]]
_SHORTEST_SECONDS = 0.001  # 0 would not block at all

# Closed otherwise, a socket is the kernel's to deliver, for minutes: a request that was given up (or whose
# process died) would reach the venue after it was declared absent. After a whole reply a reset does no harm:
# everything was delivered by then, and the reply's own length told its end, so that no farewell of TLS is
# missed either (http.client sends none). Kept connections are not closed. Streams have sockets of their own
# (websockets'), which move no money.
_RESET_WHEN_CLOSED = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
_USER_TIMEOUT: int | None = getattr(socket, "TCP_USER_TIMEOUT", None)


def connected(host: str, port: int, *, ends_at: float, options: SocketOptions) -> socket.socket:
    """Connect to the first address that answers; `ends_at` is by `lasting_seconds`.

    A silent address has its share of the time only, so that the others are asked as well. Raises gaierror
    for a name that is none, TimeoutError at the deadline, OSError of the last address.
    """
    failure: OSError = TimeoutError("no address answered in time")
    found = _resolved(host, port, _left(ends_at))
    for number, address in enumerate(found):
        if lasting_seconds() >= ends_at:
            break
        try:
            sock = _connected_to(address, options, seconds=_left(ends_at) / (len(found) - number))
        except OSError as error:
            failure = error
        else:
            sock.settimeout(_left(ends_at))
            return sock
    raise failure


def deliver_within(sock: socket.socket, seconds: float) -> None:
    """Let the kernel give the connection up when its peer has not acknowledged what is sent by then.

    Nobody closes the socket of a process that is paused. Linux alone can do it.
    """
    if _USER_TIMEOUT is not None:
        milliseconds = max(int(seconds * 1000), 1)  # 0 would be the system's, a quarter of an hour
        sock.setsockopt(socket.IPPROTO_TCP, _USER_TIMEOUT, milliseconds)


def _connected_to(address: Address, options: SocketOptions, *, seconds: float) -> socket.socket:
    family, kind, protocol, _, endpoint = address
    sock = socket.socket(family, kind, protocol)
    try:
        for option in (_RESET_WHEN_CLOSED, *options):
            sock.setsockopt(*option)
        sock.settimeout(seconds)
        sock.connect(endpoint)
    except OSError:
        sock.close()
        raise
    return sock


def _left(ends_at: float) -> float:
    return max(ends_at - lasting_seconds(), _SHORTEST_SECONDS)


def _resolved(host: str, port: int, seconds: float) -> list[Address]:
    """Resolve a name in a thread of its own, which outlives us if the resolver hangs."""
    told: queue.SimpleQueue[list[Address] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            told.put(list(socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)))
        except OSError as error:
            told.put(error)
        except UnicodeError:
            told.put(socket.gaierror("not the name of a host"))

    threading.Thread(target=ask, name="resolver", daemon=True).start()
    try:
        found = told.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError("the name was not resolved in time") from None
    if isinstance(found, OSError):
        raise found
    return found
