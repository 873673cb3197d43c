"""Commands of the composition."""

from __future__ import annotations
