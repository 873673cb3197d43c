"""Where Django looks for a backend's wrapper."""

from __future__ import annotations

from kimp.database.pooled import PooledWrapper as DatabaseWrapper

__all__ = ["DatabaseWrapper"]
