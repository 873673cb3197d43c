"""A worker's new connection learns what a step needs before a cycle has to wait for it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import psycopg.errors
import structlog

from cycles import conf
from cycles.services import standing, stepping

# Somebody keeps a table whole, the server goes down; a release that is not there yet; a standby.
PASSING = (
    psycopg.OperationalError,
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.ReadOnlySqlTransaction,
)
log = structlog.get_logger(__name__)

NO_CYCLE, NO_ROWS = UUID(int=0), "[]"
PATIENCE = "SET LOCAL lock_timeout = '10ms'"
NO_LOCK = 0  # nobody's, where an intent's is the desk's mode


def warm(line: psycopg.Connection[Any]) -> None:
    """Run a step's statements on nothing: the first of each in a session reads catalogues and plans.

    That costs the server ten times what the statement does. A table that somebody keeps whole is not waited for.
    What only rows set off (foreign keys, triggers of a row) is planned by the first that is written, and intents of a
    desk in HALT by the first after it.
    """
    try:
        with line.transaction():
            line.execute(PATIENCE)
            line.execute(standing.STATEMENT, [NO_CYCLE])
            line.execute(stepping.INTEND, [NO_LOCK, NO_ROWS, False])
            line.execute(stepping.SETTLE, [NO_ROWS, conf.lease_seconds(), True])
    except PASSING as error:
        log.debug("connection.not_warmed", error=type(error).__name__)
    except psycopg.DatabaseError as error:
        # As good as any other connection, only slower at first.
        log.warning("connection.not_warmed", error=type(error).__name__)
