"""Binance's WebSockets: market streams, and the WebSocket API with the user's events."""

from __future__ import annotations
