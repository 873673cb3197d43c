"""The venues' WebSockets without sockets: sessions that take messages and time and give frames."""

from __future__ import annotations
