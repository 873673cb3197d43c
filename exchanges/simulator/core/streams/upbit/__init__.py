"""Upbit's WebSockets, and those of venues that speak alike: a dialect holds what differs."""

from __future__ import annotations
