"""Reference data is fetched from the venues, kept, and too old is as good as missing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import DataError, connection, transaction
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries, Settings

from exchanges import address_sync, market_sync, reference, registry, rule_sync
from exchanges.answers import asking
from exchanges.errors import StaleReferenceError
from exchanges.models import (
    AddressState,
    AllowedDestination,
    MarketRule,
    NetworkRule,
    RegisteredAddress,
    TransferRoute,
)
from exchanges.notices import Notice
from exchanges.simulator.server import RunningSimulator, start_in_thread
from exchanges.transport.plain import post_json
from exchanges.values import DepositAddress, Market

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 7, tzinfo=UTC)


@pytest.fixture(scope="module")
def running() -> Iterator[RunningSimulator]:
    with start_in_thread(seed=5) as started:
        yield started


@pytest.fixture(autouse=True)
def _simulated(settings: Settings, running: RunningSimulator) -> Iterator[None]:
    settings.KIMP_LIVE = False
    settings.KIMP_SIMULATOR_URL = running.control_url
    settings.KIMP_FX_FRANKFURTER_URL = f"{running.control_url}/fx/usdkrw"
    settings.KIMP_FX_ERAPI_URL = f"{running.control_url}/fx/v6/latest/USD"
    registry.configure(database_is_live=False)
    yield
    registry.configure(database_is_live=False)


def sync_markets(now: datetime) -> market_sync.SyncCounts:
    """Fetch everything; nothing of it may want people's attention."""
    notices: list[Notice] = []
    counts = market_sync.sync_markets(now, tell=notices.append)
    assert notices == []
    return counts


def test_everything_the_desk_trades_is_fetched_once() -> None:
    counts = sync_markets(NOW)
    assert counts.problems == []
    assert (counts.markets, counts.addresses, counts.routes) == (9, 10, 10)
    again = sync_markets(NOW + timedelta(minutes=1))
    assert again.networks == counts.networks
    assert MarketRule.objects.count() == 9
    assert RegisteredAddress.objects.count() == 10
    assert TransferRoute.objects.count() == 10
    assert NetworkRule.objects.count() == counts.networks


@pytest.mark.parametrize("desks", [["bithumb"], ["upbit", "bithumb"]], ids=str)
def test_reference_data_covers_the_korean_venues_of_the_desk_and_no_other(
    settings: Settings, desks: list[str]
) -> None:
    settings.KIMP_KOREA_VENUES = desks
    counts = sync_markets(NOW)
    assert counts.problems == []
    told = (4 + 5 * len(desks), 5 + 5 * len(desks), 10 * len(desks))
    assert (counts.markets, counts.addresses, counts.routes) == told
    ways = set(TransferRoute.objects.values_list("from_venue", "to_venue"))
    assert ways == {way for one in desks for way in (("binance", one), (one, "binance"))}
    for model in (MarketRule, NetworkRule, RegisteredAddress):
        assert set(model.objects.values_list("venue", flat=True)) == {"binance", *desks}
    assert set(RegisteredAddress.objects.values_list("state", flat=True)) == {"PROPOSED"}
    allowed = AllowedDestination.objects.filter(address__venue__in=["binance", *desks])
    assert ways <= set(allowed.values_list("sender", "address__venue"))


def test_rules_come_back_as_the_venue_told_them() -> None:
    sync_markets(NOW)
    market = Market("XRP", "KRW")
    kept = reference.market_rules("upbit", market, NOW)
    told = registry.venue("upbit").market_rules(market)
    assert kept.price_steps == told.price_steps
    assert (kept.quantity_step, kept.minimum_notional, kept.taker_fee_rate) == (
        told.quantity_step,
        told.minimum_notional,
        told.taker_fee_rate,
    )
    network = reference.network_rules("binance", "USDT", "TRX", NOW)
    assert network.withdraw_fee == Decimal(1)
    assert network.withdraw_is_open


def test_rules_older_than_a_day_are_stale() -> None:
    sync_markets(NOW)
    market = Market("XRP", "KRW")
    reference.market_rules("upbit", market, NOW + timedelta(hours=24))
    with pytest.raises(StaleReferenceError):
        reference.market_rules("upbit", market, NOW + timedelta(hours=24, seconds=1))
    with pytest.raises(StaleReferenceError):
        reference.network_rules("upbit", "XRP", "XRP", NOW + timedelta(hours=25))


def test_what_was_never_fetched_is_stale() -> None:
    with pytest.raises(StaleReferenceError, match="never fetched"):
        reference.market_rules("upbit", Market("XRP", "KRW"), NOW)
    with pytest.raises(StaleReferenceError):
        reference.transfer_route("XRP", "binance", "upbit")


def test_operators_changes_to_a_route_survive_the_next_fetch() -> None:
    sync_markets(NOW)
    TransferRoute.objects.filter(asset="XRP").update(is_allowed=False, expected_seconds=7)
    sync_markets(NOW)
    assert list(TransferRoute.objects.filter(asset="XRP").values_list("is_allowed")) == [
        (False,),
        (False,),
    ]
    with pytest.raises(StaleReferenceError):
        reference.transfer_route("XRP", "binance", "upbit")


def test_a_route_names_the_network_both_venues_know() -> None:
    sync_markets(NOW)
    route = reference.transfer_route("USDT", "binance", "upbit")
    assert (route.network, route.expected_seconds) == ("TRX", 240)


def test_a_venue_that_fails_is_a_problem_and_leaves_its_rows(running: RunningSimulator) -> None:
    sync_markets(NOW)
    later = NOW + timedelta(hours=1)
    rule = {"fault": "F3", "venue": "upbit", "method": "GET", "path_regex": "orders/chance"}
    url = f"{running.control_url}/control/faults"
    assert post_json(url, {**rule, "times": 3}, 5)[0] == 200
    counts = sync_markets(later)
    assert counts.problems == ["upbit market_rules: HTTP 502, 502"]
    assert counts.markets == 8
    assert set(MarketRule.objects.values_list("fetched_at", flat=True)) == {NOW, later}


def test_sync_markets_tells_in_json() -> None:
    out = StringIO()
    call_command("sync_markets", "--json", stdout=out)
    told = json.loads(out.getvalue())
    assert (told["markets"], told["problems"]) == (9, [])


def test_venue_ping_calls_every_venue_and_source() -> None:
    out = StringIO()
    call_command("venue_ping", "--json", stdout=out)
    told = json.loads(out.getvalue())
    assert told["mode"] == "simulated"
    assert [row["name"] for row in told["venues"]] == [
        "binance",
        "upbit",
        "frankfurter",
        "open-er-api",
    ]
    assert all(row["is_well"] for row in told["venues"])


def test_venue_ping_fails_clearly_without_a_simulator(settings: Settings) -> None:
    settings.KIMP_SIMULATOR_URL = "http://127.0.0.1:1"
    registry.forget()
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("venue_ping", stdout=out)
    assert ended.value.code == 1
    assert "simulator does not answer" in out.getvalue()


def test_a_rulebook_says_the_same_in_three_queries(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    sync_markets(NOW)
    TransferRoute.objects.create(
        asset="XRP", from_venue="binance", to_venue="upbit", network="SLOW",
        expected_seconds=9000, overdue_seconds=9000,
    )  # fmt: skip
    with django_assert_num_queries(3):
        rules = reference.rulebook()
    market, later = Market("XRP", "KRW"), NOW + timedelta(hours=25)
    assert rules.market_rules("upbit", market, NOW) == reference.market_rules("upbit", market, NOW)
    route = rules.transfer_route("XRP", "binance", "upbit")
    assert route == reference.transfer_route("XRP", "binance", "upbit")
    for venue in registry.desk_venues():
        asked = (venue, "XRP", route.network, NOW)
        assert rules.network_rules(*asked) == reference.network_rules(*asked)
    with pytest.raises(StaleReferenceError, match="24 h"):
        rules.market_rules("upbit", market, later)
    with pytest.raises(StaleReferenceError, match="no allowed route"):
        rules.transfer_route("XRP", "upbit", "nowhere")
    with pytest.raises(StaleReferenceError, match="never fetched"):
        rules.network_rules("upbit", "XRP", "nowhere", NOW)


@pytest.mark.parametrize("is_known", [False, True], ids=["the first time", "again"])
def test_keeping_five_assets_takes_no_more_statements_than_keeping_one(
    monkeypatch: pytest.MonkeyPatch, *, is_known: bool
) -> None:
    counts = []
    for assets in (("XRP",), ("XRP",), market_sync.ASSETS):  # the first also fills caches
        networks = {asset: market_sync.NETWORK_OF[asset] for asset in assets}
        with monkeypatch.context() as patch, transaction.atomic():
            patch.setattr(market_sync, "ASSETS", assets)
            patch.setattr(market_sync, "NETWORK_OF", networks)
            if is_known:
                sync_markets(NOW)
            with CaptureQueriesContext(connection) as made:
                found = sync_markets(NOW + timedelta(minutes=1))
            transaction.set_rollback(True)
        assert found.addresses == 2 * len(assets)
        counts.append(len(made))
    assert counts[1] == counts[2]


def test_twelve_addresses_that_their_venue_changed_take_no_more_statements_than_one() -> None:
    """Whoever tells people of them writes an alert of each."""
    counts = []
    for number in (1, 1, 12):  # the first also fills caches
        places = [
            DepositAddress(venue="upbit", asset=f"A{one}", network="N", address="ours", memo=None)
            for one in range(number)
        ]
        changed = [replace(place, address="another") for place in places]
        with transaction.atomic():
            address_sync.keep_addresses(places, asked=asking(NOW), tell=lambda _: None)
            asked = asking(NOW)
            with CaptureQueriesContext(connection) as made:
                address_sync.keep_addresses(changed, asked=asked, tell=lambda _: None)
            retired = RegisteredAddress.objects.filter(state=AddressState.RETIRED)
            assert retired.count() == number
            transaction.set_rollback(True)
        counts.append(len(made))
    assert counts[1] == counts[2]


def test_what_a_venue_tells_twice_counts_as_it_was_told_last() -> None:
    (rules,) = registry.venue("binance").network_rules("XRP")
    twice = [replace(rules, withdraw_fee=Decimal(fee)) for fee in (1, 2)]
    rule_sync.keep_networks(twice, asking(NOW))
    assert NetworkRule.objects.get().withdraw_fee == 2
    market = registry.venue("upbit").market_rules(Market("XRP", "KRW"))
    rule_sync.keep_markets([market, replace(market, is_open=False)], asking(NOW))
    assert not MarketRule.objects.get().is_open


def test_an_address_that_was_changed_is_retired_whatever_else_its_venue_tells() -> None:
    """One that no column takes ends the sync: what is rotated, or tampered with, must not live on for it."""
    place = DepositAddress(venue="upbit", asset="XRP", network="XRP", address="rOurs", memo="1")
    address_sync.keep_addresses([place], asked=asking(NOW), tell=lambda _: None)
    other = replace(place, asset="SOL", network="SOL", address="S" * 129, memo=None)
    notices: list[Notice] = []
    with pytest.raises(DataError):
        address_sync.keep_addresses(
            [replace(place, address="rTheirs"), other], asked=asking(NOW), tell=notices.append
        )
    assert RegisteredAddress.objects.get(address="rOurs").state == AddressState.RETIRED
    assert len(notices) == 1
