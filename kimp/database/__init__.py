"""The PostgreSQL backend that starts or joins the embedded server at its first connection."""

from __future__ import annotations
