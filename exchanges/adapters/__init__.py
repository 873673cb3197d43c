"""One package per venue: requests out, payloads in. They know nothing of one another."""

from __future__ import annotations
