"""A database connection of a thread's own, beside the one that its process shares or pools."""

from __future__ import annotations

from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections


def own_connection() -> Any:
    """Make a connection that no pool hands to others; whoever asked for it closes it."""
    made = connections.create_connection(DEFAULT_DB_ALIAS)
    options = {k: v for k, v in made.settings_dict["OPTIONS"].items() if k != "pool"}
    made.settings_dict = {**made.settings_dict, "OPTIONS": options}
    return made
