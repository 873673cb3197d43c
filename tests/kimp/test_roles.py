"""What each role loads: a process that moves money carries no web framework with it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cycles.management import role as roles
from cycles.management.commands import feeder
from cycles.services import working
from kimp import desk, supervisor
from kimp.management.commands import qcluster

_PROMISED = 10.0
_PROJECT = Path(__file__).resolve().parents[2]
_CODE = """
import json, sys, django
django.setup()
from django.conf import settings
from django.urls import get_resolver
if settings.KIMP_ROLE == "web":
    get_resolver().url_patterns
if settings.KIMP_ROLE in {"feeder", "initiator", "finalizer"}:
    from django.core.management import load_command_class
    load_command_class("cycles", settings.KIMP_ROLE)
print(json.dumps(sorted({name for name in sys.modules})))
"""
_WEB = ("rest_framework", "drf_spectacular", "django.contrib.admin", "whitenoise", "csp")


def _loaded_by(role: str, home: Path) -> set[str]:
    environment = {name: text for name, text in os.environ.items() if not name.startswith("KIMP_")}
    environment |= {"DJANGO_SETTINGS_MODULE": "kimp.settings", "KIMP_ROLE": role}
    environment |= {"KIMP_ENVIRONMENT": "test", "KIMP_HOME": str(home)}
    reply = subprocess.run(
        [sys.executable, "-c", _CODE],
        cwd=_PROJECT, env=environment, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return set(json.loads(reply.stdout))


@pytest.mark.parametrize("role", ["feeder", "initiator", "finalizer"])
def test_a_trading_role_loads_neither_web_nor_queue_nor_simulator(
    role: str, tmp_path: Path
) -> None:
    loaded = _loaded_by(role, tmp_path)
    assert not loaded & {*_WEB, "django_q", "exchanges.simulator", "aiohttp"}
    assert {"cycles.models", "exchanges.models"} <= loaded


@pytest.mark.parametrize("role", ["initiator", "finalizer"])
def test_a_driving_role_loads_no_streams_unless_told_to(role: str, tmp_path: Path) -> None:
    assert not _loaded_by(role, tmp_path) & {"websockets", "exchanges.streams"}


def test_the_worker_loads_the_queue_but_no_web(tmp_path: Path) -> None:
    loaded = _loaded_by("worker", tmp_path)
    assert "django_q" in loaded
    assert not loaded & {*_WEB, "exchanges.simulator", "aiohttp"}


def test_the_web_role_loads_the_admin_but_no_simulator(tmp_path: Path) -> None:
    loaded = _loaded_by("web", tmp_path)
    assert loaded >= set(_WEB)
    assert not loaded & {"exchanges.simulator", "aiohttp"}


def test_each_kind_of_process_ends_itself_before_the_ten_seconds_that_are_promised_are_over() -> (
    None
):
    """By an alarm of its own, which `tests/cycles/test_roles_commands.py` and `test_qcluster.py` hear."""
    in_the_image = (_PROJECT / "Dockerfile").read_text("utf-8")
    alarms = (roles.LAST_SECONDS, qcluster.LAST_SECONDS, _grace_of_web(in_the_image))
    assert max(alarms) < _PROMISED


def test_the_desk_kills_none_of_its_processes_before_it_would_end_itself_and_is_down_in_time() -> (
    None
):
    ended_by_themselves = (
        working.END_SECONDS,
        feeder.END_SECONDS + feeder.PART_SECONDS,
        qcluster.LAST_SECONDS,
        _grace_of_web(" ".join(desk._gunicorn(1))),
    )
    assert max(ended_by_themselves) < supervisor._ROLES_END_SECONDS
    assert supervisor._ROLES_END_SECONDS < supervisor._ALL_END_SECONDS
    assert supervisor._ALL_END_SECONDS < supervisor._END_SECONDS < _PROMISED


def _grace_of_web(command: str) -> float:
    (seconds,) = re.findall(r"--graceful-timeout=(\d+)", command)
    return float(seconds)


def test_setting_up_starts_no_server(tmp_path: Path) -> None:
    _loaded_by("finalizer", tmp_path)
    assert not (tmp_path / "postgres").exists()
