"""Commands for operators and for the desk's processes."""

from __future__ import annotations
