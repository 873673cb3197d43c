"""The views: each names its need, reads a selector or calls one service, and shows the result."""

from __future__ import annotations
