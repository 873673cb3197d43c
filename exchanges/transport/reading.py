"""Shapes read by many threads: each is worked out once, by one of them."""

from __future__ import annotations

import threading
from typing import Any, TypeVar

import msgspec

from exchanges.transport.decoding import UnreadableError

T = TypeVar("T")
# msgspec has errors of its own for most, but text that is no UTF-8 and what is nested too deep raise Python's.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}
_making = threading.Lock()


def decoder(shape: type[T]) -> msgspec.json.Decoder[T]:
    """Give the decoder of a shape, made once, by one thread.

    msgspec lets a second thread use a shape that the first is still working out, and kills the process.
    """
    found = _decoders.get(shape)
    if found is None:
        with _making:
            found = _decoders.get(shape) or msgspec.json.Decoder(shape)
            _decoders[shape] = found
    return found


def decode(body: bytes, shape: type[T]) -> T:
    """Read a JSON body as `shape`; numbers become Decimal exactly, whether quoted or bare.

    Raises UnreadableError, whatever is wrong with it.
    """
    try:
        return decoder(shape).decode(body)
    except UNREADABLE as error:  # their texts quote no values, but for one byte
        raise UnreadableError(str(error)) from None
