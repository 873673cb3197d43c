"""A sync of reference data that is stopped with a venue's answer in hand, and wakes when the desk knows better."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection

from cycles.models import Alert
from cycles.services import refreshing, standing_in
from exchanges import answers, registry, rule_sync
from exchanges.answers import asking
from exchanges.models import NetworkRule, RegisteredAddress, RuleChange
from tests.concurrency.meeting import SECONDS, together, until_somebody_waits
from tests.concurrency.unguarded import take_out, without
from tests.desk import TestDesk

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]
ROTATED = {"venue": "upbit", "asset": "XRP", "network": "XRP", "is_allowed": True}
OTHER = "rAnotherAddress111111111111111111"
GUARD = "\n     WHERE known.kept < excluded.question OR known.question = excluded.question"


def slept_through_a_rotation(desk: TestDesk) -> list[str]:
    """Stop a sync that has Upbit's answers; meanwhile another finds our address rotated, and it is confirmed.

    Gives how that address ends.
    """
    is_asleep, may_wake = threading.Event(), threading.Event()

    def fall_asleep(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        is_next = sql.startswith('SELECT "exchanges_registeredaddress"') and "upbit" in rest[0]
        if is_next and not is_asleep.is_set():  # Upbit has answered, nothing of ours is read yet
            is_asleep.set()
            assert may_wake.wait(SECONDS)
        return execute(sql, *rest)

    def sleeper() -> None:
        with connection.execute_wrapper(fall_asleep):
            refreshing.refresh_markets(registry.utc_now())

    def others() -> None:
        assert is_asleep.wait(SECONDS)
        try:
            desk.control("/control/rotate", ROTATED | {"address": OTHER})
            refreshing.refresh_markets(registry.utc_now())
            assert standing_in.confirm_simulated() == 1
            refreshing.refresh_markets(registry.utc_now())
        finally:
            may_wake.set()

    together(sleeper, others)
    return list(RegisteredAddress.objects.filter(address=OTHER).values_list("state", flat=True))


def test_who_wakes_with_the_address_of_before_ends_nothing_and_tells_nobody(
    committed_desk: TestDesk,
) -> None:
    assert slept_through_a_rotation(committed_desk) == ["CONFIRMED"]
    assert Alert.objects.filter(key__startswith="address:").count() == 1  # the rotation
    assert not RuleChange.objects.filter(rule="allow-list").exists()


def test_the_negative_control_without_the_guard_who_wakes_ends_what_two_people_confirmed(
    committed_desk: TestDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "KEEP", without(answers.KEEP, GUARD))
    assert slept_through_a_rotation(committed_desk) == ["RETIRED"]
    assert Alert.objects.filter(key__startswith="address:").count() == 2


def refused_while_rules_are_written(until: Callable[[threading.Event], object]) -> bool:
    """Let a wallet refuse while somebody writes that it is open; gives whether it is open then."""
    now = datetime(2026, 11, 20, tzinfo=UTC)
    (rules,) = registry.venue("binance").network_rules("XRP")
    rule_sync.keep_networks([rules], asking(now))
    is_writing, is_noted = threading.Event(), threading.Event()

    def write(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if sql.startswith('INSERT INTO "exchanges_networkrule"'):
            is_writing.set()
            until(is_noted)
        return execute(sql, *rest)

    def keep() -> None:
        with connection.execute_wrapper(write):
            rule_sync.keep_networks([replace(rules, withdraw_is_open=True)], asking(now))

    def refuse() -> None:
        assert is_writing.wait(SECONDS)
        rule_sync.note_closed("binance", "XRP", rules.network, now)
        is_noted.set()

    together(keep, refuse)
    return NetworkRule.objects.get(venue="binance", asset="XRP").withdraw_is_open


def test_a_refusal_waits_for_who_writes_the_rules_and_closes_the_wallet_after_it(
    committed_desk: TestDesk,
) -> None:
    assert not refused_while_rules_are_written(lambda _: until_somebody_waits("transactionid"))


def test_the_negative_control_without_its_turn_the_wallet_is_opened_over_its_refusal(
    committed_desk: TestDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_out(
        monkeypatch,
        rule_sync.note_closed,
        'answers.newest(answers.asking(now), venue, [answers.rules(f"{asset} on {network}")])',
    )
    assert refused_while_rules_are_written(lambda is_noted: is_noted.wait(SECONDS))
