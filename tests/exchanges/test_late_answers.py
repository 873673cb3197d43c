"""An answer of a venue that was slept with is kept no more once another was kept; each control goes without that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.models import F, Model

from exchanges import address_sync, answers, identity_sync, market_sync, registry, rule_sync
from exchanges.answers import Question, asking
from exchanges.identity.named_venue import NamedVenue
from exchanges.models import (
    AddressState,
    AllowedDestination,
    AssetIdentity,
    MarketRule,
    NetworkRule,
    RegisteredAddress,
    RuleChange,
)
from exchanges.notices import Notice
from exchanges.simulator.server import RunningSimulator, start_in_thread
from exchanges.values import DepositAddress, Listing, Market
from tests import builders
from tests.concurrency.unguarded import without

pytestmark = pytest.mark.django_db
THEN = datetime(2026, 11, 20, 7, tzinfo=UTC)
LATER = THEN + timedelta(minutes=1)
OURS = DepositAddress(venue="upbit", asset="XRP", network="XRP", address="rOurs", memo="1")
ROTATED = replace(OURS, address="rRotated")
ETHER = Listing(
    venue="binance", symbol="ETH", network="ETH", title="Ethereum", network_title="Ethereum",
    contract="",
)  # fmt: skip
RIPPLE = replace(ETHER, symbol="XRP", network="XRP", title="XRP", network_title="XRP Ledger")
GUARD = "\n     WHERE known.kept < excluded.question OR known.question = excluded.question"
Story = Callable[[Question], object]


@pytest.fixture(scope="module")
def running() -> Iterator[RunningSimulator]:
    with start_in_thread(seed=5) as started:
        yield started


@pytest.fixture(autouse=True)
def _simulated(settings: Any, running: RunningSimulator) -> Iterator[None]:
    settings.KIMP_SIMULATOR_URL = running.control_url
    registry.configure(database_is_live=False)
    yield
    registry.configure(database_is_live=False)


@pytest.fixture
def _unguarded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "KEEP", without(answers.KEEP, GUARD))


def keep_address(told: DepositAddress, asked: Question) -> list[Notice]:
    notices: list[Notice] = []
    address_sync.keep_addresses([told], asked=asked, tell=notices.append)
    return notices


def keep_list(told: list[Listing], asked: Question) -> list[Notice]:
    notices: list[Notice] = []
    assets = ("ETH", "XRP")
    identity_sync.keep_listings("binance", told, assets, asked=asked, tell=notices.append)
    return notices


# -- what happened while somebody slept with an answer in hand, and what comes of that answer


def an_address_was_rotated_and_confirmed(slept_since: Question) -> tuple[object, ...]:
    """Two people confirmed the new one; the sleeper names the old one."""
    keep_address(OURS, asking(THEN))
    keep_address(ROTATED, asking(THEN))
    builders.confirmed_address()
    told = keep_address(OURS, slept_since)
    return RegisteredAddress.objects.get(address="rRotated").state, len(told)


def a_fee_rose_and_a_wallet_opened(slept_since: Question) -> tuple[object, ...]:
    """The sleeper has the fee of before, and the wallet closed."""
    (rules,) = registry.venue("binance").network_rules("XRP")
    newer = replace(rules, withdraw_fee=Decimal(2), withdraw_is_open=True)
    rule_sync.keep_networks([newer], asking(LATER))
    older = replace(rules, withdraw_fee=Decimal(1), withdraw_is_open=False)
    rule_sync.keep_networks([older], slept_since)
    row = NetworkRule.objects.get()
    return row.withdraw_fee, row.withdraw_is_open, row.fetched_at, RuleChange.objects.count()


def a_market_opened(slept_since: Question) -> tuple[object, ...]:
    rules = registry.venue("upbit").market_rules(Market("XRP", "KRW"))
    rule_sync.keep_markets([replace(rules, is_open=True)], asking(LATER))
    rule_sync.keep_markets([replace(rules, is_open=False)], slept_since)
    row = MarketRule.objects.get()
    return row.is_open, row.fetched_at, RuleChange.objects.count()


def a_name_was_listed_and_another_renamed(slept_since: Question) -> tuple[object, ...]:
    """People proved both since; the sleeper has neither as it is."""
    keep_list([RIPPLE, replace(ETHER, title="Ether")], asking(THEN))
    AssetIdentity.objects.update(
        state="PROVEN", asset=F("venue_symbol"), network=F("venue_network"), decimals=6,
        decided_by="people", contract="", version=F("version") + 1,
    )  # fmt: skip
    told = keep_list([ETHER], slept_since)
    return *AssetIdentity.objects.order_by("venue_symbol").values_list("state", flat=True), len(
        told
    )


def an_address_left_an_allow_list(slept_since: Question) -> tuple[object, ...]:
    """The sleeper has it listed still."""
    keep_address(OURS, asking(THEN))
    address_sync.keep_allowances("binance", {"XRP": []}, asked=asking(THEN))
    address_sync.keep_allowances("binance", {"XRP": [OURS]}, asked=slept_since)
    return (AllowedDestination.objects.count(),)


STORIES: dict[Story, tuple[tuple[object, ...], tuple[object, ...]]] = {  # with the guard; without
    an_address_was_rotated_and_confirmed: (("CONFIRMED", 0), ("RETIRED", 1)),
    a_fee_rose_and_a_wallet_opened: ((2, True, LATER, 0), (1, False, THEN, 2)),
    a_market_opened: ((True, LATER, 0), (False, THEN, 1)),
    a_name_was_listed_and_another_renamed: (
        ("PROVEN", "PROVEN", 0),
        ("UNPROVEN", "UNPROVEN", 2),
    ),
    an_address_left_an_allow_list: ((0,), (1,)),
}


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_an_older_answer_that_comes_last_changes_nothing_ends_nothing_and_is_not_told(
    story: Story,
) -> None:
    assert story(asking(THEN)) == STORIES[story][0]


@pytest.mark.usefixtures("_unguarded")
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_the_negative_control_without_the_guard_the_older_answer_decides(story: Story) -> None:
    assert story(asking(THEN)) == STORIES[story][1]


# -- where the guard begins and ends


def test_of_two_questions_at_once_the_answer_that_is_kept_first_stands() -> None:
    """Who took the lower number may have asked later, and have heard of the rotation: only one asked since then may end it."""
    first, second = asking(THEN), asking(THEN)
    keep_address(ROTATED, first)
    assert keep_address(OURS, second) == []
    assert RegisteredAddress.objects.get().address == "rRotated"
    assert len(keep_address(OURS, asking(LATER))) == 1
    live = RegisteredAddress.objects.exclude(state=AddressState.RETIRED)
    assert live.get().address == "rOurs"


def test_what_nobody_else_read_meanwhile_is_kept_of_a_late_answer() -> None:
    asked = asking(LATER)
    (xrp,) = registry.venue("binance").network_rules("XRP")
    other = replace(xrp, asset="SOL", network="SOL")
    rule_sync.keep_networks([xrp], asking(THEN))
    rule_sync.keep_networks([xrp, other], asked)
    fetched = dict(NetworkRule.objects.values_list("asset", "fetched_at"))
    assert fetched == {"XRP": THEN, "SOL": LATER}


PARTS: dict[str, tuple[type[Model], str]] = {  # what is asked, and whose rows are kept of it
    "listings": (AssetIdentity, "venue"),
    "market_rules": (MarketRule, "venue"),
    "network_rules": (NetworkRule, "venue"),
    "deposit_address": (RegisteredAddress, "venue"),
    "withdrawal_addresses": (AllowedDestination, "sender"),
}


@pytest.mark.parametrize("name", PARTS)
def test_each_part_of_a_sync_has_its_number_before_its_venue_answers(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Once a venue has answered, another run asks and keeps everything: of the part under way nothing is kept."""
    interrupted: list[str] = []
    ask = getattr(NamedVenue, name)

    def ask_and_wait(venue: NamedVenue, *args: Any, **facts: Any) -> Any:
        answer = ask(venue, *args, **facts)
        if not interrupted:
            interrupted.append(venue.code)
            market_sync.sync_markets(LATER, tell=lambda _: None)
        return answer

    monkeypatch.setattr(NamedVenue, name, ask_and_wait)
    market_sync.sync_markets(THEN, tell=lambda _: None)
    model, at = PARTS[name]
    rows = model._default_manager.filter(**{at: interrupted[0]})
    assert set(rows.values_list("fetched_at", flat=True)) == {LATER}


def test_an_address_that_somebody_confirms_at_that_moment_is_retired_all_the_same() -> None:
    """Its version has grown since it was read; what its venue names no more must not live on for that."""
    keep_address(OURS, asking(THEN))

    def confirmed(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if sql == answers.KEEP:
            live = RegisteredAddress.objects.filter(address="rOurs", state="PROPOSED")
            live.update(version=F("version") + 1)
        return execute(sql, *rest)

    with connection.execute_wrapper(confirmed):
        keep_address(ROTATED, asking(LATER))
    assert RegisteredAddress.objects.get(address="rOurs").state == AddressState.RETIRED
