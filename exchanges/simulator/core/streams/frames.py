"""What passes between a session and the transport that carries it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from exchanges.simulator.core.values import encode

TEXT: Final = "text"
BINARY: Final = "binary"
PING: Final = "ping"
PONG: Final = "pong"
CLOSE: Final = "close"
ABORT: Final = "abort"

GOING_AWAY: Final = 1001
POLICY: Final = 1008
RESTARTING: Final = 1012


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame; `abort` breaks the connection without a word, `code` is a close's."""

    kind: str
    data: bytes = b""
    code: int = 0


def text(payload: object) -> Frame:
    """Write JSON into a text frame."""
    return Frame(TEXT, encode(payload))


def binary(payload: object) -> Frame:
    """Write JSON into a binary frame."""
    return Frame(BINARY, encode(payload))


def combined(stream: str, frame: Frame) -> Frame:
    """Wrap an event into `{stream, data}`, as a connection with several streams has it."""
    return Frame(frame.kind, b'{"stream":"%b","data":%b}' % (stream.encode(), frame.data))
