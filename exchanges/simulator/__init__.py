"""The simulated venues: Upbit, Binance and Bithumb over real sockets, with a chain between them."""

from __future__ import annotations
