"""Migrations match the models, and the code of the release before bears them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.postgres.operations import AddIndexConcurrently
from django.core.management import call_command
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation

from tests.meta import old_code

APPS = ("cycles", "exchanges")
# What was there before anything was released: no older code ever ran on a database that lacks these.
FIRST_RELEASE = {
    ("cycles", "0015_durable_step"),
    ("exchanges", "0004_address_book_and_identities"),
}
CHANGELOG = Path(__file__).resolve().parents[2] / "CHANGELOG.md"
CYCLE = ("cycle", "note")
INDEX = models.Index(fields=["started_at"], name="cycle_next")
CHECK = models.CheckConstraint(condition=~models.Q(code=""), name="cycle_code_given")

BORNE: dict[str, list[Operation]] = {
    "a column that may be null": [migrations.AddField(*CYCLE, models.TextField(null=True))],
    "a column with a default in the database":
        [migrations.AddField(*CYCLE, models.TextField(db_default=""))],
    "a wider column": [migrations.AlterField("cycle", "code", models.CharField(max_length=30, unique=True))],
    "a column that need not be given any more":
        [migrations.AlterField("cycle", "code", models.CharField(max_length=20, unique=True, null=True))],
    "a constraint made anew":
        [migrations.RemoveConstraint("cycle", CHECK.name), migrations.AddConstraint("cycle", CHECK)],
    "a function": [migrations.RunSQL("CREATE FUNCTION kimp_next_v1() RETURNS int RETURN 1")],
    "a table guarded against being emptied":
        [migrations.RunSQL("CREATE TRIGGER kept BEFORE TRUNCATE ON cycles_cycle EXECUTE FUNCTION kimp_kept()")],
    "what changes in the state alone": [
        migrations.SeparateDatabaseAndState(state_operations=[migrations.AddConstraint("cycle", CHECK)])
    ],
    "anything on a table of its own": [
        migrations.CreateModel("Next", [("id", models.BigAutoField(primary_key=True))]),
        migrations.AddField("next", "note", models.TextField(default="")),
        migrations.AddIndex("next", models.Index(fields=["note"], name="next_note")),
    ],
}  # fmt: skip
NOT_BORNE: dict[str, list[Operation]] = {
    "a default of the code alone": [migrations.AddField(*CYCLE, models.TextField(default=""))],
    "a column taken away": [migrations.RemoveField("cycle", "assignee")],
    "a column renamed": [migrations.RenameField("cycle", "code", "name")],
    "a column that must be given":
        [migrations.AlterField("cycle", "wake_at", models.DateTimeField())],
    "a narrower column": [migrations.AlterField("cycle", "code", models.CharField(max_length=10, unique=True))],
    "a column of another type": [migrations.AlterField("cycle", "code", models.TextField(unique=True))],
    "a constraint that was not there": [migrations.AddConstraint("cycle", CHECK)],
    "an index that writers wait for": [migrations.AddIndex("cycle", INDEX)],
    "a table taken away": [migrations.DeleteModel("Alert")],
    "a function taken away": [migrations.RunSQL("DROP FUNCTION kimp_intend_v1")],
    "a change of the database that the state is not told": [
        migrations.SeparateDatabaseAndState([migrations.AddConstraint("cycle", CHECK)])
    ],
    "an index dropped while everybody waits": [migrations.RunSQL("DROP INDEX cycle_open")],
    "a table emptied": [migrations.RunSQL("TRUNCATE cycles_alert")],
}  # fmt: skip


@pytest.mark.django_db
def test_no_model_has_changed_without_a_migration() -> None:
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


def test_the_code_of_the_release_before_bears_every_migration() -> None:
    loader = MigrationLoader(None)
    found = [
        problem
        for key in _since_the_first_release(loader)
        for problem in old_code.problems(loader.graph.nodes[key], _before(loader, key))
        if not _is_long_unused(loader.graph.nodes[key])
    ]
    assert found == []


@pytest.mark.parametrize("name", BORNE)
def test_old_code_bears(name: str) -> None:
    assert _judge(BORNE[name]) == []


@pytest.mark.parametrize("name", NOT_BORNE)
def test_old_code_does_not_bear(name: str) -> None:
    assert len(_judge(NOT_BORNE[name])) == 1


def test_what_is_not_atomic_has_no_limits_and_so_may_only_do_what_makes_nobody_wait() -> None:
    column = migrations.AddField(*CYCLE, models.TextField(null=True))
    assert _judge([AddIndexConcurrently("cycle", INDEX)], atomic=False) == []
    drop = "DROP INDEX CONCURRENTLY cycle_open"
    assert _judge([migrations.RunSQL(drop)], atomic=False) == []
    assert len(_judge([migrations.RunSQL(f"{drop}; DROP TABLE cycles_alert")], atomic=False)) == 1
    assert len(_judge([column], atomic=False)) == 1


def _judge(operations: list[Operation], *, atomic: bool = True) -> list[str]:
    loader = MigrationLoader(None)
    kind = type("Migration", (migrations.Migration,), {"operations": operations, "atomic": atomic})
    return old_code.problems(kind("9999_next", "cycles"), loader.project_state())


def _since_the_first_release(loader: MigrationLoader) -> list[tuple[str, str]]:
    """Name our migrations that came after the first release's."""
    first = {one for key in FIRST_RELEASE for one in loader.graph.forwards_plan(key)}
    return sorted(key for key in loader.graph.nodes if key[0] in APPS and key not in first)


def _before(loader: MigrationLoader, key: tuple[str, str]) -> Any:
    return loader.project_state(key, at_end=False)


def _is_long_unused(migration: migrations.Migration) -> bool:
    """Say whether a migration names a release, already out, whose code uses no more what it takes away."""
    version = getattr(migration, "unused_since", None)
    released = re.findall(r"^## \[(\d[^\]]*)\]", CHANGELOG.read_text("utf-8"), re.MULTILINE)
    return version in released
