"""HTTP towards venues: the one place that sends, and says what became of what was sent."""

from __future__ import annotations
