"""The demonstration: the same desk, headless and bounded, with faults, that proves itself."""

from __future__ import annotations
