"""Writes a message in the format a connection asked for."""

from __future__ import annotations

from exchanges.simulator.core.streams import frames
from exchanges.simulator.core.streams.frames import Frame
from exchanges.simulator.core.streams.upbit.names import Names, shortened


def spelled(message: dict[str, object], form: str, names: Names) -> Frame:
    """Return a binary frame: short names in the SIMPLE forms, a list of one in the LIST forms."""
    shown = shortened(message, names) if form.startswith("SIMPLE") else message
    return frames.binary([shown] if form.endswith("LIST") else shown)
