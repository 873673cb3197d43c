"""The address book under races: an address that ends against an intent to send there, two people at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection, transaction

from cycles.models import Cycle, ExchangeCall
from cycles.services import addressing
from exchanges.answers import asking
from exchanges.identity_sync import keep_listings
from exchanges.models import AddressState, RegisteredAddress
from exchanges.values import Listing
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


def listings(*symbols: str, network_title: str) -> list[Listing]:
    """Give what a venue lists, of coins that no shipped fact proves."""
    return [
        Listing(
            venue="binance", symbol=symbol, network="XRP", title=symbol, network_title=network_title,
            contract=None,
        )
        for symbol in symbols
    ]  # fmt: skip


def keep(told: list[Listing]) -> bool:
    """Keep what a venue lists, on a thread of a test."""
    asked = asking(datetime(2026, 11, 28, tzinfo=UTC))
    kept = keep_listings("binance", told, ["AAA", "BBB"], asked=asked, tell=lambda _: None)
    return kept == len(told)


def test_two_that_keep_a_venues_names_at_once_wait_for_each_other_in_one_order() -> None:
    """One read them just before the venue renamed both, the other just after: in another order."""
    old = listings("AAA", "BBB", network_title="Ripple")
    keep(old)
    is_ahead, changed = threading.Event(), listings("BBB", "AAA", network_title="XRP Ledger")

    def rename(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        told = execute(sql, *rest)
        if sql.startswith('UPDATE "exchanges_assetidentity"') and not is_ahead.is_set():
            is_ahead.set()
            until_somebody_waits("transactionid", "advisory")
        return told

    def first() -> bool:
        with connection.execute_wrapper(rename):
            return keep(changed)

    def second() -> bool:
        assert is_ahead.wait(SECONDS)
        return keep(old)

    assert together(first, second) == [True, True]
