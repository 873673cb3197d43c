"""The ids that tie log lines, rows and tasks together; they live in structlog's contextvars only."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from structlog.contextvars import (
    bind_contextvars,
    bound_contextvars,
    get_contextvars,
    unbind_contextvars,
)

from cycles.models.fields import public_code

NAMES = ("request_id", "cycle_id", "session_id", "user_id", "trace_id")
COLUMNS = ("request_id", "session_id", "trace_id")  # what a `Correlated` row keeps
MAX_LENGTH = 64
_VALID = re.compile(rf"[A-Za-z0-9._:-]{{1,{MAX_LENGTH}}}")


def is_valid_id(text: object) -> bool:
    """Say whether an id from outside may be kept: 1 to 64 of letters, digits and `._:-`."""
    return isinstance(text, str) and _VALID.fullmatch(text) is not None


def as_code(cycle: object) -> str:
    """Return the code that people use for a cycle; a UUID becomes its code, the rest stays."""
    try:
        return public_code(cycle if isinstance(cycle, uuid.UUID) else uuid.UUID(str(cycle)))
    except ValueError:
        return str(cycle)


def new_id() -> str:
    """Make an id for a request or a session."""
    return uuid.uuid4().hex


def correlation() -> dict[str, str]:
    """Return what a `Correlated` row keeps: '' for an id that is not bound."""
    ids = carry()
    return {name: ids.get(name, "") for name in COLUMNS}


def carry() -> dict[str, str]:
    """Return every bound id, to hand to a task or to another thread; see `resume`."""
    found = get_contextvars()
    return {name: found[name] for name in NAMES if is_valid_id(found.get(name))}


@contextmanager
def bound(**ids: object) -> Iterator[None]:
    """Bind ids for a block and put the former ones back; empty ones are left as they were.

    A cycle's UUID is bound as its code: one word for one cycle in every line.

    Raises ValueError for a name or a value that no log line or column could keep.
    """
    wanted = {name: str(value) for name, value in ids.items() if value not in (None, "")}
    if "cycle_id" in wanted:
        wanted["cycle_id"] = as_code(wanted["cycle_id"])
    for name, value in wanted.items():
        if name not in NAMES or not is_valid_id(value):
            raise ValueError(f"{name}: not an id that can be bound")
    with bound_contextvars(**wanted):
        yield


@contextmanager
def resume(ids: Mapping[str, object] | None) -> Iterator[None]:
    """Bind carried ids for a block; what is not a valid id is dropped, never an error."""
    given = ids or {}
    with bound(**{name: given[name] for name in NAMES if is_valid_id(given.get(name))}):
        yield


def note_user(user_id: object) -> None:
    """Bind who acts, until the request ends: known only once some door has authenticated them."""
    bind_contextvars(user_id=str(user_id))


@contextmanager
def user_noted() -> Iterator[None]:
    """Start without a user and forget whom `note_user` bound: a thread serves many requests."""
    unbind_contextvars("user_id")
    try:
        yield
    finally:
        unbind_contextvars("user_id")
