"""The pages of the address book and of the registry of assets: shown as far as may be, acted on by people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from cycles.models import AddressConfirmation, Intervention
from exchanges.models import AssetIdentity, RegisteredAddress
from tests import builders

pytestmark = pytest.mark.django_db
Login = Callable[..., Client]
ADDRESS, MEMO = "rTestAddressOfOurs", "100200300"
LIST = "admin:exchanges_registeredaddress_changelist"
TYPED = {"ends_with": "OfOurs", "memo": MEMO, "reason": "compared with the page of upbit"}


def proposal() -> RegisteredAddress:
    return builders.proposed_address(address=ADDRESS, memo=MEMO)


def form(row: RegisteredAddress, verb: str = "confirm") -> str:
    return reverse("admin:address_verb", args=[row.code, verb])


def text(client: Client, url: str, status: int = 200) -> str:
    reply = client.get(url)
    assert reply.status_code == status
    return reply.content.decode()


def given(row: RegisteredAddress, **changes: Any) -> dict[str, Any]:
    return TYPED | {"seen_version": row.version} | changes


def test_an_address_is_shown_whole_to_those_who_may_confirm_it_and_masked_to_others(
    login: Login,
) -> None:
    row = proposal()
    change = reverse("admin:exchanges_registeredaddress_change", args=[row.pk])
    viewer, alice = login("viewer", name="vera"), login("operator")
    for page in (text(viewer, change), text(viewer, reverse(LIST)), text(alice, reverse(LIST))):
        assert ADDRESS not in page
        assert MEMO not in page
        assert "rTes…Ours" in page
    assert ADDRESS in text(alice, change)
    shown = text(alice, form(row))
    assert ADDRESS in shown
    assert MEMO in shown


def test_other_pages_name_no_address(login: Login) -> None:
    builders.desk()
    cycle = builders.cycle()
    row = builders.confirmed_address(address=ADDRESS, memo=MEMO)
    call = builders.withdrawal_call(cycle, destination=row)
    client = login("administrator")
    for name, key in (
        ("cycles_exchangecall", call.pk),
        ("cycles_addressconfirmation", AddressConfirmation.objects.all()[0].pk),
        ("cycles_intervention", Intervention.objects.all()[0].pk),
    ):
        page = text(client, reverse(f"admin:{name}_change", args=[key]))
        assert ADDRESS not in page
        assert MEMO not in page


def test_two_people_confirm_by_form_and_the_list_says_who(login: Login) -> None:
    row = proposal()
    for name, state in (("alice", "PROPOSED"), ("bob", "CONFIRMED")):
        reply = login("operator", name=name).post(form(row), given(row))
        assert (reply.status_code, reply.headers["Location"]) == (302, reverse(LIST))
        row.refresh_from_db()
        assert row.state == state
    page = text(login("viewer", name="vera"), reverse(LIST))
    assert "2/2 alice, bob" in page
    acts = list(Intervention.objects.order_by("id").values_list("verb", "actor", "channel"))
    assert acts == [("confirm_address", "alice", "admin"), ("confirm_address", "bob", "admin")]


def test_the_form_offers_nothing_to_somebody_who_has_confirmed(login: Login) -> None:
    row, alice = proposal(), login("operator")
    alice.post(form(row), given(row))
    row.refresh_from_db()
    assert "disabled" in text(alice, form(row))
    reply = alice.post(form(row), given(row))
    assert reply.status_code == 409
    assert "another person" in reply.content.decode()
    assert AddressConfirmation.objects.count() == 1


def test_a_version_that_is_not_the_newest_is_a_conflict_that_says_what_changed_and_keeps_the_text(
    login: Login,
) -> None:
    row = proposal()
    stale = given(row)
    login("operator", name="bob").post(form(row), stale | {"reason": "bob was first"})
    reply = login("operator").post(form(row), stale)
    page = reply.content.decode()
    assert reply.status_code == 409
    assert "bob was first" in page
    assert TYPED["reason"] in page
    assert 'value="OfOurs"' in page
    assert 'name="seen_version" value="2"' in page
    assert AddressConfirmation.objects.count() == 1


@pytest.mark.parametrize(
    "wrong", [{"ends_with": "OfTheirs"}, {"ends_with": "Ours"}, {"memo": ""}, {"reason": ""}]
)
def test_what_is_wrongly_typed_is_told_and_nothing_is_written(
    login: Login, wrong: dict[str, str]
) -> None:
    row = proposal()
    reply = login("operator").post(form(row), given(row, **wrong))
    assert reply.status_code == 400
    assert not AddressConfirmation.objects.exists()


def test_looking_changes_nothing_and_strangers_look_at_nothing(login: Login) -> None:
    row = proposal()
    text(login("operator"), form(row))
    assert not Intervention.objects.exists()
    vera = login("viewer", name="vera")
    assert vera.get(form(row)).status_code == 403
    assert vera.post(form(row), given(row)).status_code == 403
    assert form(row) not in text(vera, reverse(LIST))


def test_unknown_addresses_and_verbs_are_not_found(login: Login) -> None:
    row, alice = proposal(), login("operator")
    text(alice, reverse("admin:address_verb", args=["ADR-NONE", "confirm"]), 404)
    text(alice, form(row, "party"), 404)
    text(login("approver", name="c"), reverse("admin:identity_verb", args=[7, "prove"]), 404)


def test_an_address_is_retired_by_form(login: Login) -> None:
    row = builders.confirmed_address()
    assert "What is on its way there arrives" in text(login("operator"), form(row, "retire"))
    bob = login("operator", name="bob")
    bob.post(form(row, "retire"), {"reason": "not ours", "seen_version": row.version})
    row.refresh_from_db()
    assert (row.state, row.retired_because) == ("RETIRED", "bob: not ours")
    assert form(row, "retire") not in text(bob, reverse(LIST))


def test_proposals_are_counted_on_every_page(login: Login) -> None:
    builders.desk()
    proposal()
    client = login("viewer")
    assert 'Addresses <span class="count">1</span>' in text(client, reverse("admin:index"))


# -- the registry of assets

PROOF = {"asset": "xrp", "network": "XRP", "contract": "", "decimals": "6", "reason": "xrpl.org"}


def doubted() -> AssetIdentity:
    empty = {"asset": "", "network": "", "decimals": None, "state": "UNPROVEN", "decided_by": ""}
    return builders.proven("upbit", "XRP", "XRP", **empty)


def identity_form(row: AssetIdentity, verb: str = "prove") -> str:
    return reverse("admin:identity_verb", args=[row.pk, verb])


def test_a_name_is_proven_and_blocked_by_form(login: Login) -> None:
    row, carol = doubted(), login("approver", name="carol")
    listed = text(carol, reverse("admin:exchanges_assetidentity_changelist"))
    assert identity_form(row) in listed
    assert "it tells none" in text(carol, identity_form(row))
    assert carol.post(identity_form(row), PROOF | {"seen_version": 1}).status_code == 302
    row.refresh_from_db()
    assert (row.state, row.asset, row.decided_by) == ("PROVEN", "XRP", "carol")
    reason = {"reason": "a fork is announced", "seen_version": row.version}
    assert carol.post(identity_form(row, "block"), reason).status_code == 302
    row.refresh_from_db()
    assert (row.state, row.because) == ("BLOCKED", "a fork is announced")


def test_a_proof_that_contradicts_another_is_told_in_words(login: Login) -> None:
    builders.proven("binance", "XRP", "XRP")
    row = doubted()
    wrong = PROOF | {"contract": "rIssuer", "seen_version": 1}
    reply = login("approver").post(identity_form(row), wrong)
    assert reply.status_code == 409
    assert "one ticker, two coins" in reply.content.decode()
    row.refresh_from_db()
    assert row.state == "UNPROVEN"


def test_a_name_that_changed_meanwhile_is_a_conflict(login: Login) -> None:
    row = doubted()
    reply = login("approver").post(identity_form(row), PROOF | {"seen_version": 7})
    assert reply.status_code == 409
    assert "changed meanwhile" in reply.content.decode()
    assert 'value="xrp"' in reply.content.decode()


def test_operators_block_and_approvers_prove(login: Login) -> None:
    row, olga = doubted(), login("operator", name="olga")
    assert olga.get(identity_form(row)).status_code == 403
    assert olga.get(identity_form(row, "block")).status_code == 200
    assert login("viewer").get(identity_form(row, "block")).status_code == 403
    assert User.objects.count() == 2
