"""Guessing passwords is braked: by name and address, in the database, told to people once."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from axes.models import AccessAttempt, AccessFailureLog
from django.core.management import call_command
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from cycles.admin import log_in
from cycles.models import Alert
from tests import builders
from tests.cycles.admin.conftest import Login
from tests.kimp.log_lines import Lines, captured

pytestmark = pytest.mark.django_db
WRONG = "hunter2-hunter2"
LIMIT = 5
FAILURES = "admin:axes_accessfailurelog_changelist"


@pytest.fixture(autouse=True)
def alice() -> None:
    builders.person("alice", "operator")


@pytest.fixture
def lines() -> Iterator[Lines]:
    with captured(logging.INFO) as found:
        yield found


def tries(
    password: str, name: str = "alice", *, client: Client | None = None, **environ: Any
) -> HttpResponse:
    typed = {"username": name, "password": password, "next": "/admin/"}
    reply: Any = (client or Client()).post(reverse("admin:login"), typed, **environ)
    return reply  # type: ignore[no-any-return]


def lock(**environ: Any) -> HttpResponse:
    replies = [tries(WRONG, **environ) for _ in range(LIMIT)]
    assert [reply.status_code for reply in replies[:-1]] == [200] * (LIMIT - 1)
    return replies[-1]


def test_the_fifth_wrong_password_locks_with_a_page_that_says_what_to_do() -> None:
    reply = lock()
    assert reply.status_code == 429
    assert reply.headers["Retry-After"] == "900"
    page = reply.content.decode()
    assert "for 15 minutes" in page
    assert "ask an administrator to unlock it" in page


def test_a_locked_name_does_not_log_in_with_the_right_password_either() -> None:
    lock()
    client = Client()
    assert tries(builders.PASSWORD, client=client).status_code == 429
    assert "_auth_user_id" not in client.session


def test_other_names_and_other_addresses_log_in_all_the_same() -> None:
    builders.person("bob")
    lock()
    assert tries(builders.PASSWORD, "bob").status_code == 302
    assert tries(builders.PASSWORD, REMOTE_ADDR="10.0.0.7").status_code == 302


def test_a_browser_by_another_name_is_the_same_address() -> None:
    for number in range(LIMIT):
        tries(WRONG, headers={"User-Agent": f"guesser {number}"})
    assert tries(builders.PASSWORD).status_code == 429


def test_a_name_that_nobody_has_is_locked_as_well() -> None:
    replies = [tries(WRONG, "nobody") for _ in range(LIMIT)]
    assert replies[-1].status_code == 429


def test_the_right_password_begins_the_count_anew() -> None:
    for _ in range(2):
        for _ in range(LIMIT - 1):
            tries(WRONG)
        assert tries(builders.PASSWORD).status_code == 302


def test_a_lock_ends_by_itself_however_often_it_is_tried_meanwhile() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    with time_machine.travel(start, tick=False) as clock:
        lock()
        clock.shift(timedelta(minutes=14))
        assert tries(WRONG).status_code == 429
        clock.shift(timedelta(minutes=2))
        assert tries(builders.PASSWORD).status_code == 302


def test_an_operator_unlocks_a_name() -> None:
    lock()
    call_command("axes_reset_username", "alice", verbosity=0)
    assert tries(builders.PASSWORD).status_code == 302


def test_behind_a_trusted_proxy_the_address_is_the_one_that_the_proxy_saw(settings: Any) -> None:
    settings.KIMP_TRUST_PROXY = True
    for number in range(LIMIT):
        tries(WRONG, headers={"X-Forwarded-For": f"1.2.3.{number}, 10.0.0.9"})
    told = {"X-Forwarded-For": "10.0.0.9"}
    assert tries(builders.PASSWORD, headers=told).status_code == 429
    assert tries(builders.PASSWORD, headers={"X-Forwarded-For": "10.0.0.8"}).status_code == 302


def test_without_a_trusted_proxy_nobody_names_an_address_of_their_choice() -> None:
    for number in range(LIMIT):
        tries(WRONG, headers={"X-Forwarded-For": f"10.0.0.{number}"})
    assert tries(builders.PASSWORD).status_code == 429


def test_each_failure_is_a_line_with_the_name_and_never_the_password(lines: Lines) -> None:
    tries(WRONG, "alice\x1b[2J\nroot logged in")
    (line,) = lines.named("log_in.failed")
    assert line["username"] == "alice\\x1b[2J\\nroot logged in"
    assert line["client"] == "127.0.0.1"
    assert WRONG not in "".join(lines.texts)


def test_a_lock_out_is_told_once() -> None:
    lock()
    tries(WRONG)
    (alert,) = Alert.objects.all()
    assert alert.severity == Alert.Severity.WARNING
    assert "alice from 127.0.0.1" in alert.title
    assert WRONG not in alert.title + alert.body


def test_a_second_lock_out_is_told_again() -> None:
    lock()
    call_command("axes_reset_username", "alice", verbosity=0)
    lock()
    assert Alert.objects.count() == 2


def test_no_password_is_kept() -> None:
    lock()
    rows = [*AccessAttempt.objects.values_list(), *AccessFailureLog.objects.values_list()]
    assert len(rows) == 1 + LIMIT
    assert WRONG not in str(rows)


def test_failures_are_shown_to_administrators_and_to_nobody_else(login: Login) -> None:
    tries(WRONG)
    shown = login("administrator", name="adam").get(reverse(FAILURES))
    assert shown.status_code == 200
    assert "127.0.0.1" in shown.content.decode()
    assert login("approver", name="carol").get(reverse(FAILURES)).status_code == 403


def test_failures_are_read_only_even_to_a_superuser(login: Login) -> None:
    tries(WRONG)
    client = login(name="root")
    type(builders.person("other")).objects.filter(username="root").update(is_superuser=True)
    row = AccessFailureLog.objects.get()
    page = reverse("admin:axes_accessfailurelog_change", args=[row.pk])
    assert client.get(page).status_code == 200
    assert client.post(page, {"username": "bob"}).status_code == 403
    delete = reverse("admin:axes_accessfailurelog_delete", args=[row.pk])
    assert client.post(delete, {"post": "yes"}).status_code == 403


def test_the_oldest_failures_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_in, "FAILURES_KEPT", 3)
    lock()
    assert AccessFailureLog.objects.count() == 3


def test_the_page_speaks_korean() -> None:
    page = lock(headers={"Accept-Language": "ko"}).content.decode()
    assert "비밀번호를 너무 많이 틀렸습니다" in page
