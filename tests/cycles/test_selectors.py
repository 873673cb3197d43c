"""Selectors: what the doors read, in a bounded number of queries."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction

from cycles import selectors
from cycles.domain import postings
from cycles.domain.words import (
    AccountOwner,
    CallOutcome,
    CycleStatus,
    Mode,
    PostingKind,
    StepState,
)
from cycles.errors import NotFoundError
from cycles.models import Cycle, Fill, Posting, Step
from cycles.selectors.premia import NEWEST
from cycles.services import booking
from tests import builders
from tests.benchmarks.explaining import as_a_worker, explained

pytestmark = pytest.mark.django_db
Counter = Callable[[int], Any]


def test_the_summary_counts_money_at_risk_of_dead_letters_only() -> None:
    builders.desk(Mode.FINALIZE_ONLY)
    builders.cycle()
    builders.dead_letter(at_risk_krw=3_000_000)
    builders.dead_letter(at_risk_krw=4_000_000, assignee=builders.person())
    summary = selectors.desk_summary()
    assert (summary.dead_letters, summary.unassigned, summary.open_cycles) == (2, 1, 3)
    assert summary.money_at_risk_krw == 7_000_000
    assert (summary.mode, summary.kind) == ("FINALIZE_ONLY", "SIMULATED")
    assert summary.counts["STARTED"] == 1
    assert summary.counts["FAILED"] == 0


def test_the_summary_of_an_empty_database_is_all_zero() -> None:
    summary = selectors.desk_summary()
    assert summary.dead_letters == 0
    assert summary.money_at_risk_krw == 0
    assert summary.realised_pnl_usdt == 0
    assert summary.oldest_dead_letter_at is None


def test_realised_results_count_today_and_in_all() -> None:
    builders.finished(pnl_usdt=12)
    builders.finished(pnl_usdt=Decimal("-2.5"))
    summary = selectors.desk_summary()
    assert summary.realised_pnl_usdt == Decimal("9.5")
    assert summary.realised_pnl_today_usdt == Decimal("9.5")
    assert summary.realised_pnl_krw == 13_300


def test_dead_letters_come_by_money_at_risk_and_then_by_age() -> None:
    small = builders.dead_letter(at_risk_krw=1)
    old = builders.dead_letter(at_risk_krw=5)
    young = builders.dead_letter(at_risk_krw=5)
    assert list(selectors.dead_letters()) == [old, young, small]


def test_the_queue_needs_one_query_however_long_it_is(
    django_assert_num_queries: Counter,
) -> None:
    for _ in range(3):
        builders.dead_letter(assignee=None)
    with django_assert_num_queries(1):
        for row in selectors.dead_letters():
            assert row.policy.number
            assert row.assignee is None


@pytest.mark.parametrize("form", ["code", "lower", "uuid", "part", "order", "venue", "txid"])
def test_a_cycle_is_found_by_every_name_it_has(form: str) -> None:
    row = builders.cycle()
    builders.cycle()
    call = builders.order_call(row, venue_order_id="V-77")
    builders.withdrawal_call(row, txid="ABCDEF0123")
    text = {
        "code": row.code,
        "lower": row.code.lower(),
        "uuid": str(row.pk),
        "part": row.code[4:],
        "order": call.client_order_id.upper(),
        "venue": "V-77",
        "txid": "ABCDEF0123",
    }[form]
    assert list(selectors.cycles(search=text)) == [row]


def test_filters_narrow_together() -> None:
    xrp = builders.cycle("XRP")
    builders.cycle("SOL")
    builders.finished("XRP")
    assert list(selectors.cycles(asset="XRP", is_open=True)) == [xrp]
    assert selectors.cycles(status=["COMPLETED"], venue="upbit").count() == 1
    assert selectors.cycles(is_open=False, asset="SOL").count() == 0


def test_a_code_that_nobody_has_is_not_found() -> None:
    with pytest.raises(NotFoundError, match="CYC-NOBODY"):
        selectors.cycle_by_code("CYC-NOBODY")


def test_a_code_is_read_in_either_case_and_as_a_uuid() -> None:
    row = builders.cycle()
    assert selectors.cycle_by_code(row.code.lower()) == row
    assert selectors.cycle_by_code(row.pk) == row


def test_the_timeline_merges_every_kind_in_order_of_time() -> None:
    row = builders.dead_letter()
    builders.order_call(row, CallOutcome.REFUSED)
    builders.alert(row)
    items = selectors.timeline(row)
    assert [item.at for item in items] == sorted(item.at for item in items)
    kinds = {item.kind.value for item in items}
    assert kinds == {"transition", "posting", "retry", "call", "step", "alert"}
    assert [item.status for item in items if item.kind == "transition"] == [
        "STARTED",
        "DEAD_LETTER",
    ]


def test_the_timeline_needs_as_many_queries_for_a_long_life_as_for_a_short_one(
    django_assert_num_queries: Counter,
) -> None:
    row = builders.dead_letter()
    for number in range(3):
        builders.alert(row, key=str(number))
    with django_assert_num_queries(10):
        selectors.timeline(row)


def test_a_fill_stands_where_it_was_booked_whatever_the_clock_of_its_venue_says() -> None:
    row = builders.cycle()
    call = builders.order_call(row)
    early = datetime(2024, 12, 3, 12, tzinfo=UTC)
    Fill.objects.create(
        cycle=row, call=call, venue="binance", market="XRP/USDT", side="buy", venue_fill_id="1",
        price=2, quantity=5, notional=10, fee_asset="XRP", at=early,
    )  # fmt: skip
    with transaction.atomic():
        booking.post(
            f"order:{call.client_order_id}",
            PostingKind.FILL,
            postings.moved(
                "binance", "USDT", Decimal(10), origin=AccountOwner.CYCLE, target=AccountOwner.DESK
            ),
            cycle=row,
        )
    Step.objects.filter(pk=call.step_id).update(
        state=StepState.DONE, settled_at=Posting.objects.order_by("-id")[0].at
    )
    items = selectors.timeline(row)
    assert [(item.kind.value, item.status) for item in items][2:] == [
        ("step", "RUNNING"), ("call", "DONE"), ("fill", ""), ("posting", "FILL"), ("step", "DONE"),
    ]  # fmt: skip
    (fill,) = [item for item in items if item.kind == "fill"]
    assert (fill.facts["venue_at"], "2024-12-03 21:00:00" in fill.detail) == (early, True)


def test_the_timeline_shows_the_entries_of_each_posting() -> None:
    row = builders.cycle(usdt=100)
    (posting,) = [item for item in selectors.timeline(row) if item.kind == "posting"]
    assert [(line["owner"], line["quantity"]) for line in posting.facts["entries"]] == [
        ("CAPITAL", -100),
        ("CYCLE", 100),
    ]


def test_open_calls_are_those_without_a_known_outcome() -> None:
    row, other = builders.cycle(), builders.cycle()
    unknown = builders.order_call(row, CallOutcome.UNKNOWN)
    builders.order_call(other, CallOutcome.REFUSED)
    assert list(selectors.open_calls()) == [unknown]


def test_changes_since_a_version_name_the_transitions_after_it() -> None:
    row = builders.cycle()
    seen = row.version
    builders.moved_to(row, CycleStatus.INITIAL_TRADE_COMPLETED)
    transitions, interventions = selectors.changes_since(row, seen)
    assert [change.to_status for change in transitions] == ["INITIAL_TRADE_COMPLETED"]
    assert interventions == []


def test_a_series_is_averaged_over_buckets_and_ordered() -> None:
    noon = datetime(2024, 12, 3, 12, tzinfo=UTC)
    builders.sample(at=noon, outbound_traded_bps=Decimal(100))
    builders.sample(at=noon + timedelta(seconds=30), outbound_traded_bps=Decimal(200))
    builders.sample(at=noon + timedelta(seconds=90), outbound_traded_bps=None)
    builders.sample("SOL", at=noon)
    builders.sample(at=noon, korea_venue="bithumb", outbound_traded_bps=Decimal(7000))
    points = selectors.premium_series("XRP", noon, korea_venue="upbit", bucket=timedelta(minutes=1))
    assert [point.outbound_traded_bps for point in points] == [150, None]
    assert points[1].at == noon + timedelta(minutes=1)


def test_the_latest_sample_of_each_asset_at_each_korean_venue_is_one_row() -> None:
    noon = datetime(2024, 12, 3, 12, tzinfo=UTC)
    builders.sample("XRP", at=noon)
    newest = builders.sample("XRP", at=noon + timedelta(minutes=1))
    other = builders.sample("XRP", at=noon, korea_venue="bithumb")
    sol = builders.sample("SOL", at=noon)
    assert list(selectors.latest_samples()) == [sol, other, newest]


def test_the_latest_sample_is_found_by_one_step_along_the_index_for_each_series() -> None:
    """Every decision begins with this; to name a series first and to look for its newest then would be two."""
    builders.sample("XRP")
    with as_a_worker():
        plan = explained(NEWEST)
    assert [node for node in plan.shape if "Index" in node] == ["Index Scan"] * 2, (
        "the first, and the next"
    )


def test_without_samples_there_is_no_latest_one() -> None:
    assert list(selectors.latest_samples()) == []


def test_balances_sum_what_cycles_own_by_place() -> None:
    builders.capital("binance", "USDT", 1000)
    builders.cycle(usdt=100)
    builders.cycle(usdt=150)
    owned = {(row["owner"], row["quantity"]) for row in selectors.balances()}
    assert owned == {("DESK", 1000), ("CYCLE", 250)}


def test_selectors_neither_lock_nor_write(django_assert_num_queries: Counter) -> None:
    row = builders.dead_letter()
    with django_assert_num_queries(0):
        version = row.version
    with connection.execute_wrapper(_only_plain_selects):
        selectors.desk_summary()
        selectors.timeline(row)
        list(selectors.cycles(search=row.code))
    assert Cycle.objects.get(pk=row.pk).version == version


def _only_plain_selects(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    assert sql.lstrip(" (").upper().startswith("SELECT")  # a UNION begins with a parenthesis
    assert "FOR UPDATE" not in sql.upper()
    assert "FOR NO KEY" not in sql.upper()
    return execute(sql, params, many, context)
