"""The gateway to venues: knows venues, knows nothing of cycles."""

from __future__ import annotations
