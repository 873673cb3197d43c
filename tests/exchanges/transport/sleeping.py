"""What happens while a connection is made, and a host that slept meanwhile, as its clocks tell it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

AN_HOUR = 3600


def when_connected(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Let something happen whenever a connection stands, before it is of use to anybody."""
    connect = socket.socket.connect

    def connected(sock: socket.socket, address: Any) -> None:
        connect(sock, address)
        happens()

    monkeypatch.setattr(socket.socket, "connect", connected)


def suspend(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the host have slept for an hour: the monotonic clock has not moved."""
    read = time.clock_gettime

    def woken(clock: int) -> float:
        return read(clock) + (AN_HOUR if clock == time.CLOCK_BOOTTIME else 0)

    monkeypatch.setattr(time, "clock_gettime", woken)
