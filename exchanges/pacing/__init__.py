"""The shared store of rate budgets, in PostgreSQL: the only thing that all processes of a desk share."""

from __future__ import annotations
