"""Samples become minutes and hours: once, whatever order they come in, and whatever dies meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from cycles import selectors
from cycles.models import PremiumHour, PremiumMinute, PremiumSample, RollUpMark
from cycles.services import desk, retention, rolling_up
from tests.builders import sample

pytestmark = pytest.mark.django_db

NOON = datetime(2024, 12, 3, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
BUCKET = ("count", "first", "last", "low", "high", "total")


def premium(at: datetime, bps: int | None, **facts: Any) -> PremiumSample:
    """Write a sample whose way out is so many basis points."""
    return sample(at=at, outbound_traded_bps=None if bps is None else Decimal(bps), **facts)


def buckets(rows: Any, measure: str = "outbound_traded_bps") -> dict[datetime, tuple[Any, ...]]:
    """Give what was rolled up, by the beginning of its bucket."""
    return {row[0]: row[1:] for row in rows.filter(measure=measure).values_list("at", *BUCKET)}


def settle() -> None:
    """Let a run find that what it saw before can have no company any more."""
    RollUpMark.objects.update(seen_at=F("seen_at") - 2 * rolling_up.SETTLES)
    rolling_up.roll_up()


def test_a_minute_has_first_last_lowest_highest_and_sum_of_its_samples() -> None:
    for second, bps in ((0, 20), (10, 50), (20, 10), (59, 30), (60, 7)):
        premium(NOON + second * SECOND, bps)
    assert rolling_up.roll_up() == rolling_up.RolledUp(samples=5, is_behind=False)
    assert buckets(PremiumMinute.objects) == {
        NOON: (4, 20, 30, 10, 50, 110),
        NOON + MINUTE: (1, 7, 7, 7, 7, 7),
    }
    assert buckets(PremiumHour.objects) == {NOON: (5, 20, 7, 7, 50, 117)}
    assert PremiumHour.objects.get(measure="outbound_traded_bps").mean == Decimal("23.4")


def test_the_rates_are_rolled_up_too_and_each_series_for_itself() -> None:
    premium(NOON, 20)
    premium(NOON, 30, korea_venue="bithumb", krw_per_usdt_bid=Decimal(1500))
    rolling_up.roll_up()
    rates = PremiumHour.objects.filter(measure="krw_per_usdt_bid")
    assert {row.korea_venue: row.mean for row in rates} == {"upbit": 1409, "bithumb": 1500}


def test_where_nothing_was_measurable_there_is_no_bucket() -> None:
    premium(NOON, None)
    rolling_up.roll_up()
    assert buckets(PremiumMinute.objects) == {}
    assert set(buckets(PremiumMinute.objects, "krw_per_usd")) == {NOON}


def test_running_again_changes_nothing() -> None:
    for second in range(3):
        premium(NOON + second * SECOND, second)
    rolling_up.roll_up()
    before = list(PremiumMinute.objects.order_by("id").values())
    settle()
    rolling_up.roll_up()
    assert list(PremiumMinute.objects.order_by("id").values()) == before


def test_a_sample_that_comes_late_is_put_where_it_belongs() -> None:
    premium(NOON, 20)
    premium(NOON + HOUR, 30)
    rolling_up.roll_up()
    settle()
    settle()
    premium(NOON - SECOND, 5)
    premium(NOON + 30 * SECOND, 80)
    rolling_up.roll_up()
    assert buckets(PremiumMinute.objects)[NOON] == (2, 20, 80, 20, 80, 100)
    assert buckets(PremiumMinute.objects)[NOON - MINUTE] == (1, 5, 5, 5, 5, 5)
    assert buckets(PremiumHour.objects)[NOON] == (2, 20, 80, 20, 80, 100)


def test_a_sample_committed_after_a_younger_one_was_rolled_up_is_not_lost() -> None:
    """Ids are given before commits: the mark must not pass what may still come."""
    slow, quick = premium(NOON, 20), premium(NOON + SECOND, 30)
    facts = {field.attname: getattr(slow, field.attname) for field in slow._meta.concrete_fields}
    slow.delete()  # not committed yet
    rolling_up.roll_up()
    assert buckets(PremiumMinute.objects)[NOON][0] == 1
    PremiumSample.objects.create(**facts)
    assert PremiumSample.objects.latest("id").pk == quick.pk
    rolling_up.roll_up()
    assert buckets(PremiumMinute.objects)[NOON] == (2, 20, 30, 20, 30, 50)


def test_what_settled_is_not_read_again() -> None:
    premium(NOON, 20)
    rolling_up.roll_up()
    settle()
    assert RollUpMark.objects.get().done_to == PremiumSample.objects.get().pk
    assert rolling_up.roll_up().samples == 0


def dying(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    """Let the second batch of a run die between its minutes and its hours."""
    ids = PremiumSample.objects.order_by("id").values_list("id", flat=True)
    if "INSERT INTO cycles_premiumhour" in sql and params["up_to"] == ids[3]:
        raise KeyboardInterrupt
    return execute(sql, params, many, context)


def test_a_run_that_dies_in_a_batch_is_taken_up_where_it_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for minute in range(6):
        premium(NOON + minute * MINUTE, minute)
    rolling_up._look()
    RollUpMark.objects.update(settled_to=F("seen_to"))
    monkeypatch.setattr(rolling_up, "BATCH", 2)
    with pytest.raises(KeyboardInterrupt), connection.execute_wrapper(dying):
        rolling_up.roll_up()
    assert set(buckets(PremiumMinute.objects)) == {NOON, NOON + MINUTE}
    assert rolling_up.roll_up().samples == 4
    assert buckets(PremiumHour.objects) == {NOON: (6, 0, 5, 0, 5, 15)}


def test_a_long_backlog_is_worked_off_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    for second in range(7):
        premium(NOON + 20 * second * SECOND, second)
    monkeypatch.setattr(rolling_up, "BATCH", 2)
    rolling_up.roll_up()
    assert [row[0] for row in sorted(buckets(PremiumMinute.objects).values())] == [1, 3, 3]
    monkeypatch.setattr(rolling_up, "LONGEST_SECONDS", -1)
    premium(NOON, 9)
    assert rolling_up.roll_up() == rolling_up.RolledUp(samples=0, is_behind=True)


def days_ago(days: int) -> datetime:
    """Give noon of a day that is gone."""
    return (
        desk.database_now().replace(hour=12, minute=0, second=0, microsecond=0) - days * 24 * HOUR
    )


def test_each_grain_goes_when_its_setting_says() -> None:
    for days in (1, 31, 401, 3651):
        premium(days_ago(days), days)
    rolling_up.roll_up()
    settle()
    assert retention.prune_premia() == retention.PremiaPruned(samples=3, minutes=12, hours=6)
    with override_settings(KIMP_MINUTES_KEPT_DAYS=10, KIMP_SAMPLES_KEPT_DAYS=1):
        again = retention.prune_premia()
    assert (again.minutes, again.hours) == (6, 0)
    assert set(buckets(PremiumHour.objects)) == {days_ago(days) for days in (1, 31, 401)}


def test_nothing_goes_that_was_not_rolled_up() -> None:
    premium(days_ago(40), 20)
    assert retention.prune_premia().samples == 0
    rolling_up.roll_up()
    assert retention.prune_premia().samples == 0  # others may come beside it yet
    settle()
    assert retention.prune_premia().samples == 1


def test_a_bucket_that_lost_its_samples_stays_as_it_was_when_another_comes_late() -> None:
    then = days_ago(40)
    for second in range(3):
        premium(then + second * SECOND, 20)
    rolling_up.roll_up()
    settle()
    retention.prune_premia()
    premium(then + 3 * SECOND, 90)
    rolling_up.roll_up()
    assert buckets(PremiumMinute.objects)[then] == (3, 20, 20, 20, 20, 60)
    settle()
    settle()
    assert retention.prune_premia().samples == 1


def test_a_slice_of_many_rows_goes_by_as_many_statements_as_one_of_few() -> None:
    counts = []
    for count in (1, 2, 40):
        for second in range(count):
            premium(days_ago(40) + second * SECOND, 20)
        rolling_up.roll_up()
        settle()
        settle()
        with CaptureQueriesContext(connection) as made:
            assert retention.prune_premia().samples == count
        counts.append(len(made))
    assert counts[1] == counts[2], "the first knows no mark yet"


def test_slices_of_time_reach_over_gaps_and_all_series(monkeypatch: pytest.MonkeyPatch) -> None:
    for asset in ("SOL", "XRP"):
        for days in (40, 40, 35, 32):
            sample(asset, at=days_ago(days))
    rolling_up.roll_up()
    settle()
    monkeypatch.setattr(retention, "SLICE_ROWS", 2)
    assert retention.prune_premia().samples == 8


def test_a_run_of_pruning_ends_in_time_and_the_next_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    premium(days_ago(40), 20)
    rolling_up.roll_up()
    settle()
    monkeypatch.setattr(retention, "LONGEST_SECONDS", -1)
    assert retention.prune_premia().samples == 0
    monkeypatch.undo()
    assert retention.prune_premia().samples == 1


@pytest.mark.parametrize(
    ("bucket", "rows"), [(MINUTE, PremiumMinute), (HOUR, PremiumHour), (24 * HOUR, PremiumHour)]
)
def test_a_series_is_the_same_from_its_roll_up_as_from_samples(
    bucket: timedelta, rows: Any
) -> None:
    for second in range(0, 9000, 50):
        premium(NOON + second * SECOND, second % 7 * 11)
    plain = selectors.premium_series("XRP", NOON, korea_venue="upbit", bucket=bucket)
    rolling_up.roll_up()
    assert selectors.premium_series("XRP", NOON, korea_venue="upbit", bucket=bucket) == plain
    # It was read there: what the samples say now shows in the newest bucket only.
    PremiumSample.objects.update(outbound_traded_bps=Decimal(-1))
    told = selectors.premium_series("XRP", NOON, korea_venue="upbit", bucket=bucket)
    assert [point.outbound_traded_bps for point in told[:-1]] == [
        point.outbound_traded_bps for point in plain[:-1]
    ]
    assert told != plain
    assert rows.objects.exists()


def test_a_series_outlives_its_samples_but_not_below_the_minute() -> None:
    premium(NOON, 20)
    premium(NOON + 30 * SECOND, 40)
    premium(NOON + HOUR, 60)
    rolling_up.roll_up()
    PremiumSample.objects.filter(at__lt=NOON + MINUTE).delete()
    since = NOON - HOUR
    told = selectors.premium_series("XRP", since, korea_venue="upbit", bucket=MINUTE)
    assert [point.outbound_traded_bps for point in told] == [30, 60]
    assert selectors.first_sample_at("XRP", since, korea_venue="upbit") == NOON
    fine = selectors.premium_series("XRP", since, korea_venue="upbit", bucket=30 * SECOND)
    assert [point.outbound_traded_bps for point in fine] == [60]


def test_what_is_newer_than_the_roll_up_is_read_from_samples() -> None:
    premium(NOON, 20)
    rolling_up.roll_up()
    premium(NOON + SECOND, 40)
    premium(NOON + MINUTE, 60)
    told = selectors.premium_series("XRP", NOON, korea_venue="upbit", bucket=MINUTE)
    assert [point.outbound_traded_bps for point in told] == [30, 60]
