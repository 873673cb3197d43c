"""Composition of the kimp desk: settings, processes, health; nothing imports it."""

from __future__ import annotations

