"""Sources of the official USD/KRW rate."""

from __future__ import annotations
