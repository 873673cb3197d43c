"""Valuations: by the newest rate that any asset was sampled with."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db.models import F

from cycles.errors import PolicyDeniedError
from cycles.models import Cycle, PremiumSample
from cycles.services import desk as desk_services, opening, valuing
from tests import builders
from tests.desk import TestDesk, operator


def dropped() -> None:
    """Leave the last sample of an asset that is not sampled any more, and comes first in the alphabet."""
    then = desk_services.database_now() - timedelta(days=20)
    builders.sample("ADA", at=then, krw_per_usdt_bid=Decimal(1300))


def going_home() -> Cycle:
    """Send KRW of the desk home."""
    return opening.open_return_only(
        notional_krw=Decimal(5_000_000), actor=operator(), reason="the week is over"
    )


def test_an_asset_that_is_sampled_no_more_lends_its_rate_to_nothing(desk: TestDesk) -> None:
    desk.sample()
    rate = valuing.newest_prices("binance", "upbit").krw_per_usdt
    dropped()
    assert rate != Decimal(1300)
    assert valuing.newest_prices("binance", "upbit").krw_per_usdt == rate
    assert going_home().krw_per_usdt_at_open == rate


def test_the_newest_rate_known_stands_in_where_the_newest_samples_have_none(
    desk: TestDesk,
) -> None:
    dropped()
    builders.sample("BTC", at=desk_services.database_now(), krw_per_usdt_bid=None)
    assert valuing.newest_prices("binance", "upbit").krw_per_usdt == Decimal(1300)


def test_krw_of_the_desk_goes_home_at_no_rate_that_is_old(desk: TestDesk) -> None:
    desk.sample()
    PremiumSample.objects.update(at=F("at") - timedelta(minutes=5))
    with pytest.raises(PolicyDeniedError, match="no fresh rate"):
        going_home()
    assert not Cycle.objects.exists()
