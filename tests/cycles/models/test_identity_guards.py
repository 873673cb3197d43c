"""The database's word on what a ticker is: one coin behind one asset, over all venues."""

from __future__ import annotations

from typing import Any

import pytest
from django.db.models.functions import Now

from exchanges.models import AssetIdentity, RuleChange
from tests import builders
from tests.cycles.models.refusing import refused

pytestmark = pytest.mark.django_db

ABC = {"asset": "ABC", "network": "ETH", "contract": "0xa", "decimals": 18}


@pytest.mark.parametrize("change", [{"contract": "0xb"}, {"decimals": 6}])
def test_one_ticker_is_not_two_coins(change: dict[str, Any]) -> None:
    builders.proven("binance", "ABC", "ETH", **ABC)
    with refused("asset_identity_one_coin"):
        builders.proven("upbit", "ABC", "ETH", **(ABC | change))


def test_one_coin_is_not_two_assets() -> None:
    builders.proven("binance", "ABC", "ETH", **ABC)
    with refused("asset_identity_one_asset"):
        builders.proven("upbit", "XYZ", "ETH", **(ABC | {"asset": "XYZ"}))


def test_a_symbol_has_one_meaning_at_a_venue_and_an_asset_one_symbol() -> None:
    builders.proven("binance", "ABC", "ETH", **ABC)
    with refused("asset_identity_one_meaning"):
        builders.proven("binance", "ABC", "SOL", **(ABC | {"asset": "XYZ", "network": "SOL"}))
    with refused("asset_identity_one_symbol"):
        builders.proven("binance", "ABC2", "SOL", **(ABC | {"network": "SOL"}))


def test_a_proof_by_update_is_judged_as_well() -> None:
    builders.proven("binance", "ABC", "ETH", **ABC)
    unproven = builders.proven(
        "upbit", "ABC", "ETH", **(ABC | {"contract": "0xb", "state": "UNPROVEN"})
    )
    with refused("asset_identity_one_coin"):
        AssetIdentity.objects.filter(pk=unproven.pk).update(state="PROVEN", version=2)


def test_a_contract_that_changes_cannot_leave_its_row_proven() -> None:
    row = builders.proven("binance", "ABC", "ETH", **ABC, told_contract="0xa")
    with refused("asset_identity_contract_as_told"):
        AssetIdentity.objects.filter(pk=row.pk).update(told_contract="0xb")


def test_a_name_of_the_registry_stays_what_it_is() -> None:
    mine = AssetIdentity.objects.filter(pk=builders.proven("binance", "ABC", "ETH", **ABC).pk)
    with refused("asset_identity_written_once"):
        mine.update(venue_symbol="XYZ")
    with refused("asset_identity_version_grows"):
        mine.update(state="BLOCKED")


def test_what_changed_of_the_rules_stays_written() -> None:
    RuleChange.objects.create(
        venue="upbit", subject="XRP on XRP", rule="withdraw_fee", before="0.4", after="1", noticed_at=Now()
    )  # fmt: skip
    with refused("exchanges_rulechange_append_only"):
        RuleChange.objects.update(after="2")
