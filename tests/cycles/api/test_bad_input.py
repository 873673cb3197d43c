"""What nobody should send is a problem that says so: never a page, never an internal error."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import Group

from cycles.domain.words import Mode
from cycles.models import Cycle, PolicyVersion
from cycles.services import tokens
from cycles.services.tokens import Scope
from tests import builders
from tests.cycles.api.conftest import Speaker, Speaks
from tests.cycles.api.test_doors import problem

pytestmark = pytest.mark.django_db

WHY = {"reason": "the venue is back"}


def raw(speaker: Speaker, path: str, body: str) -> Any:
    """Send a body as it is."""
    return speaker.client.post(
        path,
        body,
        content_type="application/json",
        headers=speaker.headers | {"Idempotency-Key": "k1"},
    )


@pytest.mark.parametrize("queue", ["cycles", "dead-letters"])
@pytest.mark.parametrize("position", ["abc", "NaN", "Infinity", "1e99", "\0", ""])
def test_a_cursor_that_names_no_place_in_the_list_is_refused_as_other_parameters_are(
    speaks: Speaks, queue: str, position: str
) -> None:
    builders.dead_letter()
    cursor = base64.b64encode(urlencode({"p": position}).encode()).decode()
    reply = speaks().get(f"/api/v1/{queue}/?{urlencode({'cursor': cursor})}")
    assert (problem(reply)["code"], reply.status_code) == ("invalid_input", 400)
    assert problem(reply)["errors"][0]["pointer"] == "#/cursor"


@pytest.mark.parametrize("queue", ["cycles", "dead-letters"])
def test_what_is_no_cursor_at_all_is_refused_likewise(speaks: Speaks, queue: str) -> None:
    reply = speaks().get(f"/api/v1/{queue}/?cursor=no-cursor")
    assert (problem(reply)["code"], reply.status_code) == ("invalid_input", 400)


@pytest.mark.parametrize("queue", ["cycles", "dead-letters"])
def test_a_cursor_that_was_given_leads_on(speaks: Speaks, queue: str) -> None:
    rows = {builders.dead_letter().code for _ in range(3)}
    alice = speaks()
    page = alice.get(f"/api/v1/{queue}/?page_size=1").json()
    found = [page["results"][0]["code"]]
    while page["next"]:
        page = alice.get(page["next"]).json()
        found.append(page["results"][0]["code"])
    assert (len(found), set(found)) == (3, rows)


@pytest.mark.parametrize(
    "address",
    [
        "cycles/%00/", "cycles/CYC-0%00/redrive/preview/", "premia/%00/", "addresses/%00/",
        "identities/%00/a/b/", "identities/a/b/%00/", "nowhere/%00",
    ],
)  # fmt: skip
def test_nothing_has_a_name_with_a_nul(speaks: Speaks, address: str) -> None:
    reply = speaks().get(f"/api/v1/{address}")
    assert (problem(reply)["code"], reply.status_code) == ("not_found", 404)


@pytest.mark.parametrize(
    "body",
    [
        "[" * 100_000 + "]" * 100_000,
        '{"mode":' * 50_000 + "1" + "}" * 50_000,
        '{"mode": "HALT", "reason": ' + "[" * 900 + "]" * 900 + "}",
    ],
)
def test_a_body_without_a_bottom_is_a_problem_400(speaks: Speaks, body: str) -> None:
    builders.desk()
    assert problem(raw(speaks(), "/api/v1/mode/", body))["status"] == 400


@pytest.mark.parametrize(
    "body",
    [
        r'{"mode": "\ud800", "reason": "x"}',
        r'{"mode": "HALT", "reason": "\udfff"}',
        r'{"\ud800": 1}',
        r'["\ud800"]',
    ],
)
def test_half_a_surrogate_pair_is_a_problem_400(speaks: Speaks, body: str) -> None:
    builders.desk()
    reply = raw(speaks(), "/api/v1/mode/", body)
    assert (problem(reply)["code"], reply.status_code) == ("malformed_body", 400)


def test_a_whole_surrogate_pair_is_text(speaks: Speaks) -> None:
    builders.desk()
    reply = raw(speaks(), "/api/v1/mode/", r'{"mode": "HALT", "reason": "\ud83d\udea8 stop"}')
    assert reply.json()["mode_reason"] == "🚨 stop"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("quantity", "1e30"), ("quantity", "1e-30"), ("quantity", "1e20"), ("quantity", "0"),
        ("quantity", "-1"), ("quantity", "NaN"), ("quantity", "0,5"),
        ("asset", "A" * 13), ("asset", "K W"), ("asset", "원"),
    ],
)  # fmt: skip
def test_what_the_ledger_cannot_hold_is_told_at_its_field(
    speaks: Speaks, field: str, value: str
) -> None:
    row = builders.dead_letter()
    part = {"venue": "binance", "asset": "USDT", "quantity": "4990.5"} | {field: value}
    statement = {**WHY, "outcome": "COMPLETED", "evidence": "t", "received": [part]}
    reply = speaks("approver").post(
        f"/api/v1/cycles/{row.code}/resolve/", statement, If_Match=f'"{row.version}"'
    )
    assert problem(reply)["errors"][0]["pointer"] == f"#/received/0/{field}"
    assert Cycle.objects.get().status == "DEAD_LETTER"


def test_a_policy_without_a_change_is_refused(speaks: Speaks) -> None:
    old = builders.policy()
    body = {"reason": "test", "changes": {}}
    reply = speaks().post("/api/v1/policy/", body, If_Match=f'"{old.number}"')
    assert problem(reply)["errors"][0]["pointer"] == "#/changes"
    assert PolicyVersion.objects.count() == 1


def test_a_want_of_rights_is_forgotten_once_the_right_is_given(speaks: Speaks) -> None:
    builders.desk(Mode.HALT)
    viewer = builders.person("alice", "operator")
    _, plain = tokens.issue(viewer, "test", list(Scope), None)
    body = {"mode": "RUN", "reason": "all is well"}
    sent = {"key": "k1", "If_Match": '"1"'}
    assert Speaker(plain).post("/api/v1/mode/", body, **sent).status_code == 403
    viewer.groups.set(Group.objects.filter(name="approver"))
    reply = Speaker(plain).post("/api/v1/mode/", body, **sent)
    assert (reply.status_code, reply.json().get("mode")) == (200, "RUN")
