"""Binance spot and wallet: orders and withdrawals by our own ids."""

from __future__ import annotations
