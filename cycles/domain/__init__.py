"""Pure decisions: no clock, no I/O, no ORM."""

from __future__ import annotations
