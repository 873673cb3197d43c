"""What the simulated Upbit says on the wire."""

from __future__ import annotations
