"""`manage.py addresses` and `manage.py identities`: listed, tried dry, done with --yes by who may."""

from __future__ import annotations

import pytest

from cycles.models import AddressConfirmation, Intervention
from exchanges.models import RegisteredAddress
from tests import builders
from tests.cycles.commands.saying import Said

pytestmark = pytest.mark.django_db
ADDRESS, MEMO = "rTestAddressOfOurs", "100200300"
TYPED = ("--ends-with", "OfOurs", "--memo", MEMO, "--reason", "compared", "--yes")


@pytest.fixture
def row() -> RegisteredAddress:
    for name in ("alice", "bob"):
        builders.person(name, "operator")
    builders.person("carol", "approver")
    return builders.proposed_address(address=ADDRESS, memo=MEMO)


def confirm(row: RegisteredAddress, name: str, version: int, *more: str) -> Said:
    words = ("addresses", "confirm", row.code, "--as", name, "--version", str(version))
    return Said(*words, *TYPED, *more)


def test_addresses_are_listed_masked(row: RegisteredAddress) -> None:
    said = Said("addresses", "list")
    assert row.code in said.out
    assert "rTes…Ours" in said.out
    assert ADDRESS not in said.out
    (one,) = Said("addresses", "list", "--json").json["addresses"]
    assert (one["code"], one["address"], one["memo"]) == (row.code, "rTes…Ours", "•••")
    assert one["confirmed_by"] == []


def test_without_yes_nothing_is_written_and_the_whole_is_for_who_may_confirm(
    row: RegisteredAddress,
) -> None:
    stranger = Said("addresses", "confirm", row.code)
    assert "rTes…Ours" in stranger.out
    assert ADDRESS not in stranger.out
    alice = Said("addresses", "confirm", row.code, "--as", "alice")
    assert ADDRESS in alice.out
    assert "dry run" in alice.err
    assert "--version 1" in alice.err
    assert not Intervention.objects.exists()


def test_two_people_confirm(row: RegisteredAddress) -> None:
    assert confirm(row, "alice", 1).exit == 0
    assert confirm(row, "bob", 1).exit == 4  # alice was first
    said = confirm(row, "bob", 2, "--json")
    assert said.json["address"]["state"] == "CONFIRMED"
    assert said.json["address"]["confirmed_by"] == ["alice", "bob"]
    assert ADDRESS not in said.out
    assert set(AddressConfirmation.objects.values_list("is_simulated", flat=True)) == {False}


def test_what_is_refused_has_its_exit_code(row: RegisteredAddress) -> None:
    builders.person("vera", "viewer")
    assert confirm(row, "vera", 1).exit == 3
    assert Said("addresses", "confirm", "ADR-NONE").exit == 2
    assert Said("addresses", "confirm").exit == 2
    wrong = ("addresses", "confirm", row.code, "--as", "alice", "--version", "1", *TYPED)
    assert Said(*wrong, "--ends-with", "OfTheirs").exit == 2
    confirm(row, "alice", 1)
    assert confirm(row, "alice", 2).exit == 3
    assert Said("addresses", "confirm", row.code, "--as", "bob", *TYPED).exit == 2  # no version
    assert AddressConfirmation.objects.count() == 1


def test_an_address_is_retired(row: RegisteredAddress) -> None:
    words = ("addresses", "retire", row.code, "--as", "bob", "--version", "1")
    assert "retired" in Said(*words).out.lower()
    assert Said(*words, "--yes", "--reason", "not ours").exit == 0
    row.refresh_from_db()
    assert row.state == "RETIRED"


PROOF = ("--asset", "xrp", "--chain", "xrp", "--decimals", "6", "--reason", "xrpl.org", "--yes")
NAME = ("upbit", "XRP", "XRP")


def test_names_are_listed_proven_and_blocked(row: RegisteredAddress) -> None:
    empty = {"asset": "", "network": "", "decimals": None, "state": "UNPROVEN", "decided_by": ""}
    builders.proven(*NAME, **empty)
    (one,) = Said("identities", "list", "--json").json["identities"]
    assert (one["venue_symbol"], one["state"], one["told_contract"]) == ("XRP", "UNPROVEN", None)
    dry = Said("identities", "prove", *NAME)
    assert "contract: none told" in dry.out
    assert "dry run" in dry.err
    carol = ("--as", "carol")
    assert Said("identities", "prove", *NAME, *carol, *PROOF).exit == 2  # no version
    version = ("--version", "1")
    assert Said("identities", "prove", *NAME, "--as", "alice", *version, *PROOF).exit == 3
    assert Said("identities", "prove", *NAME, *carol, *version, *PROOF[2:]).exit == 2
    done = Said("identities", "prove", *NAME, *carol, *version, *PROOF, "--json").json
    assert (done["identity"]["state"], done["identity"]["decided_by"]) == ("PROVEN", "carol")
    blocked = ("--as", "alice", "--version", "2", "--yes", "--reason", "a fork")
    assert Said("identities", "block", *NAME, *blocked).exit == 0
    assert "BLOCKED" in Said("identities", "list").out
    assert Said("identities", "block", "upbit", "XRP").exit == 2
