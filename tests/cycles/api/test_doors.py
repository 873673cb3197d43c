"""Who may enter, and how every refusal looks."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from cycles.api.throttles import ActThrottle, ReadThrottle
from cycles.models import Desk
from cycles.services import tokens
from cycles.services.tokens import Scope
from tests import builders
from tests.cycles.api.conftest import Speaker, Speaks

pytestmark = pytest.mark.django_db

ADDRESSES = (
    "cycles/",
    "cycles/CYC-000000000000/",
    "cycles/CYC-000000000000/redrive/preview/",
    "dead-letters/",
    "premia/",
    "premia/XRP/",
    "policy/",
    "mode/",
    "addresses/",
    "addresses/ADR-0000000000/",
    "identities/",
    "identities/upbit/XRP/XRP/",
    "nowhere/",
    "cycles",
)
VERBS = ("redrive", "unwind", "resolve", "write-off", "acknowledge")


def problem(reply: Any) -> Any:
    """Read a problem and hold it against RFC 9457."""
    assert reply.headers["Content-Type"] == "application/problem+json"
    body = reply.json()
    assert body["status"] == reply.status_code
    assert body["type"].startswith("urn:kimp:problem:")
    assert {"title", "detail", "instance", "code", "errors"} <= set(body)
    return body


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_address_needs_a_login(db: None, address: str) -> None:
    reply = Speaker().get(f"/api/v1/{address}")
    assert reply.status_code == 401
    assert reply.headers["WWW-Authenticate"] == 'Bearer realm="kimp"'
    assert problem(reply)["code"] == "not_authenticated"


@pytest.mark.parametrize("address", ["cycles/", "mode/", "policy/", "cycles/CYC-0/redrive/"])
def test_every_act_needs_a_login(db: None, address: str) -> None:
    assert Speaker().post(f"/api/v1/{address}", {}).status_code == 401


def test_the_schema_needs_a_login_and_the_page_leads_to_it(db: None) -> None:
    assert problem(Speaker().get("/api/schema/"))["status"] == 401
    page = Speaker().get("/api/docs/")
    assert page.status_code == 302
    assert page.headers["Location"].startswith("/admin/login/?next=")


@pytest.mark.parametrize("plain", ["hunter2", "kimp_0123456789_" + "0" * 64])
def test_a_wrong_token_is_401_and_is_not_echoed(db: None, plain: str) -> None:
    reply = Speaker(plain).get("/api/v1/cycles/")
    assert problem(reply)["code"] == "authentication_failed"
    assert reply.status_code == 401
    assert plain not in reply.content.decode()


def test_a_wrong_token_beside_a_session_does_not_fall_back_to_the_session(db: None) -> None:
    speaker = Speaker("kimp_0123456789_" + "0" * 64)
    speaker.client.force_login(builders.person("alice", "viewer"))
    assert speaker.get("/api/v1/cycles/").status_code == 401


def test_a_session_of_staff_reads(db: None) -> None:
    client = Client()
    client.force_login(builders.person("alice", "viewer"))
    assert client.get("/api/v1/cycles/").status_code == 200


def test_a_session_of_others_does_not(db: None) -> None:
    client = Client()
    client.force_login(builders.person("eve", "viewer", is_staff=False))
    assert client.get("/api/v1/cycles/").status_code == 401


def test_a_token_opens_nothing_once_its_user_is_no_member_of_staff(speaks: Speaks) -> None:
    builders.desk()
    speaker = speaks("administrator")
    assert speaker.get("/api/v1/cycles/").status_code == 200
    User.objects.update(is_staff=False)
    refused = [speaker.get("/api/v1/cycles/"), speaker.get("/api/schema/")]
    refused.append(speaker.post("/api/v1/mode/", {"mode": "HALT", "reason": "test"}))
    for reply in refused:
        told = problem(reply)
        assert (told["status"], told["code"]) == (401, "authentication_failed")
        assert "no member of staff" in told["detail"]
    assert Desk.objects.get().mode != "HALT"
    User.objects.update(is_staff=True)
    assert speaker.get("/api/v1/cycles/").status_code == 200


def test_a_session_acts_only_with_the_csrf_token(db: None) -> None:
    builders.desk()
    client = Client(enforce_csrf_checks=True)
    client.force_login(builders.person("alice", "administrator"))
    body = {"mode": "HALT", "reason": "test"}

    def post(**headers: str) -> Any:
        return client.post(
            "/api/v1/mode/",
            body,
            content_type="application/json",
            headers={"Idempotency-Key": "k1"} | headers,
        )

    assert problem(post())["code"] == "permission_denied"
    client.get("/admin/password_change/")  # sets the cookie
    token = client.cookies["csrftoken"].value
    assert post(**{"X-CSRFToken": token}).status_code == 200


def test_a_token_does_no_more_than_its_scopes(speaks: Speaks) -> None:
    builders.desk()
    reader = speaks("administrator", Scope.CYCLES_READ)
    assert reader.get("/api/v1/mode/").status_code == 200
    refused = problem(reader.post("/api/v1/mode/", {"mode": "HALT", "reason": "test"}))
    assert (refused["status"], "desk:act" in refused["detail"]) == (403, True)


def test_a_token_without_the_read_scope_reads_nothing(speaks: Speaks) -> None:
    actor = speaks("administrator", Scope.DLQ_ACT)
    reads = ("cycles/", "dead-letters/", "premia/", "policy/", "mode/", "addresses/", "identities/")
    for address in reads:
        assert actor.get(f"/api/v1/{address}").status_code == 403


def test_a_token_does_no_more_than_its_user(speaks: Speaks) -> None:
    row = builders.dead_letter()
    viewer = speaks("viewer")
    for verb in VERBS:
        reply = viewer.post(f"/api/v1/cycles/{row.code}/{verb}/", {}, If_Match='"2"')
        assert problem(reply)["status"] == 403
    row.refresh_from_db()
    assert row.status == "DEAD_LETTER"


def test_a_user_without_any_group_reads_nothing(db: None) -> None:
    _, plain = tokens.issue(User.objects.create_user("bob", is_staff=True), "t", list(Scope), None)
    assert Speaker(plain).get("/api/v1/cycles/").status_code == 403


def test_an_unknown_address_is_a_problem_404(speaks: Speaks) -> None:
    reply = speaks().get("/api/v1/nothing/")
    assert problem(reply)["code"] == "not_found"


def test_a_wrong_method_is_a_problem_405_that_names_the_right_ones(speaks: Speaks) -> None:
    reply = speaks().post("/api/v1/dead-letters/", {})
    assert problem(reply)["code"] == "method_not_allowed"
    assert (reply.status_code, "GET" in reply.headers["Allow"]) == (405, True)


def test_a_form_is_a_problem_415(speaks: Speaks) -> None:
    alice = speaks()
    headers = alice.headers | {"Idempotency-Key": "k1"}
    reply = alice.client.post("/api/v1/mode/", {"mode": "HALT"}, headers=headers)
    assert (problem(reply)["code"], reply.status_code) == ("unsupported_media_type", 415)


@pytest.mark.parametrize("body", ["{", "[1", "\x00", '{"mode": NaN}'])
def test_a_broken_body_is_a_problem_400(speaks: Speaks, body: str) -> None:
    alice = speaks()
    reply = alice.client.post(
        "/api/v1/mode/",
        body,
        content_type="application/json",
        headers=alice.headers | {"Idempotency-Key": "k1"},
    )
    assert (problem(reply)["code"], reply.status_code) == ("malformed_body", 400)


@pytest.mark.parametrize("body", [[], "text", 7, None])
def test_a_body_that_is_no_object_is_a_problem_400(speaks: Speaks, body: object) -> None:
    assert problem(speaks().post("/api/v1/mode/", body))["code"] == "invalid_input"


def test_an_unacceptable_format_is_a_problem_406(speaks: Speaks) -> None:
    reply = speaks().get("/api/v1/cycles/", Accept="text/csv")
    assert (problem(reply)["code"], reply.status_code) == ("not_acceptable", 406)


def test_too_many_requests_are_a_problem_429_that_says_when_to_come_back(
    speaks: Speaks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ReadThrottle, "rate", "2/min")
    alice, bob = speaks("viewer"), speaks("viewer", name="bob")
    assert [alice.get("/api/v1/cycles/").status_code for _ in range(2)] == [200, 200]
    reply = alice.get("/api/v1/cycles/")
    assert problem(reply)["code"] == "throttled"
    assert (reply.status_code, 1 <= int(reply.headers["Retry-After"]) <= 60) == (429, True)
    assert bob.get("/api/v1/cycles/").status_code == 200


def test_acts_are_counted_apart_from_reads(speaks: Speaks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ActThrottle, "rate", "1/min")
    alice = speaks()
    statuses = [alice.post("/api/v1/mode/", {}).status_code for _ in range(2)]
    assert statuses == [400, 429]
    assert alice.get("/api/v1/cycles/").status_code == 200


def test_a_problem_carries_the_request_id_that_the_headers_return(speaks: Speaks) -> None:
    reply = speaks().get("/api/v1/nothing/", X_Request_ID="trace-me-7")
    assert problem(reply)["request_id"] == "trace-me-7"
    assert reply.headers["X-Request-ID"] == "trace-me-7"


@pytest.mark.parametrize("address", ["cycles/", "cycles/nope/", "nowhere/"])
def test_an_answer_is_english_and_says_so_whatever_is_asked_for(
    speaks: Speaks, address: str
) -> None:
    reply = speaks().get(f"/api/v1/{address}", Accept_Language="ko")
    assert reply.headers["Content-Language"] == "en"
