"""Exit codes and streams of real processes: what a script sees."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from django.contrib.auth.models import User
from django.db import connection

from cycles.models import Cycle
from tests import builders

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

PROJECT = Path(__file__).resolve().parents[3]
NOBODY_LISTENS = "postgresql://kimp:x@127.0.0.1:1/kimp"


def environment(database_url: str = "") -> dict[str, str]:
    """Give the environment of a command that works on this test's database."""
    facts = connection.settings_dict
    who = f"{quote(facts['USER'])}:{quote(facts['PASSWORD'])}"
    url = f"postgresql://{who}@{facts['HOST']}:{facts['PORT']}/{facts['NAME']}"
    kept = {name: text for name, text in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    return kept | {"KIMP_ENVIRONMENT": "test", "DATABASE_URL": database_url or url}


def command(*words: str) -> list[str]:
    return [sys.executable, str(PROJECT / "manage.py"), *words]


def run(*words: str, database_url: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*words),
        env=environment(database_url) | more,
        cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.fixture
def dead() -> Cycle:
    User.objects.create_superuser("root")
    User.objects.create_user("eve")
    return builders.dead_letter()


def told(done: subprocess.CompletedProcess[str]) -> str:
    """Give the last line a person reads, without log lines."""
    lines = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    return lines[-1] if lines else ""


def test_a_script_sees_how_each_run_ended(dead: Cycle) -> None:
    act = ("--yes", "--reason", "test")
    runs = {
        "no such cycle": (2, run("cycle", "CYC-000000000000")),
        "unknown option": (2, run("cycle", dead.code, "--bogus")),
        "not permitted": (3, run("redrive", dead.code, *act, "--as", "eve")),
        "stale": (4, run("redrive", dead.code, *act, "--as", "root", "--version", "1")),
        "no database": (75, run("cycles", database_url=NOBODY_LISTENS)),
        "unseen": (2, run("redrive", dead.code, *act, "--as", "root")),
        "done": (
            0,
            run("redrive", dead.code, *act, "--as", "root", "--version", str(dead.version)),
        ),
    }
    assert {name: done.returncode for name, (_, done) in runs.items()} == {
        name: code for name, (code, _) in runs.items()
    }
    for name, (code, done) in runs.items():
        assert "Traceback" not in done.stderr, name
        if code:
            assert done.stdout == "", name
            assert ": " in told(done), name


def test_standard_output_is_one_json_object_and_nothing_else(dead: Cycle) -> None:
    done = run("cycles", "--json", KIMP_LOG_LEVEL="DEBUG")
    assert [row["code"] for row in json.loads(done.stdout)["cycles"]] == [dead.code]


def test_a_list_flows_from_one_command_into_the_next(dead: Cycle) -> None:
    listed = run("cycles", "--status", "DEAD_LETTER", "--codes")
    done = subprocess.run(
        command("redrive", "-", "--yes", "--as", "root", "--reason", "test", "--json"),
        input=listed.stdout,
        env=environment(), cwd=PROJECT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["results"][0]["cycle"]["status"] == "RETRY_PENDING"


def test_an_interrupt_ends_with_130_and_one_sentence(dead: Cycle) -> None:
    with subprocess.Popen(
        command("redrive", "-"),
        env=environment(), cwd=PROJECT, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as waiting:  # fmt: skip
        assert waiting.stderr is not None
        assert "reading codes" in waiting.stderr.readline()
        waiting.send_signal(signal.SIGINT)
        rest = waiting.stderr.read()
        assert waiting.wait(timeout=30) == 130
    assert "interrupted" in rest
    assert "Traceback" not in rest


@pytest.mark.parametrize(("no_color", "has_colour"), [("1", False), ("", True)])
def test_no_color_is_honoured(dead: Cycle, no_color: str, *, has_colour: bool) -> None:
    done = run("cycle", "CYC-0", "--force-color", NO_COLOR=no_color)
    assert ("\x1b[" in done.stderr) is has_colour


def test_output_that_cannot_be_written_is_one_sentence(dead: Cycle) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command("cycle", dead.code),
            env=environment(), cwd=PROJECT, stdout=full, stderr=subprocess.PIPE,
            text=True, timeout=60, check=False,
        )  # fmt: skip
    assert (done.returncode, told(done)) == (
        1,
        "cycle: the output could not be written: No space left on device",
    )


def test_a_reader_that_has_seen_enough_is_no_error(dead: Cycle) -> None:
    with subprocess.Popen(
        command("cycle", dead.code, "--json"),
        env=environment(), cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as writing:  # fmt: skip
        assert writing.stdout is not None
        assert writing.stderr is not None
        writing.stdout.close()
        errors = writing.stderr.read()
        assert writing.wait(timeout=60) == 0
    assert "Traceback" not in errors


NOT_UTF8 = os.fsdecode(b"\xff\xfe")
ACT = ("--yes", "--as", "root", "--reason", "test")


@pytest.mark.parametrize(
    "words",
    [
        ("cycle", NOT_UTF8),
        ("cycles", "--limit", "99999999999999999999"),
        ("redrive", "--all-matching", "--max-krw", "NaN"),
        ("redrive", "--all-matching", "--seen-at", "0001-01-01T00:00:00+14:00"),
        ("catch_up", "--since", "0001-01-01T00:00:00+14:00"),
        ("open_cycle", "--asset", "XRP", "--notional", "1e30"),
        ("api_token", "issue", "--user", "root", "--name", "x", "--days", "999999999", *ACT[:3]),
    ],
    ids=lambda words: " ".join(words).encode("ascii", "backslashreplace").decode(),
)
def test_an_argument_that_nothing_holds_is_one_sentence(words: tuple[str, ...]) -> None:
    User.objects.create_superuser("root")
    builders.desk()
    builders.policy()
    done = run(*words)
    assert "Traceback" not in done.stderr
    assert done.returncode == 2
    assert ": " in told(done)
