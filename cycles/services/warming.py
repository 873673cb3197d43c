"""A worker's new connection learns what a step needs before a cycle has to wait for it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import psycopg
import structlog

from cycles import conf
from cycles.services import standing, stepping

log = structlog.get_logger(__name__)

NO_CYCLE, NO_ROWS = UUID(int=0), "[]"
PATIENCE = "SET LOCAL lock_timeout = '10ms'"
NO_LOCK = 0  # nobody's, where an intent's is the desk's mode


def warm(line: psycopg.Connection[Any]) -> None:
    """Run a step's statements on nothing: the first of each in a session reads catalogues and plans.

    That costs the server ten times what the statement does. A table that somebody keeps whole is not waited for.
    """
    try:
        with line.transaction():
            line.execute(PATIENCE)
            line.execute(standing.STATEMENT, [NO_CYCLE])
            line.execute(stepping.INTEND, [NO_LOCK, NO_ROWS, False])
            line.execute(stepping.SETTLE, [NO_ROWS, conf.lease_seconds(), False])
    except psycopg.DatabaseError as error:
        # No tables yet, no writes, a migration: whoever needs them is told.
        log.debug("connection.not_warmed", error=type(error).__name__)
