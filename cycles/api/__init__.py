"""The REST door under /api/v1/: it reads selectors and calls services, and contains no rule."""

from __future__ import annotations
