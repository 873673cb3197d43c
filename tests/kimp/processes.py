"""What tests need that start processes of the product against the test's own database."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.db import connection

PROJECT = Path(__file__).resolve().parents[2]


def backend_of(wrapper: Any) -> int:
    """Give the process id of the server's end of a Django connection."""
    with wrapper.cursor() as cursor:
        return int(cursor.connection.info.backend_pid)


def give_another_thread(pid: int, sign: int) -> None:
    """Signal a process as the kernel may, where it stood still: by another of its threads than the main one."""
    others = {int(one.name) for one in Path(f"/proc/{pid}/task").iterdir()} - {pid}
    assert ctypes.CDLL(None).tgkill(pid, min(others), sign) == 0


def until(claim: Callable[[], bool], seconds: float = 40) -> None:
    """Poll until a claim holds; fail at the deadline."""
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.1)


def environ_of(role: str, port: int, home: Path) -> dict[str, str]:
    """Give the environment of a role that works on the test database and logs JSON."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "kimp.settings",
        "SECRET_KEY": settings.SECRET_KEY,  # the queue's packages are signed
        "DATABASE_URL": database_url(),
        "KIMP_HOME": str(home),
        "KIMP_ROLE": role,
        "KIMP_PORT": str(port),
        "KIMP_LOG_FORMAT": "json",
    }


def database_url(*, port: int | None = None, user: str | None = None) -> str:
    """Name the test's database: behind another port than its server's own, or as another user with the same password."""
    found = connection.get_connection_params()
    password = quote(found["password"], safe="")
    who, place = user or found["user"], f"{found['host']}:{port or found['port']}"
    return f"postgresql://{who}:{password}@{place}/{found['dbname']}"
