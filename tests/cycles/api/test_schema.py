"""The OpenAPI document: valid, without warnings, with every error, and a page that works offline."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from cycles.api import urls
from tests import builders
from tests.cycles.api.conftest import Speaks

pytestmark = pytest.mark.django_db


@pytest.fixture
def document(speaks: Speaks) -> Any:
    reply = speaks("viewer").get("/api/schema/", Accept="application/vnd.oai.openapi+json")
    return json.loads(reply.content)


def test_the_document_is_valid_and_gives_no_warning() -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", "/dev/null")


def test_every_address_is_documented(document: Any) -> None:
    assert len(document["paths"]) == len(urls.v1)


def test_every_operation_documents_its_refusals_as_problems(document: Any) -> None:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            responses = operation["responses"]
            assert {"401", "403", "429", "503"} <= set(responses), path
            for status, response in responses.items():
                if status >= "400":
                    assert list(response["content"]) == ["application/problem+json"]
            assert ("422" in responses) is (method == "post")


def test_every_operation_says_whether_a_token_may_call_it(document: Any) -> None:
    schemes = document["components"]["securitySchemes"]
    assert (schemes["bearer"]["scheme"], schemes["session"]["in"]) == ("bearer", "cookie")
    of_people = {"addresses_confirm", "identities_prove"}
    for operations in document["paths"].values():
        for operation in operations.values():
            either: list[Any] = [{"bearer": []}, {"session": []}]
            expected = either[1:] if operation["operationId"] in of_people else either
            assert operation["security"] == expected


def test_acts_document_their_headers(document: Any) -> None:
    act = document["paths"]["/api/v1/cycles/{code}/redrive/"]["post"]
    headers = {one["name"]: one["required"] for one in act["parameters"] if one["in"] == "header"}
    assert headers == {"If-Match": True, "Idempotency-Key": True}
    assert "ETag" in act["responses"]["200"]["headers"]


def test_money_is_documented_as_strings(document: Any) -> None:
    cycle = document["components"]["schemas"]["Cycle"]["properties"]
    assert (cycle["notional_usdt"]["type"], cycle["notional_usdt"]["format"]) == (
        "string",
        "decimal",
    )


def test_the_page_asks_nothing_of_other_hosts_and_only_it_loosens_styles() -> None:
    client = Client()
    client.force_login(builders.person("alice", "viewer"))
    page = client.get("/api/docs/")
    text = page.content.decode()
    assert page.status_code == 200
    assert "http://" not in text
    assert "https://" not in text
    assert "'unsafe-inline'" in page.headers["Content-Security-Policy"]
    script = client.get("/api/docs/?script=")
    assert script.headers["Content-Type"].startswith("application/javascript")
    assert "/api/schema/" in script.content.decode() or "../schema/" in script.content.decode()
    other = client.get("/api/v1/cycles/")
    assert "unsafe" not in other.headers["Content-Security-Policy"]
    assert "script-src 'self';" in page.headers["Content-Security-Policy"] + ";"
