"""Template filters of the operators' pages."""

from __future__ import annotations
