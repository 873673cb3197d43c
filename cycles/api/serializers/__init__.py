"""The shapes of what the API shows (`rows`) and of what it is told (`bodies`)."""

from __future__ import annotations
