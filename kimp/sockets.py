"""Ports on loopback: is one free, and which one is."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack

LOOPBACK = "127.0.0.1"
# Below what systems give out by themselves: no outgoing connection takes one between looking and binding.
ROWS_FROM, ROWS_TO = 20_000, 32_000
_chance = random.SystemRandom()


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Tell whether a server could bind the port now."""
    return _refusal(port, host) is None


def is_forbidden(port: int, host: str = LOOPBACK) -> bool:
    """Tell whether it is not somebody else who keeps us from the port, but a want of rights."""
    return isinstance(_refusal(port, host), PermissionError)


def _refusal(port: int, host: str) -> OSError | None:
    """Try to bind the port, and let go of it; give what was against it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error
    return None


def free_port() -> int:
    """Return a port that nobody has bound at this moment."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def free_row(count: int) -> int:
    """Find ports in a row that nobody has bound at this moment; gives the first. Raises OSError."""
    starts = list(range(ROWS_FROM, ROWS_TO - count, count))
    _chance.shuffle(starts)  # two who look at once hardly find the same
    for first in starts:
        if _can_bind(range(first, first + count)):
            return first
    raise OSError(f"no {count} free ports in a row on loopback")


def _can_bind(ports: range) -> bool:
    """Bind them all together, and let go of them."""
    with ExitStack() as held:
        try:
            for port in ports:
                held.enter_context(socket.socket()).bind((LOOPBACK, port))
        except OSError:
            return False
    return True
