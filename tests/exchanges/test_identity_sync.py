"""The registry of assets is filled from what venues list, and a proof ends when they say something else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import DataError
from django.db.models import F
from pytest_django import DjangoAssertNumQueries, Settings

from exchanges import market_sync, naming, registry
from exchanges.answers import asking
from exchanges.identity.names import Names
from exchanges.identity_sync import keep_listings
from exchanges.models import AssetIdentity, RuleChange
from exchanges.notices import Notice
from exchanges.simulator.server import RunningSimulator, start_in_thread
from exchanges.transport.plain import post_json
from exchanges.values import Listing
from tests import builders

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 7, tzinfo=UTC)
ASSETS = market_sync.ASSETS


@pytest.fixture(scope="module")
def running() -> Iterator[RunningSimulator]:
    with start_in_thread(seed=5) as started:
        yield started


@pytest.fixture(autouse=True)
def _simulated(settings: Settings, running: RunningSimulator) -> Iterator[None]:
    settings.KIMP_SIMULATOR_URL = running.control_url
    registry.configure(database_is_live=False)
    post_json(f"{running.control_url}/control/reset", {"seed": 5}, 5)
    yield
    registry.configure(database_is_live=False)


def listed(venue: str) -> list[Listing]:
    return list(registry.venue(venue).listings())


def keep(venue: str, told: list[Listing]) -> list[Notice]:
    """Keep what a venue lists; gives what people are told."""
    notices: list[Notice] = []
    keep_listings(venue, told, ASSETS, asked=asking(NOW), tell=notices.append)
    return notices


def row(venue: str, symbol: str, network: str) -> AssetIdentity:
    return AssetIdentity.objects.get(venue=venue, venue_symbol=symbol, venue_network=network)


def relist(running: RunningSimulator, **told: Any) -> None:
    """Let a venue say something else of an asset."""
    status, body = post_json(f"{running.control_url}/control/listing", told, 5)
    assert status == 200, body


USDT_AT_BINANCE = {"venue": "binance", "asset": "USDT", "network": "TRX"}


@pytest.mark.parametrize("venue", registry.VENUES)
def test_the_desks_assets_are_proven_by_shipped_facts_with_their_source(venue: str) -> None:
    assert keep(venue, listed(venue)) == []
    rows = {one.venue_symbol: one for one in AssetIdentity.objects.filter(venue=venue)}
    assert set(ASSETS) <= set(rows)
    for asset in ASSETS:
        assert (rows[asset].state, rows[asset].decided_by) == ("PROVEN", "shipped facts")
        assert rows[asset].asset == asset
        assert rows[asset].because
    assert rows["USDT"].contract == "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"
    told = rows["USDT"].contract if venue == "binance" else None  # the others tell no contracts
    assert rows["USDT"].told_contract == told


def test_a_contract_that_changes_blocks_at_once_and_people_are_told(
    running: RunningSimulator,
) -> None:
    keep("binance", listed("binance"))
    relist(running, **USDT_AT_BINANCE, contract="TMigratedContract")
    (notice,) = keep("binance", listed("binance"))
    blocked = row("binance", "USDT", "TRX")
    assert (blocked.state, blocked.decided_by, blocked.version) == ("BLOCKED", "system", 3)
    assert blocked.told_contract == "TMigratedContract"
    assert notice.is_critical
    assert "blocked" in notice.title
    assert "sold" in notice.body
    assert registry.objection("binance", "USDT", may_end=True)
    change = RuleChange.objects.get(rule="identity")
    assert (change.subject, change.before) == ("USDT on TRX", "PROVEN")


def test_a_proof_ends_whatever_becomes_of_the_rest_of_what_a_venue_lists(
    running: RunningSimulator,
) -> None:
    """One name that no column takes ends the sync: it must not bring back what is not what it was."""
    keep("binance", listed("binance"))
    relist(running, **USDT_AT_BINANCE, contract="TMigratedContract")
    told = listed("binance")
    odd = replace(told[0], symbol="XRP", network="NEW", network_title="N" * 81)
    notices: list[Notice] = []
    with pytest.raises(DataError):
        keep_listings("binance", [*told, odd], ASSETS, asked=asking(NOW), tell=notices.append)
    assert row("binance", "USDT", "TRX").state == "BLOCKED"
    assert [one.is_critical for one in notices] == [True]
    assert registry.objection("binance", "USDT")


def test_a_block_stays_when_the_venue_comes_back_to_what_it_said(running: RunningSimulator) -> None:
    keep("binance", listed("binance"))
    relist(running, **USDT_AT_BINANCE, contract="TMigratedContract")
    keep("binance", listed("binance"))
    relist(running, **USDT_AT_BINANCE, contract="TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t")
    assert keep("binance", listed("binance")) == []
    assert row("binance", "USDT", "TRX").state == "BLOCKED"


@pytest.mark.parametrize("told", [{"title": "Ripple Classic"}, {"network_title": "BEP20"}])
@pytest.mark.parametrize("venue", registry.VENUES)
def test_another_name_withdraws_the_proof_and_what_is_there_may_be_sold(
    running: RunningSimulator, venue: str, told: dict[str, str]
) -> None:
    keep(venue, listed(venue))
    relist(running, venue=venue, asset="XRP", network="XRP", **told)
    (notice,) = keep(venue, listed(venue))
    assert row(venue, "XRP", "XRP").state == "UNPROVEN"
    assert not notice.is_critical
    assert "Ripple Classic" in notice.title or "BEP20" in notice.title
    assert registry.objection(venue, "XRP")
    assert registry.objection(venue, "XRP", may_end=True) == ""


def test_what_is_listed_no_more_is_unproven(running: RunningSimulator) -> None:
    keep("upbit", listed("upbit"))
    relist(running, venue="upbit", asset="XRP", network="XRP", listed=False)
    (notice,) = keep("upbit", listed("upbit"))
    assert "lists it no more" in notice.title
    assert row("upbit", "XRP", "XRP").state == "UNPROVEN"


def test_an_empty_list_is_no_answer() -> None:
    keep("upbit", listed("upbit"))
    assert keep("upbit", []) == []
    assert row("upbit", "XRP", "XRP").state == "PROVEN"


def test_a_new_network_of_a_known_ticker_waits_for_a_person() -> None:
    told = listed("binance")
    usdt = next(one for one in told if one.symbol == "USDT")
    pegged = replace(
        usdt, network="BSC", network_title="BNB Smart Chain (BEP20)", contract="0x55d3"
    )
    assert keep("binance", [*told, pegged]) == []
    new = row("binance", "USDT", "BSC")
    assert (new.state, new.asset, new.decided_by) == ("UNPROVEN", "", "")
    assert "nothing is known" in new.because
    assert registry.objection("binance", "USDT") == ""
    assert registry.objection("binance", "USDT", "BSC")


def test_one_ticker_with_two_contracts_at_two_venues_is_proven_at_one_only() -> None:
    keep("binance", listed("binance"))
    told = [
        replace(one, contract="TAnotherCoin") if one.symbol == "USDT" else one
        for one in listed("upbit")
    ]
    keep("upbit", told)
    assert row("binance", "USDT", "TRX").state == "PROVEN"
    trap = row("upbit", "USDT", "TRX")
    assert (trap.state, trap.asset) == ("UNPROVEN", "")
    assert naming.names("upbit").asset("USDT") == "USDT?"


def test_a_known_contract_under_a_new_ticker_is_told_once() -> None:
    told = listed("binance")
    usdt = next(one for one in told if one.symbol == "USDT")
    renamed = replace(usdt, symbol="USDT0", title="Tether 0")
    (notice,) = keep("binance", [*told, renamed])
    assert "USDT0" in notice.title
    assert row("binance", "USDT0", "TRX").state == "UNPROVEN"
    assert keep("binance", [*told, renamed]) == []


def test_a_ticker_that_was_renamed_stops_until_a_person_proves_its_new_name() -> None:
    told = listed("binance")
    keep("binance", told)
    renamed = [replace(one, symbol="USDT0") if one.symbol == "USDT" else one for one in told]
    keep("binance", renamed)
    assert row("binance", "USDT", "TRX").state == "UNPROVEN"
    assert registry.objection("binance", "USDT")
    assert naming.names("binance").symbol("USDT") == "USDT"


def test_what_people_proved_otherwise_is_not_overruled_by_shipped_facts() -> None:
    builders.proven("upbit", "TETHER", "TRX", asset="USDT", contract="TOther", network="TRX")
    keep("binance", listed("binance"))
    found = row("binance", "USDT", "TRX")
    assert found.state == "UNPROVEN"
    assert "already" in found.because


def test_names_are_read_once_for_many_calls(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    keep("upbit", listed("upbit"))
    keep("binance", listed("binance"))
    naming.forget()
    with django_assert_num_queries(1):
        for _ in range(20):
            assert registry.objection("upbit", "XRP") == ""
            assert registry.objection("binance", "XRP", "XRP") == ""
            assert naming.names("upbit").symbol("XRP") == "XRP"


def refreshed_in_vain(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], object]) -> None:
    """Let a refresh be under way, with what the database said before, while something else is done."""
    asked, may_answer = threading.Event(), threading.Event()
    said = naming.read()

    def read() -> dict[str, Names]:
        asked.set()
        assert may_answer.wait(10)
        return said

    with monkeypatch.context() as patch:
        patch.setattr(naming, "read", read)
        refreshing = threading.Thread(target=naming.refresh, daemon=True)
        refreshing.start()
        assert asked.wait(10)
        patch.undo()
        other = threading.Thread(target=meanwhile, daemon=True)
        other.start()
        other.join(3)
        has_waited = other.is_alive()
        may_answer.set()
        refreshing.join(10)
        other.join(10)
    assert not has_waited


def test_names_that_are_at_hand_wait_for_no_refresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that hangs would keep every thread of a worker, whose names are a second old."""
    keep("upbit", listed("upbit"))
    naming.names("upbit")
    refreshed_in_vain(monkeypatch, lambda: naming.names("upbit"))


def test_a_refresh_that_began_before_a_change_does_not_bring_back_what_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keep("upbit", listed("upbit"))
    assert registry.objection("upbit", "XRP") == ""
    refreshed_in_vain(monkeypatch, naming.forget)
    AssetIdentity.objects.filter(venue="upbit", venue_symbol="XRP").update(
        state="BLOCKED", version=F("version") + 1
    )
    assert registry.objection("upbit", "XRP") != ""
