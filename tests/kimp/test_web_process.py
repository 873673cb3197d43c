"""The web role as a process: every line it writes is one JSON object, ids go in and come out."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from kimp.sockets import free_port
from tests.kimp.processes import PROJECT, environ_of, until


def status_of(url: str, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as reply:
            return reply.status, reply.headers["X-Request-ID"]
    except urllib.error.HTTPError as error:
        return error.code, error.headers["X-Request-ID"]
    except urllib.error.URLError:
        return 0, ""


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_a_request_leaves_its_ids_in_the_log_of_the_process(tmp_path: Path) -> None:
    port = free_port()
    command = [
        sys.executable, "-m", "gunicorn", "kimp.wsgi:application", f"--bind=127.0.0.1:{port}",
        "--no-control-socket", "--logger-class=kimp.gunicorn_logger.Logger",
    ]  # fmt: skip
    with (tmp_path / "log").open("w") as log:
        web = subprocess.Popen(
            command, cwd=PROJECT, env=environ_of("web", port, tmp_path), stderr=log, stdout=log
        )
        try:
            until(lambda: status_of(f"http://127.0.0.1:{port}/livez")[0] == 200)
            answer = status_of(f"http://127.0.0.1:{port}/nowhere?x=1", **{"X-Request-ID": "r-1"})
        finally:
            web.send_signal(signal.SIGTERM)
            status = web.wait(20)
    assert (status, answer) == (0, (404, "r-1"))
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    (mine,) = [line for line in lines if line.get("request_id") == "r-1"]
    assert (mine["event"], mine["path"], mine["status"]) == ("request.finished", "/nowhere", 404)
    assert {line["role"] for line in lines} == {"web"}
    assert "gunicorn.error" in {line["logger"] for line in lines}
