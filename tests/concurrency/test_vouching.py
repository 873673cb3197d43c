"""The address book under races: an address that ends against an intent to send there, two people at once."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, transaction

from cycles.errors import StaleVersionError
from cycles.models import AddressConfirmation, Cycle, ExchangeCall, Intervention
from cycles.services import addressing
from cycles.services.addressing import Typed
from cycles.services.intervening import Actor
from exchanges.models import AddressState, RegisteredAddress
from tests import builders
from tests.concurrency.meeting import SECONDS, root, together, until_somebody_waits

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]


def ready() -> tuple[Cycle, RegisteredAddress]:
    """Give a cycle that is about to withdraw, and the address it would withdraw to."""
    root()
    return builders.cycle(), builders.confirmed_address()


def retire(address: RegisteredAddress) -> bool:
    """Let a person end the address."""
    addressing.retire(address.code, actor=root(), reason="r", seen_version=address.version)
    return True


def state_of(address: RegisteredAddress) -> str:
    return RegisteredAddress.objects.get(pk=address.pk).state


def test_an_end_waits_for_an_intent_under_way_and_none_is_written_after_it() -> None:
    row, address = ready()
    written = threading.Event()

    def intend() -> bool:
        with transaction.atomic():
            builders.withdrawal_call(row, destination=address)
            written.set()
            until_somebody_waits("transactionid")  # the end stands before our row
            assert state_of(address) == AddressState.CONFIRMED
        return True

    def ending() -> bool:
        assert written.wait(SECONDS)
        return retire(address)

    assert together(intend, ending) == [True, True]
    assert state_of(address) == AddressState.RETIRED
    assert ExchangeCall.objects.count() == 1


def test_the_negative_control_without_the_guard_an_intent_commits_to_an_ended_address() -> None:
    row, address = ready()
    read, ended = threading.Event(), threading.Event()

    def intend_unguarded() -> bool:
        with transaction.atomic():
            assert state_of(address) == AddressState.CONFIRMED
            read.set()
            assert ended.wait(SECONDS)
            builders.withdrawal_call(row, destination=address)
        return True

    def ending() -> bool:
        assert read.wait(SECONDS)
        retire(address)
        ended.set()
        return True

    guard = "TABLE cycles_exchangecall {} TRIGGER withdrawal_is_vouched_for"
    with connection.cursor() as cursor:
        cursor.execute("ALTER " + guard.format("DISABLE"))
    try:
        assert together(intend_unguarded, ending) == [True, True]
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER " + guard.format("ENABLE"))
    assert state_of(address) == AddressState.RETIRED
    assert ExchangeCall.objects.get().destination == address


def test_of_two_confirmations_at_once_one_is_told_that_it_saw_an_older_version() -> None:
    address = builders.proposed_address()
    people = [root("alice"), root("bob")]

    def confirm(actor: Actor) -> Intervention:
        typed = Typed(ends_with=address.address[-6:], memo=address.memo)
        return addressing.confirm(
            address.code, actor=actor, reason="r", seen_version=address.version, typed=typed
        )

    got = together(lambda: confirm(people[0]), lambda: confirm(people[1]))
    assert sum(isinstance(one, Intervention) for one in got) == 1
    assert sum(isinstance(one, StaleVersionError) for one in got) == 1
    assert AddressConfirmation.objects.count() == 1
    assert state_of(address) == AddressState.PROPOSED
