"""The web role as a process: every line it writes is one JSON object, ids go in and come out."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from django.db import connection

from kimp.desk import _gunicorn
from kimp.sockets import free_port
from tests.kimp.processes import PROJECT, database_url, environ_of, until
from tests.kimp.relaying import relay

IN_TIME = 10  # seconds: what Ctrl-C promises


def status_of(url: str, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as reply:
            return reply.status, reply.headers["X-Request-ID"]
    except urllib.error.HTTPError as error:
        return error.code, error.headers["X-Request-ID"]
    except OSError:
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


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_the_web_process_told_to_stop_ends_in_time_while_a_request_waits_for_its_database(
    tmp_path: Path,
) -> None:
    port = free_port()
    with relay(int(connection.get_connection_params()["port"])) as between:
        variables = {"DATABASE_URL": database_url(port=between.port)}
        env = environ_of("web", port, tmp_path) | variables
        with (tmp_path / "log").open("w") as log:
            web = subprocess.Popen(_gunicorn(port), cwd=PROJECT, env=env, stderr=log, stdout=log)
            try:
                until(lambda: status_of(f"http://127.0.0.1:{port}/livez")[0] == 200)
                with between.held(), socket.create_connection(("127.0.0.1", port)) as asking:
                    asking.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    until(lambda: between.held_up > 0)
                    web.send_signal(signal.SIGTERM)
                    status = web.wait(IN_TIME)
            finally:
                web.kill()
                web.wait()
    assert status == 0
