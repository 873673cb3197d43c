"""Schema history of the gateway's reference data."""

from __future__ import annotations
