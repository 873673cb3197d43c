"""Recordings of books, rates and wallet states: written by the feeder, read by simulator and replay.

The format is described in docs/recordings.md. Pure: `lines`, `moments`. With files: `writer`, `folder`.
"""

from __future__ import annotations
