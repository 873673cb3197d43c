"""From a name to a connected socket within what is left of a deadline, however many addresses it has.

The system's resolver knows no deadline, and a connect time-out counts anew for each address: between
them they could hold a worker for longer than its lease.
"""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Sequence
from typing import Any

Address = tuple[Any, ...]  # as getaddrinfo gives it
SocketOptions = Sequence[tuple[int, int, int | bytes]]
_SHORTEST_SECONDS = 0.001  # 0 would not block at all


def connected(host: str, port: int, *, ends_at: float, options: SocketOptions) -> socket.socket:
    """Connect to the first address that answers; `ends_at` is monotonic.

    Raises gaierror for a name that is none, TimeoutError at the deadline, OSError of the last address.
    """
    failure: OSError = TimeoutError("no address answered in time")
    for family, kind, protocol, _, address in _resolved(host, port, _left(ends_at)):
        if time.monotonic() >= ends_at:
            break
        sock = socket.socket(family, kind, protocol)
        try:
            for option in options:
                sock.setsockopt(*option)
            sock.settimeout(_left(ends_at))
            sock.connect(address)
        except OSError as error:
            failure = error
            sock.close()
        else:
            sock.settimeout(_left(ends_at))
            return sock
    raise failure


def _left(ends_at: float) -> float:
    return max(ends_at - time.monotonic(), _SHORTEST_SECONDS)


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
