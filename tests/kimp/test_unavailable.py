"""A database that is away: one page with a sentence, one line in the log, nobody logged out."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError, ProgrammingError, connection
from django.test import Client

from tests import builders
from tests.kimp.log_lines import Lines, captured

pytestmark = pytest.mark.django_db


def _away(*_: Any) -> Any:
    raise OperationalError("the server closed the connection")


def _asked(path: str, *, after: int = 0) -> tuple[Any, Lines]:
    """Ask as somebody who is logged in, of a database that is away after so many statements."""
    client, served = Client(raise_request_exception=False), 0
    client.force_login(builders.person("alice", "operator"))

    def serve(execute: Any, *rest: Any) -> Any:
        nonlocal served
        served += 1
        return execute(*rest) if served <= after else _away()

    with captured(logging.INFO) as lines, connection.execute_wrapper(serve):
        reply = client.get(path)
    return reply, lines


def test_a_fault_of_our_own_on_a_migrated_database_is_no_503() -> None:
    client = Client(raise_request_exception=False)
    client.force_login(builders.person("alice", "operator"))

    def fail(execute: Any, sql: str, *rest: Any) -> Any:
        if "cycles_desk" in sql:
            raise ProgrammingError("a table that nobody has made")
        return execute(sql, *rest)

    with connection.execute_wrapper(fail):
        assert client.get("/admin/").status_code == 500
        assert client.get("/api/v1/mode/").status_code == 500


@pytest.mark.parametrize("after", [0, 2])
def test_a_page_says_so_with_503_and_one_line(after: int) -> None:
    reply, lines = _asked("/admin/", after=after)
    assert (reply.status_code, reply.headers["Retry-After"]) == (503, "5")
    assert "The database does not serve" in reply.content.decode()
    (line,) = lines.parsed
    assert (line["event"], line["status"]) == ("request.failed", 503)
    assert "OperationalError" in line["error"]
    assert "exception" not in line


def test_nobody_is_logged_out_by_it() -> None:
    reply, _ = _asked("/admin/")
    assert settings.SESSION_COOKIE_NAME not in reply.cookies


def test_a_script_gets_a_problem_document() -> None:
    reply, _ = _asked("/api/v1/cycles/")
    assert (reply.status_code, reply.headers["Content-Type"]) == (503, "application/problem+json")
