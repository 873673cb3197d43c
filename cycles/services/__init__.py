"""The imperative shell: everything that writes, one verb per function."""

from __future__ import annotations
