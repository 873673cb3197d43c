"""What no page of ours asks for: an answer that says so, never an internal error."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from tests import builders

pytestmark = pytest.mark.django_db
Login = Callable[..., Client]


@pytest.mark.parametrize(
    "address",
    [
        "cycles/cycle/%00/change/",
        "addresses/%00/confirm/",
        "cycles/heartbeat/_00/change/",
        "cycles/cycle/_00/change/",
        "dead-letters/redrive/%00/",
    ],
)
def test_nothing_has_a_name_with_a_nul(login: Login, address: str) -> None:
    builders.desk()
    reply = login("administrator", "approver").get(f"/admin/{address}", follow=True)
    # A table says on the desk's page that there is no such row.
    assert reply.status_code == (200 if reply.redirect_chain else 404)


@pytest.mark.parametrize("query", ["status__exact=%00", "q=%00", "%00=1", "e=1&kind__exact=a%00"])
def test_a_parameter_with_a_nul_is_a_bad_request(login: Login, query: str) -> None:
    assert login("viewer").get(f"/admin/cycles/cycle/?{query}").status_code == 400


@pytest.mark.parametrize(
    "instant", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "2026-11-26T03:00", "x"]
)
def test_an_instant_that_no_page_wrote_is_told(login: Login, instant: str) -> None:
    builders.desk()
    given = {"reason": "open again", "seen_count": "2", "seen_at": instant}
    reply = login("operator").post("/admin/dead-letters/redrive/WALLET_CLOSED/", given)
    assert reply.status_code == 400
    assert "open the page again" in reply.content.decode()
