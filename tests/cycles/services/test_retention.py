"""What was deleted leaves entries in the indexes until it is vacuumed: who reads on does not walk over them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import Max
from django.test import override_settings

from cycles import selectors
from cycles.models import PremiumHour, PremiumMinute, PremiumSample, RollUpMark
from cycles.selectors.premia import TABLES, Rows
from cycles.services import retention
from tests.benchmarks import copying
from tests.benchmarks.explaining import explained
from tests.builders import sample

pytestmark = pytest.mark.django_db

BEGIN = datetime(2012, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
# Of each grain: how many hours there are, and for how many days they stay.
GRAINS = [(PremiumSample, 4, 30), (PremiumMinute, 40, 400), (PremiumHour, 2000, 3650)]


def filled(rows: Rows, hours: int) -> None:
    """Write two series, as many rows an hour as the product does."""
    a_row: dict[str, Any] = {"at": BEGIN, "korea_venue": "upbit"}
    if rows is not PremiumSample:
        a_row |= {"measure": "krw_per_usd", "count": 1, "total": 1}
        a_row |= dict.fromkeys(("first", "last", "low", "high"), 1)
    for asset in ("SOL", "XRP"):
        sample(asset, **a_row) if rows is PremiumSample else rows.objects.create(
            asset=asset, **a_row
        )
    step = retention.SPACING[rows]
    later = f"t.at + g * interval '{step.total_seconds()} s'"
    number = hours * (HOUR // step) - 1
    copying.copy(TABLES[rows], number, copying.OWN_ID | {"at": later}, where="true")
    newest = PremiumSample.objects.aggregate(newest=Max("id"))["newest"]
    RollUpMark.objects.create(done_to=newest or 0)
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {TABLES[rows]}")


def pages_read(work: Callable[[], object]) -> int:
    """Give the pages that all queries of some work touch, each as it stands when it is sent."""
    found: list[int] = []

    def look(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(("SELECT", "WITH")):
            found.append(explained(sql, params).buffers)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(look):
        work()
    return sum(found)


@pytest.mark.parametrize(("rows", "hours", "days"), GRAINS)
def test_a_run_reads_no_more_beside_all_that_runs_before_it_have_deleted(
    rows: Rows, hours: int, days: int
) -> None:
    filled(rows, hours)

    def prune_to(hour: int) -> int:
        return sum(_counts(retention.prune_premia(BEGIN + timedelta(days=days) + hour * HOUR)))

    an_hour = prune_to(1)
    few = pages_read(lambda: prune_to(2))
    assert prune_to(hours - 1) == (hours - 3) * an_hour
    many = pages_read(lambda: prune_to(hours))
    assert rows.objects.count() == 0
    assert many <= few + 2, "a level of an index"


def _counts(pruned: retention.PremiaPruned) -> tuple[int, int, int]:
    return pruned.samples, pruned.minutes, pruned.hours


def test_a_chart_of_a_year_reads_no_more_beside_the_samples_that_are_gone() -> None:
    filled(PremiumSample, 4)
    sample(at=BEGIN + 40 * HOUR)

    def read() -> int:
        return pages_read(lambda: selectors.first_sample_at("XRP", BEGIN, korea_venue="upbit"))

    before = read()
    retention.prune_premia(BEGIN + timedelta(days=30) + 5 * HOUR)
    assert read() <= before + 2


def test_what_came_late_is_found_by_the_run_after_one_that_had_no_time_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    filled(PremiumSample, 4)
    now = BEGIN + timedelta(days=30) + 4 * HOUR
    assert retention.prune_premia(now).samples == 4 * 2 * 3600
    for hour in (0, 3):
        RollUpMark.objects.update(done_to=sample(at=BEGIN + hour * HOUR).pk)
    sample(at=BEGIN + 5 * HOUR)
    monkeypatch.setattr(retention, "LONGEST_SECONDS", -1)
    assert retention.prune_premia(now).samples == 0
    monkeypatch.undo()
    assert retention.prune_premia(now).samples == 2
    assert PremiumSample.objects.get().at == BEGIN + 5 * HOUR


def test_what_came_late_while_samples_were_to_stay_longer_goes_in_its_time() -> None:
    filled(PremiumSample, 4)
    now = BEGIN + timedelta(days=30) + 4 * HOUR
    retention.prune_premia(now)
    RollUpMark.objects.update(done_to=sample(at=BEGIN + HOUR).pk)
    with override_settings(KIMP_SAMPLES_KEPT_DAYS=31):
        assert retention.prune_premia(now).samples == 0
    assert retention.prune_premia(now).samples == 1
