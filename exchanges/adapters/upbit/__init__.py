"""Upbit (Korea): orders by identifier, withdrawals without a client id."""

from __future__ import annotations
