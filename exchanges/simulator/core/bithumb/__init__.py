"""What the simulated Bithumb says on the wire: Upbit's family, with ways of its own."""

from __future__ import annotations
