"""What keeps an asset from travelling: rules that are old, wallets that are closed, addresses not vouched for."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import F

from cycles.diagnosis import ways
from cycles.diagnosis.findings import Finding, Level
from cycles.services import refreshing
from exchanges import registry
from exchanges.market_sync import ASSETS
from exchanges.models import (
    AllowedDestination,
    AssetIdentity,
    IdentityState,
    MarketRule,
    NetworkRule,
    RegisteredAddress,
    TransferRoute,
)
from tests.cycles.diagnosis.conftest import line
from tests.desk import TestDesk

DAY = timedelta(hours=24, seconds=60)


def between() -> list[Finding]:
    return list(ways.of_ways("upbit"))


def rules() -> list[Finding]:
    return list(ways.of_rules(registry.utc_now()))


def levels(found: list[Finding], subject: str) -> set[Level]:
    return {one.level for one in found if one.subject == subject}


def test_every_asset_of_a_good_desk_travels_both_ways(desk: TestDesk) -> None:
    found = between()
    assert [(one.subject, one.level) for one in found] == [(asset, Level.OK) for asset in ASSETS]
    assert {one.level for one in rules()} == {Level.OK}


def test_rules_that_are_a_day_old_fail_with_what_to_run(desk: TestDesk) -> None:
    NetworkRule.objects.filter(venue="upbit", asset="XRP").update(fetched_at=F("fetched_at") - DAY)
    stale = line(rules(), "rules upbit")
    assert stale.level is Level.FAIL
    assert "XRP on XRP" in stale.detail
    assert "sync_markets" in stale.remedy
    assert line(rules(), "rules binance").level is Level.OK


def test_a_market_that_was_never_fetched_fails(desk: TestDesk) -> None:
    MarketRule.objects.filter(venue="upbit", market="SOL/KRW").delete()
    assert "never fetched: SOL/KRW" in line(rules(), "rules upbit").detail


def test_a_closed_wallet_is_a_warning_for_its_way(desk: TestDesk) -> None:
    NetworkRule.objects.filter(venue="upbit", asset="XRP").update(deposit_is_open=False)
    found = between()
    assert levels(found, "XRP") == {Level.WARN}
    assert levels(found, "SOL") == {Level.OK}
    assert "deposits by XRP are closed at upbit" in line(found, "XRP").detail


def test_a_way_that_no_asset_can_take_fails(desk: TestDesk) -> None:
    NetworkRule.objects.filter(venue="binance").update(withdraw_is_open=False)
    failed = line(between(), "ways")
    assert failed.level is Level.FAIL
    assert failed.detail == "no asset can travel from binance to upbit now"


def test_an_address_that_a_senders_list_lacks_fails_with_its_code(desk: TestDesk) -> None:
    row = AllowedDestination.objects.select_related("address").get(
        sender="binance", address__venue="upbit", address__asset="XRP"
    )
    row.delete()
    failed = line(between(), "XRP")
    assert failed.level is Level.FAIL
    assert f"binance does not list {row.address.code}" in failed.detail


def test_an_address_that_nobody_confirmed_fails(desk: TestDesk) -> None:
    rotated = {"venue": "binance", "asset": "XRP", "network": "XRP", "tag": "777"}
    desk.control("/control/rotate", rotated)
    refreshing.refresh_markets(registry.utc_now())
    failed = line(between(), "XRP")
    assert failed.level is Level.FAIL
    assert "waits for two people" in failed.detail
    assert "manage.py addresses" in failed.remedy


def test_an_asset_without_a_network_in_common_fails(desk: TestDesk) -> None:
    NetworkRule.objects.filter(venue="upbit", asset="XRP").update(network="OTHER")
    assert levels(between(), "XRP") == {Level.FAIL}
    assert "no network of it in common" in line(between(), "XRP").detail


def test_an_asset_without_an_allowed_route_fails(desk: TestDesk) -> None:
    TransferRoute.objects.filter(asset="XRP", to_venue="upbit").update(is_allowed=False)
    assert line(between(), "XRP").detail == "no allowed route from binance to upbit"


def test_an_address_that_was_last_fetched_a_day_ago_fails(desk: TestDesk) -> None:
    row = AllowedDestination.objects.filter(sender="upbit").select_related("address")[0]
    RegisteredAddress.objects.filter(pk=row.address_id).update(fetched_at=F("fetched_at") - DAY)
    stale = line(rules(), "rules upbit")
    assert (stale.level, row.address.code in stale.detail) == (Level.FAIL, True)


def test_an_asset_whose_proof_was_withdrawn_leads_to_the_registry(desk: TestDesk) -> None:
    AssetIdentity.objects.filter(venue="upbit", asset="XRP").update(
        state=IdentityState.UNPROVEN, version=F("version") + 1
    )
    failed = {one.remedy for one in between() if one.subject == "XRP"}
    assert failed == {ways.IDENTITIES}
