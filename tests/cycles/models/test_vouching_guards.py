"""The database's word on where coins may go: every way to cheat, each refused by its own guard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models.functions import Now

from cycles.domain.words import DeskKind
from cycles.models import AddressConfirmation, Cycle, ExchangeCall, Intervention, Step
from cycles.services import standing_in
from exchanges.models import AllowedDestination, AssetIdentity, RegisteredAddress
from exchanges.values import DepositAddress
from tests import builders
from tests.cycles.models.refusing import refused

pytestmark = pytest.mark.django_db


@pytest.fixture
def row() -> Cycle:
    """Give a cycle that could withdraw XRP from Binance to Upbit."""
    return builders.cycle()


def anybody(name: str = "anybody") -> User:
    return User.objects.get_or_create(username=name)[0]


def request_for(address: RegisteredAddress, **changes: str) -> dict[str, str]:
    """Give a journal's request for an address, or one that differs."""
    sound = {
        "asset": address.asset,
        "network": address.network,
        "quantity": "1",
        "to_venue": address.venue,
        "destination": address.destination.fingerprint,
    }
    return sound | changes


def update(row: RegisteredAddress, /, **facts: Any) -> None:
    RegisteredAddress.objects.filter(pk=row.pk).update(**facts)


# -- withdrawals


def test_a_withdrawal_to_a_confirmed_address_is_written(row: Cycle) -> None:
    call = builders.withdrawal_call(row)
    assert ExchangeCall.objects.filter(pk=call.pk, operation="WITHDRAW").exists()


def test_nothing_is_sent_to_a_proposal(row: Cycle) -> None:
    proposal = builders.proposed_address()
    with refused("withdrawal_destination_confirmed"):
        builders.withdrawal_call(row, destination=proposal)


def test_nothing_is_sent_to_what_one_person_has_confirmed(row: Cycle) -> None:
    proposal = builders.proposed_address()
    builders.confirmation(proposal, anybody())
    with refused("withdrawal_destination_confirmed"):
        builders.withdrawal_call(row, destination=proposal)


def test_nothing_is_sent_to_what_was_retired(row: Cycle) -> None:
    address = builders.confirmed_address()
    update(address, state="RETIRED", retired_at=Now(), version=9)
    with refused("withdrawal_destination_confirmed"):
        builders.withdrawal_call(row, destination=address)


@pytest.mark.parametrize(
    ("sender", "place"),
    [
        ("upbit", {"venue": "binance"}),  # of the sender itself
        ("binance", {"asset": "SOL", "network": "SOL"}),
        ("binance", {"network": "ETH"}),
    ],
)
def test_a_confirmed_address_of_another_place_is_not_its_steps(
    row: Cycle, sender: str, place: dict[str, str]
) -> None:
    address = builders.confirmed_address(sender, **place)
    with refused("withdrawal_destination_of_its_step"):
        builders.withdrawal_call(row, destination=address)


def test_only_a_withdraw_step_withdraws_and_only_its_own_cycles(row: Cycle) -> None:
    buy = Step.objects.get(cycle=row, kind="BUY")
    with refused("withdrawal_destination_of_its_step"):
        builders.withdrawal_call(row, step=buy)
    others = Step.objects.get(cycle=builders.cycle(), kind="WITHDRAW")
    with refused("withdrawal_destination_of_its_step"):
        builders.withdrawal_call(row, step=others)


@pytest.mark.parametrize(
    "change",
    [
        {"asset": "SOL"},
        {"network": "ETH"},
        {"to_venue": "binance"},
        {"destination": "0" * 64},
    ],
)
def test_a_request_for_anything_else_is_refused(row: Cycle, change: dict[str, str]) -> None:
    address = builders.confirmed_address()
    with refused("withdrawal_request_as_confirmed"):
        builders.withdrawal_call(row, request=request_for(address, **change))


@pytest.mark.parametrize("change", [{"memo": "8"}, {"memo": None}, {"address": "7", "memo": "r"}])
def test_a_request_with_another_memo_or_with_the_two_swapped_is_refused(
    row: Cycle, change: dict[str, Any]
) -> None:
    there = builders.confirmed_address().destination
    parts = {"venue": there.venue, "asset": there.asset, "network": there.network}
    other = DepositAddress(**(parts | {"address": there.address, "memo": there.memo} | change))
    with refused("withdrawal_request_as_confirmed"):
        request = request_for(builders.confirmed_address(), destination=other.fingerprint)
        builders.withdrawal_call(row, request=request)


def test_a_request_that_names_no_destination_is_refused(row: Cycle) -> None:
    request = request_for(builders.confirmed_address())
    del request["destination"]
    with refused("withdrawal_request_as_confirmed"):
        builders.withdrawal_call(row, request=request)


def test_a_written_request_is_not_bent_afterwards(row: Cycle) -> None:
    call = builders.withdrawal_call(row)
    other = builders.confirmed_address("upbit", venue="binance")
    mine = ExchangeCall.objects.filter(pk=call.pk)
    with refused("call_request_once"):
        mine.update(destination=other)
    with refused("call_request_once"):
        mine.update(request=request_for(other))
    order = ExchangeCall.objects.filter(pk=builders.order_call(builders.cycle()).pk)
    with refused("call_request_once"):
        order.update(operation="WITHDRAW", destination=other)


def test_the_senders_own_allow_list_has_its_say(row: Cycle) -> None:
    address = builders.confirmed_address()
    AllowedDestination.objects.filter(address=address).update(sender="bithumb")
    with refused("withdrawal_destination_allowed"):
        builders.withdrawal_call(row, destination=address)


@pytest.mark.parametrize("venue", ["binance", "upbit"])
@pytest.mark.parametrize("state", ["UNPROVEN", "BLOCKED"])
def test_nothing_is_sent_of_an_asset_that_is_not_proven_at_both_ends(
    row: Cycle, venue: str, state: str
) -> None:
    address = builders.confirmed_address()
    AssetIdentity.objects.filter(venue=venue).update(state=state, version=2)
    with refused("withdrawal_asset_proven"):
        builders.withdrawal_call(row, destination=address)


def test_nothing_is_sent_of_an_asset_that_is_blocked_on_another_network(row: Cycle) -> None:
    address = builders.confirmed_address()
    builders.proven("upbit", "XRP", "ETH", contract="0xa")
    AssetIdentity.objects.filter(network="ETH").update(state="BLOCKED", version=2)
    with refused("withdrawal_asset_proven"):
        builders.withdrawal_call(row, destination=address)


# -- addresses


@pytest.mark.parametrize(
    "facts",
    [{"state": "CONFIRMED", "confirmed_at": Now()}, {"version": 2}, {"confirmed_at": Now()}],
)
def test_an_address_begins_as_a_proposal(facts: dict[str, Any]) -> None:
    with refused("registered_address_born_proposed"):
        builders.proposed_address(**facts)


@pytest.mark.parametrize("people", [0, 1])
def test_an_address_is_not_confirmed_by_fewer_than_two_people(people: int) -> None:
    proposal = builders.proposed_address()
    for number in range(people):
        builders.confirmation(proposal, anybody(f"p{number}"))
    with refused("registered_address_confirmed_by_two"):
        update(proposal, state="CONFIRMED", confirmed_at=Now(), version=2)


@pytest.mark.parametrize(
    "change",
    [
        {"address": "rAnother"},
        {"memo": "8"},
        {"network": "ETH"},
        {"asset": "SOL"},
        {"venue": "binance"},
        {"code": "ADR-1"},
        {"confirmed_at": None, "state": "RETIRED", "retired_at": Now(), "version": 9},
    ],
)
def test_what_an_address_says_never_changes(change: dict[str, Any]) -> None:
    address = builders.confirmed_address()
    with refused("registered_address_written_once"):
        update(address, **change)


@pytest.mark.parametrize("state", ["PROPOSED", "CONFIRMED"])
def test_a_retired_address_does_not_come_back(state: str) -> None:
    address = builders.confirmed_address()
    update(address, state="RETIRED", retired_at=Now(), version=9)
    with refused("registered_address_retired_for_ever"):
        update(address, state=state, retired_at=None, version=10)


def test_a_confirmed_address_is_no_proposal_again() -> None:
    address = builders.confirmed_address()
    with refused("registered_address_moves_legally"):
        update(address, state="PROPOSED", version=9)


def test_a_change_of_an_address_raises_its_version() -> None:
    address = builders.confirmed_address()
    with refused("registered_address_version_grows"):
        update(address, state="RETIRED", retired_at=Now())
    with refused("registered_address_version_grows"):
        update(address, version=0)


def test_addresses_confirmations_and_identities_are_not_deleted() -> None:
    builders.confirmed_address()
    AllowedDestination.objects.all().delete()
    for table in (
        "cycles_addressconfirmation",
        "exchanges_registeredaddress",
        "exchanges_assetidentity",
    ):
        with refused(f"{table}_append_only"), connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM {table}")


# -- confirmations


def test_a_confirmation_is_not_changed() -> None:
    builders.confirmed_address()
    with refused("cycles_addressconfirmation_append_only"):
        AddressConfirmation.objects.update(user=anybody())


def test_only_a_proposal_is_confirmed() -> None:
    address = builders.confirmed_address()
    with refused("address_confirmation_of_a_proposal"):
        builders.confirmation(address, anybody())


@pytest.mark.parametrize("change", [{"seen_version": 7}, {"fingerprint": "0" * 64}])
def test_a_confirmation_is_of_what_stands_there(change: dict[str, Any]) -> None:
    with refused("address_confirmation_saw_this"):
        builders.confirmation(builders.proposed_address(), anybody(), **change)


def act(**facts: Any) -> Intervention:
    """Write an intervention as anybody's confirmation of the test's address, or another one."""
    sound = {"verb": "confirm_address", "user": anybody(), "actor": "anybody", "channel": "admin"}
    sound |= {"reason": "r", "seen_version": 1, "at": Now()}
    return Intervention.objects.create(**(sound | facts))


@pytest.mark.parametrize(
    "facts",
    [
        lambda code: {"payload": {"address": code}, "user": anybody("another")},
        lambda code: {"payload": {"address": code}, "verb": "retire_address"},
        lambda code: {"payload": {"address": "ADR-ANOTHER"}},
        lambda code: {"payload": {"address": code}, "seen_version": 2},
    ],
    ids=["another person's", "another verb", "of another address", "on another version"],
)
def test_a_confirmation_is_an_act_of_its_own_person(
    facts: Callable[[str], dict[str, Any]],
) -> None:
    proposal = builders.proposed_address()
    with refused("address_confirmation_is_an_act"):
        builders.confirmation(proposal, anybody(), intervention=act(**facts(proposal.code)))


def test_one_act_is_one_confirmation() -> None:
    first, second = builders.proposed_address(), builders.proposed_address(venue="binance")
    made = builders.confirmation(first, anybody())
    with refused("address_confirmation_is_an_act"):
        builders.confirmation(second, anybody(), intervention=made.intervention)


# -- stand-ins


def test_stand_ins_confirm_a_simulations_addresses_and_withdrawals_go_there(row: Cycle) -> None:
    builders.desk()
    builders.proposed_address()
    assert standing_in.confirm_simulated() == 1
    builders.withdrawal_call(row)
    assert set(AddressConfirmation.objects.values_list("is_simulated", flat=True)) == {True}


@pytest.mark.parametrize("kind", [DeskKind.LIVE, None])
def test_a_live_database_refuses_stand_ins(kind: DeskKind | None) -> None:
    if kind is not None:
        builders.desk(kind=kind)
    proposal = builders.proposed_address()
    for marked in (True, False):
        with refused("address_confirmation_by_people"):
            builders.confirmation(proposal, anybody("simulation-first"), is_simulated=marked)


def test_a_person_is_no_stand_in() -> None:
    builders.desk()
    with refused("address_confirmation_by_people"):
        builders.confirmation(builders.proposed_address(), anybody(), is_simulated=True)


def test_the_database_and_the_code_name_an_address_alike() -> None:
    for memo in ("7", ""):
        row = builders.proposed_address(memo=memo, address=f"r{memo}한글", venue=f"v{memo}")
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT kimp_address_fingerprint(venue, asset, network, address, memo)"
                " FROM exchanges_registeredaddress WHERE id = %s",
                [row.pk],
            )
            assert cursor.fetchone() == (row.destination.fingerprint,)
