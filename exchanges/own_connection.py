"""A database connection of a thread's own, beside the one that its process shares or pools.

It may lead through a pooler, and then its session may be everybody's.
"""

from __future__ import annotations

from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections

LOOKS = 5


def own_connection() -> Any:
    """Make a connection that no pool hands to others; whoever asked for it closes it."""
    made = connections.create_connection(DEFAULT_DB_ALIAS)
    options = {k: v for k, v in made.settings_dict["OPTIONS"].items() if k != "pool"}
    made.settings_dict = {**made.settings_dict, "OPTIONS": options}
    return made


def is_pooled(line: Any) -> bool:
    """Say whether a pooler stands before the database: it greets with a number that is no server process's."""
    served_by = _server_process(line)  # connects, if need be
    return bool(line.connection.info.backend_pid != served_by)


def shares_its_session(line: Any) -> bool:
    """Say whether a pooler hands one server process to many between transactions: no session lasts, then.

    Never said of one that pools by session. Of one that pools by transaction two open connections tell: both are
    served by the same process, or one of them by two. Ask outside a transaction.
    """
    if not is_pooled(line):
        return False
    other = own_connection()
    try:
        return any(_have_shared(line, other) for _ in range(LOOKS))
    finally:
        other.close()


def _have_shared(line: Any, other: Any) -> bool:
    """Look once; none is held while another is asked for, as the pooler may have no second."""
    before = _server_process(line)
    return before == _server_process(other) or before != _server_process(line)


def _server_process(line: Any) -> int:
    with line.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])
