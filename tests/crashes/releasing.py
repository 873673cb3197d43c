"""A next release of kimp, made from the code at hand: the same, with what a release may add to a desk at work.

It adds a column to each of two hot tables (one that may be null, one with a default in the database), an
index beside the work, and a second version of the function that writes intents, which its code calls.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.kimp.processes import PROJECT

CODE = ("manage.py", "kimp", "cycles", "exchanges", "templates")
COLUMNS, INDEX = "9998_release", "9999_release_index"
CYCLE_FIELD = 'models.CharField("release", max_length=8, null=True)'
CALL_FIELD = 'models.CharField("release", max_length=8, db_default="v1")'
CALL_INDEX = 'models.Index(fields=["release"], name="call_release")'

ADDING = f"""
from django.db import migrations, models

class Migration(migrations.Migration):
    dependencies = [("cycles", "LEAF")]
    operations = [
        migrations.AddField("cycle", "release", {CYCLE_FIELD}),
        migrations.AddField("exchangecall", "release", {CALL_FIELD}),
        migrations.RunSQL({{sql!r}}, "DROP FUNCTION kimp_intend_v2(bigint, jsonb, boolean)"),
    ]
"""
INDEXING = f"""
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

class Migration(migrations.Migration):
    atomic = False
    dependencies = [("cycles", "{COLUMNS}")]
    operations = [AddIndexConcurrently("exchangecall", {CALL_INDEX})]
"""


def next_release(folder: Path, *, after: str) -> Path:
    """Make the release whose first migration comes after the named one."""
    for name in CODE:
        source, target = PROJECT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            folder.mkdir(exist_ok=True)
            shutil.copy(source, target)
    cycles = folder / "cycles"
    adding = ADDING.replace("LEAF", after).format(sql=_second_version(cycles / "sql"))
    (cycles / "migrations" / f"{COLUMNS}.py").write_text(adding, "utf-8")
    (cycles / "migrations" / f"{INDEX}.py").write_text(INDEXING, "utf-8")
    _change_models(cycles / "models")
    _change(cycles / "services" / "stepping.py", "kimp_intend_v1", "kimp_intend_v2")
    return folder


def _change_models(models: Path) -> None:
    before = '    code = models.CharField(_("code")'
    _change(models / "cycle.py", before, f"    release = {CYCLE_FIELD}\n{before}")
    before = '    client_order_id = models.CharField(_("client order id")'
    _change(models / "journal.py", before, f"    release = {CALL_FIELD}\n{before}")
    before = '        indexes = (\n            models.Index(\n                F("venue"),\n                F("intended_at")'
    after = before.replace("(\n", f"(\n            {CALL_INDEX},\n", 1)
    _change(models / "journal.py", before, after)


def _second_version(sql: Path) -> str:
    """Give the next version of the function that writes intents: it marks what it writes."""
    text = (sql / "durable_step.sql").read_text("utf-8")
    found = re.search(r"CREATE FUNCTION kimp_intend_v1\(.*?\nEND \$\$;\n", text, re.DOTALL)
    assert found
    second = found[0]
    for old, new in (
        ("FUNCTION kimp_intend_v1(", "FUNCTION kimp_intend_v2("),
        ("SET version = c.version + 1 ", "SET version = c.version + 1, release = 'v2' "),
        ("is_settled, request_id, session_id, trace_id)", "is_settled, request_id, session_id, trace_id, release)"),
        ("m.session_id, m.trace_id\n", "m.session_id, m.trace_id, 'v2'\n"),
    ):  # fmt: skip
        second = _changed(second, old, new)
    return second


def _change(file: Path, old: str, new: str) -> None:
    file.write_text(_changed(file.read_text("utf-8"), old, new), "utf-8")


def _changed(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times"
    return text.replace(old, new)
