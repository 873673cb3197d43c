"""The feeder: both premia on both bases, null where nothing was measured, never a constant."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from msgspec import structs

from cycles.domain.money import ratio_bps
from cycles.models import Alert, PremiumSample
from cycles.services import desk as desk_services, opening, quoting, rating, watching
from cycles.services.rating import Rates, refresh_rates
from exchanges import registry
from exchanges.models import NetworkRule
from exchanges.values import Book, Market, RateQuote
from tests import builders
from tests.cycles.services.acts import set_policy
from tests.desk import TestDesk


@pytest.fixture
def rates() -> Rates:
    """Give the feeder's memory at its start."""
    return Rates()


def sample(asset: str = "XRP") -> PremiumSample:
    """Give the newest sample of an asset."""
    return PremiumSample.objects.filter(asset=asset).latest("at")


def test_every_allowed_asset_is_sampled_at_the_size_of_the_policy(
    desk: TestDesk, rates: Rates
) -> None:
    assert watching.tick(rates) == 5
    rows = PremiumSample.objects.all()
    assert {row.asset for row in rows} == {"BTC", "ETH", "SOL", "USDT", "XRP"}
    assert {row.size_usdt for row in rows} == {Decimal(5000)}
    assert len({row.at for row in rows}) == 1
    assert all(row.is_generated for row in rows)


def test_a_tick_over_five_assets_takes_no_more_queries_than_over_one(
    desk: TestDesk, rates: Rates
) -> None:
    counts: list[int] = []
    for assets in (["XRP"], ["XRP"], ["BTC", "ETH", "SOL", "USDT", "XRP"]):
        set_policy(allowed_assets=assets, min_open_edge_bps=Decimal(len(counts) + 1))
        with CaptureQueriesContext(connection) as made:
            watching.tick(rates)
        counts.append(len(made))
    assert counts[1] == counts[2]  # the first also reads what is remembered


def test_both_premia_stand_on_both_bases_with_source_and_age(desk: TestDesk, rates: Rates) -> None:
    watching.tick(rates)
    row = sample()
    for name in ("outbound", "return"):
        for basis in ("traded", "official"):
            assert getattr(row, f"{name}_{basis}_bps") is not None
    assert row.krw_per_usd is not None
    assert row.rate_source
    assert row.rate_quoted_at is not None
    assert row.rate_fetched_at is not None
    assert row.book_age_ms is not None


def test_the_premia_are_those_of_the_books_that_were_seen(desk: TestDesk, rates: Rates) -> None:
    set_policy(allowed_assets=["XRP", "USDT"])
    watching.tick(rates)
    row = sample()
    assert row.global_ask is not None
    assert row.krw_per_usd is not None
    assert row.krw_per_usdt_ask is not None
    gross = row.korea_bid / row.global_ask  # the books are deep: no slippage
    assert row.outbound_official_bps == pytest.approx(ratio_bps(gross, row.krw_per_usd), abs=30)
    assert row.outbound_traded_bps == pytest.approx(ratio_bps(gross, row.krw_per_usdt_ask), abs=30)
    assert row.outbound_krw_per_usdt is not None
    assert row.outbound_krw_per_usdt < gross


def test_a_thin_book_leaves_the_way_null(desk: TestDesk, rates: Rates) -> None:
    thin = {"venue": "upbit", "symbol": "KRW-XRP"}
    desk.control("/control/book", thin | {"bids": [["3000", "1"]], "asks": [["3001", "1"]]})
    watching.tick(rates)
    row = sample()
    assert (row.outbound_krw_per_usdt, row.return_krw_per_usdt) == (None, None)
    assert (row.outbound_official_bps, row.return_traded_bps) == (None, None)
    assert row.korea_bid == 3000


def test_a_book_that_cannot_be_read_leaves_its_asset_out(desk: TestDesk, rates: Rates) -> None:
    desk.fault(fault="F3", venue="binance", method="GET", path_regex="/depth")
    watching.tick(rates)
    assert {row.asset for row in PremiumSample.objects.all()} == {"USDT"}


def test_without_a_traded_rate_its_premia_are_null(desk: TestDesk, rates: Rates) -> None:
    empty: dict[str, Any] = {"venue": "upbit", "symbol": "KRW-USDT"}
    desk.control("/control/book", empty | {"bids": [["1", "0"]], "asks": [["2000", "0"]]})
    watching.tick(rates)
    row = sample()
    assert (row.krw_per_usdt_bid, row.outbound_traded_bps, row.return_traded_bps) == (None,) * 3
    assert row.return_krw_per_usdt is None  # its size in KRW is not known either
    assert row.outbound_official_bps is not None


@pytest.fixture
def no_official_rate(venues: object, settings: Any) -> None:
    """Let both official sources be away."""
    settings.KIMP_FX_FRANKFURTER_URL = "http://127.0.0.1:9/a"
    settings.KIMP_FX_ERAPI_URL = "http://127.0.0.1:9/b"


@pytest.mark.usefixtures("no_official_rate")
def test_without_an_official_rate_nothing_stands_in_for_it_and_nothing_opens(
    desk: TestDesk, rates: Rates
) -> None:
    watching.tick(rates)
    row = sample()
    assert (row.krw_per_usd, row.outbound_official_bps, row.rate_source) == (None, None, "")
    assert row.outbound_traded_bps is not None
    assert quoting.staleness(row, desk_services.current_policy()) == "no official rate"
    assert opening.open_if_decided(actor="tester") is None
    assert Alert.objects.filter(key__startswith="rate:").count() == 2


def test_a_source_that_fails_loses_its_place(desk: TestDesk, rates: Rates, settings: Any) -> None:
    refresh_rates(rates, registry.utc_now())
    assert len(rates.quotes) == 2
    settings.KIMP_FX_FRANKFURTER_URL = "http://127.0.0.1:9/a"
    rates.read_at = None
    refresh_rates(rates, registry.utc_now())
    assert len(rates.quotes) == 1
    assert rates.disagreement_bps is None


def test_the_first_source_is_the_rate_of_choice_again_once_it_answers(
    desk: TestDesk, rates: Rates, settings: Any
) -> None:
    away = "http://127.0.0.1:9/a"
    settings.KIMP_FX_FRANKFURTER_URL = away
    refresh_rates(rates, registry.utc_now())
    second = rates.first
    settings.KIMP_FX_FRANKFURTER_URL = ""
    rates.read_at = None
    refresh_rates(rates, registry.utc_now())
    assert second is not None
    assert rates.first is not None
    assert rates.first.source != second.source


def test_rates_are_read_no_more_often_than_due(desk: TestDesk, rates: Rates) -> None:
    now = registry.utc_now()
    refresh_rates(rates, now)
    first = rates.read_at
    refresh_rates(rates, now)
    assert rates.read_at == first is not None


def test_rates_are_read_when_due_although_the_clock_was_set_back(
    desk: TestDesk, rates: Rates, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = registry.utc_now()
    refresh_rates(rates, now)
    first = rates.read_at
    monkeypatch.setattr(quoting, "fx_poll_delay", timedelta)
    refresh_rates(rates, now - timedelta(hours=6))
    assert rates.read_at != first


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"max_fx_disagreement_bps": Decimal(0)}, "disagree"),
        ({"max_fx_age_seconds": 0}, "too old"),
        ({"max_book_age_seconds": 0}, "old"),
    ],
)
def test_what_is_too_old_or_disagrees_stops_opening(
    desk: TestDesk, rates: Rates, change: dict[str, object], word: str
) -> None:
    watching.tick(rates)
    PremiumSample.objects.update(rate_disagreement_bps=Decimal(7))
    assert opening.decide().opens
    builders.policy(**change)
    assert word in quoting.staleness(sample(), desk_services.current_policy())
    assert opening.open_if_decided(actor="tester") is None


def test_a_sample_counts_as_old_as_the_oldest_book_it_stands_on(
    desk: TestDesk, rates: Rates
) -> None:
    watching.tick(rates)
    policy, soon = desk_services.current_policy(), timedelta(seconds=10)
    PremiumSample.objects.update(at=F("at") - soon, book_age_ms=0)
    assert not quoting.staleness(sample(), policy)
    assert opening.decide().opens
    PremiumSample.objects.update(book_age_ms=10_000)
    assert "old" in quoting.staleness(sample(), policy)
    assert not opening.decide().opens


def test_books_that_grew_old_while_the_others_were_read_are_not_sampled(
    desk: TestDesk, rates: Rates
) -> None:
    def slowly(venue: str, market: Market, oldest: timedelta) -> Book:
        """Give Korean books of before a global venue took forty seconds."""
        found = watching.requested(venue, market, oldest)
        before = found.received_at - timedelta(seconds=40)
        is_early = venue != registry.GLOBAL_VENUE
        return structs.replace(found, received_at=before, venue_at=before) if is_early else found

    refresh_rates(rates, registry.utc_now())
    assert watching.look(rates, slowly) == []
    assert not opening.decide().opens


def test_the_age_of_a_sample_is_that_of_the_rates_book_too(desk: TestDesk, rates: Rates) -> None:
    def a_quiet_rate(venue: str, market: Market, oldest: timedelta) -> Book:
        found = watching.requested(venue, market, oldest)
        before = found.received_at - timedelta(seconds=9)
        is_rate = market == Market("USDT", "KRW")
        return structs.replace(found, received_at=before, venue_at=before) if is_rate else found

    refresh_rates(rates, registry.utc_now())
    assert {row.book_age_ms >= 9000 for row in watching.look(rates, a_quiet_rate)} == {True}  # type: ignore[operator]


def test_one_asset_too_old_does_not_stop_the_others(desk: TestDesk, rates: Rates) -> None:
    watching.tick(rates)
    PremiumSample.objects.filter(asset="XRP").update(rate_disagreement_bps=Decimal(9000))
    decided = opening.decide()
    assert decided.asset != "XRP"


def test_stale_rules_leave_an_asset_out(desk: TestDesk, rates: Rates) -> None:
    NetworkRule.objects.filter(asset="XRP").delete()
    watching.tick(rates)
    assert "XRP" not in {row.asset for row in PremiumSample.objects.all()}


class Overdue:
    """A source whose newest quote is older than its own cadence allows."""

    code = "frankfurter"

    def __init__(self, good_until: datetime) -> None:
        self.good_until = good_until

    def usd_krw(self) -> RateQuote:
        at = self.good_until - timedelta(days=1)
        return RateQuote(
            source=self.code, krw_per_usd=Decimal(1400), quoted_at=at, fetched_at=at,
            good_until=self.good_until,
        )  # fmt: skip


@pytest.mark.parametrize(("seconds", "is_kept"), [(1, True), (-1, False)])
def test_a_rate_that_its_source_should_have_renewed_is_refused_loudly(
    desk: TestDesk, rates: Rates, monkeypatch: pytest.MonkeyPatch, seconds: int, is_kept: bool
) -> None:
    now = registry.utc_now()
    overdue = Overdue(now + timedelta(seconds=seconds))
    monkeypatch.setattr(registry, "rate_sources", lambda: (overdue,))
    refresh_rates(rates, now)
    assert (rates.first is not None) is is_kept
    assert Alert.objects.filter(key__startswith="rate:frankfurter").exists() is not is_kept


def test_readers_never_see_half_of_a_refresh(
    desk: TestDesk, rates: Rates, monkeypatch: pytest.MonkeyPatch
) -> None:
    refresh_rates(rates, registry.utc_now())
    before, seen = dict(rates.quotes), []

    class Slow(Overdue):
        def usd_krw(self) -> RateQuote:
            seen.append(dict(rates.quotes))
            return super().usd_krw()

    sources = [Slow(registry.utc_now() + timedelta(days=1)) for _ in range(2)]
    monkeypatch.setattr(registry, "rate_sources", lambda: sources)
    rates.read_at = None
    refresh_rates(rates, registry.utc_now())
    assert seen == [before, before]


def test_a_source_whose_reading_meets_a_bug_loses_its_place_and_costs_no_other(
    desk: TestDesk, rates: Rates, monkeypatch: pytest.MonkeyPatch
) -> None:
    refresh_rates(rates, registry.utc_now())
    first, second = rates.quotes
    (source,) = [one for one in registry.rate_sources() if one.code == first]

    def bug() -> RateQuote:
        raise KeyError("nobody foresaw this")

    monkeypatch.setattr(source, "usd_krw", bug)
    rates.read_at = None
    refresh_rates(rates, registry.utc_now())
    assert list(rates.quotes) == [second]
    assert Alert.objects.filter(key__startswith=f"rate:{first}:").exists()


def test_a_source_that_failed_loses_its_place_although_nobody_could_be_told(
    desk: TestDesk, rates: Rates, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    refresh_rates(rates, registry.utc_now())
    _, second = rates.quotes
    settings.KIMP_FX_FRANKFURTER_URL = "http://127.0.0.1:9/a"

    def away(**_: object) -> bool:
        raise OperationalError("the server is gone")

    monkeypatch.setattr(rating, "raise_alert", away)
    rates.read_at = None
    with pytest.raises(OperationalError):
        refresh_rates(rates, registry.utc_now())
    assert list(rates.quotes) == [second]
