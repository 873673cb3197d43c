"""Bithumb (Korea): orders taken before they are answered for, withdrawals that name who receives."""

from __future__ import annotations
