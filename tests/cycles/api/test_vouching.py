"""The address book and the registry of assets over REST: read by tokens, vouched for by sessions only."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from cycles.models import AddressConfirmation, IdempotencyRecord, Intervention
from cycles.services.tokens import Scope
from exchanges.models import RegisteredAddress
from tests import builders
from tests.cycles.api.conftest import Speaker, Speaks

pytestmark = pytest.mark.django_db
ROOT = "/api/v1/"
ADDRESS, MEMO = "rTestAddressOfOurs", "100200300"
CONFIRM = {"ends_with": "OfOurs", "memo": MEMO, "reason": "compared"}
PROOF = {"asset": "XRP", "network": "XRP", "decimals": 6, "reason": "xrpl.org"}


@pytest.fixture
def row() -> RegisteredAddress:
    return builders.proposed_address(address=ADDRESS, memo=MEMO)


def session(name: str, *groups: str) -> Speaker:
    """Speak with the admin's session instead of a token."""
    speaker = Speaker()
    speaker.client = Client(raise_request_exception=False)
    speaker.client.force_login(builders.person(name, *groups))
    return speaker


def confirm(speaker: Speaker, row: RegisteredAddress, version: int = 1, **more: Any) -> Any:
    body = CONFIRM | more.pop("body", {})
    return speaker.post(
        f"{ROOT}addresses/{row.code}/confirm/", body, If_Match=f'"{version}"', **more
    )


def test_a_token_sees_both_ends_only_whatever_its_user_may(
    speaks: Speaks, row: RegisteredAddress
) -> None:
    token = speaks("administrator")
    (listed,) = token.get(f"{ROOT}addresses/").json()
    one = token.get(f"{ROOT}addresses/{row.code}/")
    assert listed == one.json()
    assert (listed["address"], listed["memo"], listed["is_whole"]) == ("rTes…Ours", "•••", False)
    assert one.headers["ETag"] == '"1"'
    assert listed["confirmations_needed"] == 2


def test_a_session_of_somebody_who_may_confirm_sees_the_whole(row: RegisteredAddress) -> None:
    shown = session("alice", "operator").get(f"{ROOT}addresses/{row.code}/").json()
    assert (shown["address"], shown["memo"], shown["is_whole"]) == (ADDRESS, MEMO, True)
    masked = session("vera", "viewer").get(f"{ROOT}addresses/{row.code}/").json()
    assert (masked["address"], masked["is_whole"]) == ("rTes…Ours", False)


def test_a_token_never_confirms_nor_proves(speaks: Speaks, row: RegisteredAddress) -> None:
    token = speaks("administrator")
    builders.proven("upbit", "XRP", "XRP", state="UNPROVEN")
    prove = token.post(f"{ROOT}identities/upbit/XRP/XRP/prove/", PROOF, If_Match='"1"')
    for refused in (confirm(token, row), prove):
        assert refused.status_code == 403
        assert "tokens never" in refused.json()["detail"]
    assert not AddressConfirmation.objects.exists()
    assert not Intervention.objects.exists()


def test_two_sessions_confirm_on_the_version_each_saw(row: RegisteredAddress) -> None:
    alice, bob = session("alice", "operator"), session("bob", "operator")
    first = confirm(alice, row)
    assert (first.status_code, first.headers["ETag"]) == (200, '"2"')
    assert first.json()["confirmed_by"] == ["alice"]
    assert confirm(bob, row).status_code == 412
    second = confirm(bob, row, version=2).json()
    assert (second["state"], second["confirmed_by"]) == ("CONFIRMED", ["alice", "bob"])


def test_an_answer_that_is_kept_under_a_key_names_no_address(row: RegisteredAddress) -> None:
    alice = session("alice", "operator")
    replies = [confirm(alice, row, key="k1") for _ in range(2)]
    assert replies[0].json() == replies[1].json()
    assert replies[1].headers["Idempotency-Replayed"] == "true"
    assert AddressConfirmation.objects.count() == 1
    assert ADDRESS not in str(IdempotencyRecord.objects.get().body)
    assert MEMO not in str(IdempotencyRecord.objects.get().body)


def test_the_headers_are_needed(row: RegisteredAddress) -> None:
    alice, path = session("alice", "operator"), f"{ROOT}addresses/{row.code}/confirm/"
    assert alice.post(path, CONFIRM).status_code == 428
    assert alice.post(path, CONFIRM, key="", If_Match='"1"', Idempotency_Key="").status_code == 400


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"ends_with": "OfTheirs"}, 400),
        ({"ends_with": "Ours"}, 400),
        ({"memo": "7"}, 400),
        ({"reason": ""}, 400),
        ({"address": ADDRESS}, 400),
    ],
)
def test_a_wrong_body_confirms_nothing(
    row: RegisteredAddress, body: dict[str, str], status: int
) -> None:
    reply = confirm(session("alice", "operator"), row, body=body)
    assert reply.status_code == status
    assert not AddressConfirmation.objects.exists()


def test_one_person_is_not_two(row: RegisteredAddress) -> None:
    alice = session("alice", "operator")
    confirm(alice, row)
    again = confirm(alice, row, version=2)
    assert (again.status_code, again.json()["code"]) == (409, "not_allowed_now")


def test_a_viewer_confirms_nothing_and_strangers_see_nothing(row: RegisteredAddress) -> None:
    assert confirm(session("vera", "viewer"), row).status_code == 403
    assert Speaker().get(f"{ROOT}addresses/").status_code == 401
    assert Speaker().get(f"{ROOT}identities/").status_code == 401


def test_a_token_may_retire_what_it_has_seen(speaks: Speaks) -> None:
    row = builders.confirmed_address()
    path = f"{ROOT}addresses/{row.code}/retire/"
    reader = speaks("operator", Scope.CYCLES_READ)
    assert reader.post(path, {"reason": "r"}, If_Match='"4"').status_code == 403
    token = speaks("operator", Scope.DESK_ACT)
    assert token.post(path, {"reason": "r"}, If_Match='"9"').status_code == 412
    done = token.post(path, {"reason": "r"}, If_Match=f'"{row.version}"')
    assert (done.status_code, done.json()["state"]) == (200, "RETIRED")


def test_an_unknown_address_or_name_is_404(speaks: Speaks) -> None:
    token = speaks()
    assert token.get(f"{ROOT}addresses/ADR-NONE/").status_code == 404
    assert token.get(f"{ROOT}identities/upbit/XRP/XRP/").status_code == 404


def test_a_name_is_proven_by_a_session_and_blocked_by_a_token(speaks: Speaks) -> None:
    empty = {"asset": "", "network": "", "decimals": None, "state": "UNPROVEN", "decided_by": ""}
    builders.proven("upbit", "XRP", "XRP", **empty)
    path = f"{ROOT}identities/upbit/XRP/XRP/"
    seen = speaks().get(path)
    assert (seen.json()["state"], seen.headers["ETag"]) == ("UNPROVEN", '"1"')
    carol = session("carol", "approver")
    proven = carol.post(f"{path}prove/", PROOF, If_Match='"1"')
    assert (proven.status_code, proven.json()["decided_by"]) == (200, "carol")
    assert speaks().get(f"{ROOT}identities/").json() == [proven.json()]
    blocked = speaks().post(f"{path}block/", {"reason": "a fork"}, If_Match='"2"')
    assert (blocked.status_code, blocked.json()["state"]) == (200, "BLOCKED")


def test_a_proof_that_contradicts_another_is_409() -> None:
    builders.proven("binance", "XRP", "XRP")
    builders.proven("upbit", "XRP", "XRP", state="UNPROVEN", decided_by="")
    wrong = PROOF | {"contract": "rIssuer"}
    carol = session("carol", "approver")
    reply = carol.post(f"{ROOT}identities/upbit/XRP/XRP/prove/", wrong, If_Match='"1"')
    assert (reply.status_code, "two coins" in reply.json()["detail"]) == (409, True)
