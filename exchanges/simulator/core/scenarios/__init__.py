"""Scenarios: what the simulated venues are like and what goes wrong there, as data, and how they are played."""

from __future__ import annotations
