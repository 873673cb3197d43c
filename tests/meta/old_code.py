"""What a migration may do while the code of the release before still runs on the database, as rules.

A rule reads one operation, with the state of the models before it, and gives what speaks against it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django.contrib.postgres import operations as postgres
from django.db import connection
from django.db.migrations import Migration, operations
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models import Field

Rule = Callable[[Any, "Seen"], str]

NEVER_WAITS = (
    postgres.AddIndexConcurrently,
    postgres.RemoveIndexConcurrently,
    postgres.ValidateConstraint,
)
# An index that only makes reads slower by going (none that is unique: that is for whoever reads it).
CONCURRENTLY = re.compile(r"DROP INDEX CONCURRENTLY[^;]*", re.IGNORECASE)
# A trigger before TRUNCATE ON a table takes nothing away.
TAKEN_AWAY = re.compile(r"\b(DROP|RENAME|TRUNCATE(?!\s+ON\b)|SET\s+NOT\s+NULL)\b", re.IGNORECASE)
VARCHAR = re.compile(r"varchar\((\d+)\)")


class Seen:
    """What is known where an operation begins: the models before it, and what this migration has done so far."""

    def __init__(self, app: str, state: ProjectState) -> None:
        self.app = app
        self.state = state
        self.made: set[str] = set()  # models: old code does not know them
        self.unmade: set[str] = set()  # constraints


def problems(migration: Migration, before: ProjectState) -> list[str]:
    """Say what the code of the release before would not bear, or would have to wait for."""
    seen = Seen(migration.app_label, before.clone())
    return [
        f"{migration}: {operation.describe()}: {problem}"
        for operation, problem in _judged(migration, seen)
        if problem
    ]


def _judged(migration: Migration, seen: Seen) -> Iterator[tuple[Operation, str]]:
    for operation in migration.operations:
        if not migration.atomic and not _never_waits(operation):
            yield operation, "no limit holds outside of a transaction: only what makes nobody wait"
        elif str(getattr(operation, "model_name", "")).lower() not in seen.made:
            yield operation, RULES.get(type(operation), _unknown)(operation, seen)
        operation.state_forwards(seen.app, seen.state)


def _never_waits(operation: Operation) -> bool:
    if isinstance(operation, operations.RunSQL):
        return bool(CONCURRENTLY.fullmatch(str(operation.sql)))
    return isinstance(operation, NEVER_WAITS) or _is_of_the_state_alone(operation)


def _is_of_the_state_alone(operation: Operation) -> bool:
    return (
        isinstance(operation, operations.SeparateDatabaseAndState)
        and not operation.database_operations
    )


def _unknown(_operation: Operation, _seen: Seen) -> str:
    return "old code may use it; let it go one release after nothing does (`unused_since`)"


def _harmless(_operation: Operation, _seen: Seen) -> str:
    return ""


def _create_model(operation: operations.CreateModel, seen: Seen) -> str:
    seen.made.add(operation.name_lower)
    return ""


def _add_field(operation: operations.AddField, _seen: Seen) -> str:
    field: Any = operation.field
    if field.many_to_many or field.null or field.has_db_default() or field.generated:
        return ""
    return "old code does not name the column when it inserts: null=True, or db_default="


def _alter_field(operation: operations.AlterField, seen: Seen) -> str:
    model = seen.state.models[seen.app, operation.model_name_lower]
    old: Any = model.fields[operation.name]
    new: Any = operation.field
    if new.null < old.null:
        return "old code may write NULL"
    if (new.unique, new.db_index) != (old.unique, old.db_index):
        return "an index is made or dropped while everybody waits"
    if old.has_db_default() and not new.has_db_default():
        return "old code may not name the column when it inserts"
    return "" if _is_as_wide(old, new) else "the column changes its type or narrows"


def _is_as_wide(old: Field[Any, Any], new: Field[Any, Any]) -> bool:
    was, will_be = str(old.db_type(connection)), str(new.db_type(connection))
    narrow, wide = VARCHAR.fullmatch(was), VARCHAR.fullmatch(will_be)
    if narrow and wide:
        return int(wide[1]) >= int(narrow[1])
    return was == will_be


def _remove_constraint(operation: operations.RemoveConstraint, seen: Seen) -> str:
    seen.unmade.add(operation.name)
    return ""


def _add_constraint(operation: operations.AddConstraint, seen: Seen) -> str:
    if operation.constraint.name in seen.unmade:
        return ""  # made anew: that it is no narrower is for whoever reads it
    return "old code may write what it forbids"


def _index(_operation: Operation, _seen: Seen) -> str:
    return "whoever writes waits for it: make and drop it CONCURRENTLY, in a migration that is not atomic"


def _run_sql(operation: operations.RunSQL, seen: Seen) -> str:
    found = None if _never_waits(operation) else TAKEN_AWAY.search(str(operation.sql))
    return f"{found[0]}: {_unknown(operation, seen)}" if found else ""


def _apart(operation: operations.SeparateDatabaseAndState, seen: Seen) -> str:
    return "" if _is_of_the_state_alone(operation) else _unknown(operation, seen)


RULES: Mapping[type[Operation], Rule] = {
    operations.CreateModel: _create_model,
    operations.AddField: _add_field,
    operations.AlterField: _alter_field,
    operations.AlterModelOptions: _harmless,
    operations.AlterModelManagers: _harmless,
    operations.RemoveConstraint: _remove_constraint,
    operations.AddConstraint: _add_constraint,
    operations.AddIndex: _index,
    operations.RemoveIndex: _index,
    operations.RunSQL: _run_sql,
    operations.SeparateDatabaseAndState: _apart,
    operations.RunPython: _harmless,  # it writes rows; which, no rule can tell
    **dict.fromkeys(NEVER_WAITS, _harmless),
}
