"""What an operator sees when a command cannot even begin: sentences, not tracebacks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_PROJECT = Path(__file__).resolve().parents[2]


def _run(home: Path, *command: str, **extra: str) -> subprocess.CompletedProcess[str]:
    environment = {name: text for name, text in os.environ.items() if name != "DATABASE_URL"}
    environment |= {"DJANGO_SETTINGS_MODULE": "kimp.settings", "KIMP_HOME": str(home), **extra}
    return subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=_PROJECT, env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_missing_programs_of_the_database_name_the_ways_out(tmp_path: Path) -> None:
    reply = _run(tmp_path, "migrate", KIMP_PG_BIN="/nowhere")
    assert reply.returncode == 1
    assert "Traceback" not in reply.stderr
    assert "Three ways out" in reply.stderr


def test_bad_settings_are_listed(tmp_path: Path) -> None:
    reply = _run(tmp_path, "migrate", KIMP_LIVE="perhaps", DEBUG="2")
    assert reply.returncode == 1
    assert [line.split(":")[0] for line in reply.stderr.splitlines()[1:]] == [
        "  - KIMP_LIVE",
        "  - DEBUG",
    ]


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for home in (tmp_path / "file", Path("/proc/kimp")):
        reply = _run(home, "cycles", SECRET_KEY="", KIMP_ENVIRONMENT="development")
        assert reply.returncode == 1
        assert "Traceback" not in reply.stderr
        assert f"KIMP_HOME: {home} cannot be used" in reply.stderr


def test_the_doctor_starts_no_database_to_look_at_it(tmp_path: Path) -> None:
    reply = _run(tmp_path, "doctor")
    assert reply.returncode == 2
    told = " ".join(reply.stdout.split())  # a long path wraps the lines elsewhere
    assert "does not run" in told
    assert "-> start the desk: make up" in told
    assert not (tmp_path / "postgres").exists()


def test_help_and_config_need_no_database(tmp_path: Path) -> None:
    for command in ("help", "config"):
        assert _run(tmp_path, command, KIMP_PG_BIN="/nowhere").returncode == 0
    assert not (tmp_path / "postgres").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("up", "--first-port", "-5"), "--first-port: must be a port"),
        (("up", "--stretch", "zzz"), "zzz"),
        (("up", "--data", "/nowhere"), "--data: there is no folder /nowhere"),
        (("demo", "--cycles", "0"), "--cycles: at least one"),
    ],
)
def test_what_cannot_be_played_is_refused_before_anything_starts(
    tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    reply = _run(tmp_path, *words)
    assert reply.returncode != 0
    assert "Traceback" not in reply.stderr
    assert told in reply.stderr
    assert not (tmp_path / "postgres").exists()
