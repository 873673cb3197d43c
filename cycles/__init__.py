"""The business: cycles from open to final, and everything that hangs off them."""

from __future__ import annotations
