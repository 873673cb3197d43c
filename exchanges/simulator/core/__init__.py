"""The pure core of the simulated venues: no sockets, clock, randomness or Django of its own."""

from __future__ import annotations
