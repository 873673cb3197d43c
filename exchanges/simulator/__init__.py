"""The simulated venues: Upbit and Binance over real sockets, with a chain between them."""

from __future__ import annotations
