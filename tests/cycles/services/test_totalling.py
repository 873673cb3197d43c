"""What has ended is added up once, by batches, and never past an instant at which something may still come to have ended."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Count, Sum
from django.db.models.functions import Now

from cycles import selectors
from cycles.domain.words import CycleStatus
from cycles.models import Cycle, EndedTotal, PremiumHour, PremiumMinute, RollUpMark
from cycles.services import rolling_up, totalling
from tests import builders, ended
from tests.concurrency.meeting import SECONDS, Meeting, is_waited_for, together, told
from tests.concurrency.unguarded import take_out
from tests.desk import eventually

FAILED = CycleStatus.FAILED
NOON = datetime(2024, 12, 3, 12, tzinfo=UTC)
UNLOCKED = "RollUpMark.objects.all()"


def plain_counts() -> dict[str, int]:
    """Count all cycles, one by one."""
    return dict(Cycle.objects.order_by().values_list("status").annotate(Count("pk")))


def counted() -> dict[str, int]:
    """Give what the desk shows."""
    return {name: sums.count for name, sums in selectors.sums_by_status().items() if sums.count}


def totals() -> list[Any]:
    """Give the roll-up's rows."""
    return list(EndedTotal.objects.order_by("status").values())


@pytest.mark.django_db
def test_what_ended_long_ago_is_added_up_and_what_ended_just_now_is_read_live() -> None:
    ended.plant(5, "2 hours", pnl_usdt=3)
    ended.plant(2, "3 hours", pnl_usdt=-1, status=FAILED)
    ended.plant(4, "1 minute", pnl_usdt=7)
    before = selectors.sums_by_status()
    assert rolling_up.roll_up().cycles == 7
    assert [(row["status"], row["count"], row["realised_pnl_usdt"]) for row in totals()] == [
        ("COMPLETED", 5, 15), ("FAILED", 2, -2),
    ]  # fmt: skip
    assert selectors.sums_by_status() == before
    assert counted() == plain_counts() == {"STARTED": 3, "COMPLETED": 9, "FAILED": 2}
    summary = selectors.desk_summary()
    assert summary.realised_pnl_usdt == 41
    assert summary.realised_pnl_krw == 41 * 1400


@pytest.mark.django_db
def test_nothing_is_added_twice() -> None:
    ended.plant(5, "2 hours")
    rolling_up.roll_up()
    before = totals()
    assert rolling_up.roll_up().cycles == 0
    assert totals() == before
    ended.plant(3, "90 minutes", status=FAILED)
    assert rolling_up.roll_up().cycles == 3
    assert counted() == plain_counts()


@pytest.mark.django_db
def test_what_ends_after_a_clock_was_set_back_is_added_up_too() -> None:
    ended.plant(5, "2 hours")
    rolling_up.roll_up()
    EndedTotal.objects.update(up_to=Now() + timedelta(hours=8))  # by the clock that was ahead
    ended.plant(3, "90 minutes")
    assert rolling_up.roll_up().cycles == 8
    assert counted() == plain_counts()


@pytest.mark.django_db
def test_batches_end_and_those_that_ended_together_are_in_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(totalling, "BATCH", 2)
    for _ in range(3):
        ended.plant(
            3, "2 hours"
        )  # the same three instants each time: nothing else moves a transaction's clock
    assert Cycle.objects.filter(ended_at__isnull=False).values("ended_at").distinct().count() == 3
    assert rolling_up.roll_up().cycles == 9
    assert counted() == plain_counts()


@pytest.mark.django_db
def test_a_run_that_dies_in_a_batch_is_taken_up_where_it_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written = []

    def dying(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        done = execute(sql, params, many, context)
        if 'INSERT INTO "cycles_endedtotal"' in sql:
            written.append(sql)
            if len(written) == 2:
                raise KeyboardInterrupt
        return done

    ended.plant(6, "2 hours")
    monkeypatch.setattr(totalling, "BATCH", 2)
    with pytest.raises(KeyboardInterrupt), connection.execute_wrapper(dying):
        rolling_up.roll_up()
    assert [row["count"] for row in totals()] == [2, 0]
    assert rolling_up.roll_up().cycles == 4
    assert counted() == plain_counts()


@pytest.mark.django_db
def test_without_its_rows_all_is_read_and_added_up_anew() -> None:
    ended.plant(5, "2 hours")
    rolling_up.roll_up()
    EndedTotal.objects.all().delete()
    assert counted() == plain_counts()
    assert rolling_up.roll_up().cycles == 5


@pytest.mark.django_db
def test_a_batch_takes_as_many_statements_with_many_cycles_as_with_one(
    django_assert_num_queries: Any,
) -> None:
    for number in (1, 40):
        ended.plant(number, "2 hours")
        EndedTotal.objects.all().delete()
        with transaction.atomic(), django_assert_num_queries(6):
            assert totalling.add_up() >= number


def about_to_end() -> Cycle:
    """Give a cycle that owns nothing any more."""
    row = builders.cycle()
    builders.hand_over(row)
    return row


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
def test_a_cycle_whose_end_is_committed_after_a_younger_ones_is_not_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However late: a commit waits for a lost standby without end."""
    monkeypatch.setattr(totalling, "SETTLES", timedelta(0))
    slow, quick = about_to_end(), about_to_end()
    has_ended, may_commit = Event(), Event()

    def end_slowly() -> None:
        with transaction.atomic():
            builders.moved_to(slow, FAILED)
            has_ended.set()
            assert may_commit.wait(SECONDS)

    with ThreadPoolExecutor(1) as pool:
        ending = pool.submit(told, end_slowly)
        assert has_ended.wait(SECONDS)
        builders.moved_to(quick, FAILED)
        rolling_up.roll_up()
        assert counted()["FAILED"] == 1
        may_commit.set()
        ending.result(timeout=SECONDS)
    assert Cycle.objects.get(pk=slow.pk).ended_at < Cycle.objects.get(pk=quick.pk).ended_at  # type: ignore[operator]
    assert counted()["FAILED"] == 2
    assert rolling_up.roll_up().cycles == 2
    assert counted()["FAILED"] == 2


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
def test_while_another_run_is_at_it_nothing_is_added() -> None:
    ended.plant(5, "2 hours")
    rolling_up._look()
    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        RollUpMark.objects.select_for_update().get()
        other = pool.submit(told, transaction.atomic()(rolling_up._ended_batch))
        assert other.result(timeout=SECONDS) == 0
    assert rolling_up.roll_up().cycles == 5


def of_two_runs_at_once() -> tuple[int, int]:
    """Let a run come with a batch of its own before another one commits; gives what minutes hold, and what their hour."""
    rolling_up._look()
    ids = [builders.sample(at=NOON + timedelta(minutes=minute)).pk for minute in range(2)]
    others: list[Future[Any]] = []

    def meet(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if sql.startswith('UPDATE "cycles_rollupmark"') and not others:  # it has written its hour
            batch = transaction.atomic()(lambda: rolling_up._batch(ids[0]))
            others.append(pool.submit(told, batch))
            eventually(lambda: others[0].done() or is_waited_for("transactionid"))
        return execute(sql, *rest)

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic(), connection.execute_wrapper(meet):
            rolling_up._batch(0)
        others[0].result(timeout=SECONDS)
    mine = {"measure": "krw_per_usd"}
    minutes = PremiumMinute.objects.filter(**mine).aggregate(held=Sum("count"))["held"]
    return minutes, PremiumHour.objects.get(**mine).count


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
def test_of_two_runs_at_once_one_rolls_up_and_no_sample_is_lost_from_its_hour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rolling_up, "BATCH", 1)
    assert of_two_runs_at_once() == (1, 1)  # the other sample is the next batch's
    rolling_up.roll_up()
    assert PremiumHour.objects.get(measure="krw_per_usd").count == 2


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
def test_the_negative_control_without_the_marks_lock_a_run_writes_its_hour_over_anothers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rolling_up, "BATCH", 1)
    take_out(
        monkeypatch, rolling_up.own_mark, "locked(RollUpMark.objects.all(), skip=True)", UNLOCKED
    )
    assert of_two_runs_at_once() == (2, 1)


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
def test_totals_hold_also_without_the_marks_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever writes them writes what all came to up to an instant, which does not change: no lock keeps them from doubling."""
    ended.plant(5, "2 hours")
    rolling_up._look()
    take_out(
        monkeypatch, rolling_up.own_mark, "locked(RollUpMark.objects.all(), skip=True)", UNLOCKED
    )
    meeting = Meeting()

    def run() -> int:
        with meeting.before('INSERT INTO "cycles_endedtotal"'):
            return transaction.atomic()(rolling_up._ended_batch)()

    assert together(run, run) == [5, 5]
    assert counted() == plain_counts()
