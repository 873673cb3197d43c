"""Correlation of requests: checked ids in, the same ids out, one line however a request ends."""

from __future__ import annotations

import json
import logging
from typing import Any
from uuid import UUID

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import Client
from django.urls import include, path

from cycles.models.fields import public_code
from cycles.services.correlating import carry, note_user
from tests.kimp.log_lines import Lines, captured

CYCLE = UUID("0190a3c2-f0c4-7bd1-a1b2-c3d4e5f60718")
CODE = public_code(CYCLE)


def shows_ids(request: HttpRequest, **_: str) -> HttpResponse:
    return JsonResponse({**carry(), "body": request.body.decode()})


def fails(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("venue said signature=hushhush")


def authenticates_by_itself(request: HttpRequest) -> HttpResponse:
    note_user(42)
    return JsonResponse(carry())


urlpatterns = [
    path("ids", shows_ids),
    path("api/v1/cycles/<str:cycle>/redrive", shows_ids),
    path("admin/cycles/cycle/<str:pk>/change/", shows_ids),
    path("fails", fails),
    path("token", authenticates_by_itself),
    path("admin/", admin.site.urls),  # the site's own pages for 403 and 404 link to it
    path("i18n/", include("django.conf.urls.i18n")),
]

pytestmark = pytest.mark.urls("tests.kimp.test_middleware")


@pytest.fixture
def lines() -> Any:
    with captured(logging.DEBUG) as found:
        yield found


def ids(client: Client, url: str = "/ids", **headers: str) -> dict[str, str]:
    found: dict[str, str] = client.get(url, headers=headers).json()
    return found


def test_ids_from_headers_are_bound_and_returned(client: Client) -> None:
    given = {"X-Request-ID": "r-1", "X-Cycle-ID": "CYC-1", "X-Session-ID": "s:1"}
    response = client.get("/ids", headers=given)
    assert response.json() | {"body": ""} == {
        "request_id": "r-1",
        "cycle_id": "CYC-1",
        "session_id": "s:1",
        "body": "",
    }
    assert {name: response.headers[name] for name in given} == given


@pytest.mark.parametrize("bad", ["a b", "x" * 65, 'a"b', "한글", "a;b", " "])
def test_ids_that_no_log_should_hold_are_replaced_or_ignored(
    client: Client, settings: Any, bad: str
) -> None:
    headers = {"X-Request-ID": bad, "X-Cycle-ID": bad, "X-Session-ID": bad}
    response = client.get("/ids", headers=headers)
    found = response.json()
    assert len(found["request_id"]) == 32
    assert "cycle_id" not in found
    assert found["session_id"] == settings.KIMP_SESSION_ID
    assert "X-Cycle-ID" not in response.headers


def test_every_request_gets_an_id_of_its_own(client: Client) -> None:
    assert ids(client)["request_id"] != ids(client)["request_id"]


@pytest.mark.parametrize(
    "url",
    [
        f"/api/v1/cycles/{CODE}/redrive",
        f"/admin/cycles/cycle/{CYCLE}/change/",
        f"/api/v1/cycles/{CYCLE}/redrive",
    ],
)
def test_the_url_names_the_cycle_even_against_the_header(client: Client, url: str) -> None:
    assert ids(client, url, **{"X-Cycle-ID": "CYC-OTHER"})["cycle_id"] == CODE


@pytest.mark.parametrize("name", ["cycle_id", "cycle"])
@pytest.mark.parametrize("value", [CODE, str(CYCLE)])
def test_the_body_names_the_cycle_and_stays_readable(client: Client, name: str, value: str) -> None:
    body = json.dumps({name: value})
    found = client.post("/ids", body, content_type="application/json").json()
    assert found["cycle_id"] == CODE
    assert found["body"] == body


@pytest.mark.parametrize("body", ["{", "[]", '{"cycle": 7}', '{"cycle": "a b"}', "[" * 60_000])
def test_a_body_that_names_no_cycle_is_left_alone(client: Client, body: str) -> None:
    response = client.post("/ids", body, content_type="application/json")
    assert response.status_code == 200
    assert "cycle_id" not in response.json()


def test_a_request_writes_one_line_without_its_query(client: Client, lines: Lines) -> None:
    client.get("/ids?token=hushhush", headers={"X-Request-ID": "r-1"})
    (line,) = lines.named("request.finished")
    assert (line["method"], line["path"], line["status"]) == ("GET", "/ids", 200)
    assert line["duration_ms"] >= 0
    assert line["request_id"] == "r-1"
    assert "hushhush" not in "".join(lines.texts)


def test_a_request_that_fails_writes_its_line_too(lines: Lines) -> None:
    response = Client(raise_request_exception=False).get("/fails", headers={"X-Request-ID": "r-1"})
    (line,) = lines.named("request.failed")
    assert (line["path"], line["status"], line["level"]) == ("/fails", 500, "error")
    assert line["error"].startswith("RuntimeError: venue said")
    assert line["duration_ms"] >= 0
    assert line["request_id"] == "r-1"
    assert response.headers["X-Request-ID"] == "r-1"
    assert "hushhush" not in "".join(lines.texts)
    (traceback,) = [one for one in lines.parsed if one["logger"] == "django.request"]
    assert "RuntimeError" in traceback["exception"]
    assert traceback["request_id"] == "r-1"


def test_an_unknown_address_is_no_failure_of_ours(client: Client, lines: Lines) -> None:
    assert client.get("/nowhere").status_code == 404
    assert [line["status"] for line in lines.named("request.finished")] == [404]
    assert lines.named("request.failed") == []


@pytest.mark.django_db
def test_the_user_is_bound_after_authentication(client: Client, lines: Lines) -> None:
    user = get_user_model().objects.create_user("operator")
    client.force_login(user)
    assert ids(client)["user_id"] == str(user.pk)
    assert lines.named("request.finished")[-1]["user_id"] == str(user.pk)


def test_a_user_does_not_stay_bound_for_the_next_request(client: Client, lines: Lines) -> None:
    assert ids(client, "/token")["user_id"] == "42"
    assert lines.named("request.finished")[-1]["user_id"] == "42"
    assert "user_id" not in ids(client)
