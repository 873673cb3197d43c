"""What the simulated Binance says on the wire."""

from __future__ import annotations
