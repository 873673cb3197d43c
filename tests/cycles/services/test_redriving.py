"""Many dead letters go on at once: each as one would, nobody's twice, and the rest after a kill."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models import Count
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from psycopg.types.json import Jsonb

from cycles.domain.plan import StepPlan
from cycles.domain.words import (
    CycleStatus,
    FailureClass,
    Passage,
    Plan,
    StepKind,
    StepState,
    Verb,
)
from cycles.errors import (
    InvalidInputError,
    NotAllowedNowError,
    PermissionDeniedError,
    StaleSelectionError,
)
from cycles.models import Cycle, Intervention, Step, Transition
from cycles.services import intervening, redriving
from cycles.services.intervening import Actor
from cycles.services.rebalancing import write_steps
from cycles.services.redriving import Filter, Redriven
from tests import builders
from tests.cycles.services.acts import rows_read
from tests.desk import operator

pytestmark = pytest.mark.django_db

ALL = Filter()
WHY = "the wallet is open again"


@pytest.fixture
def alice() -> Actor:
    return operator()


def dead(number: int, **facts: Any) -> list[Cycle]:
    return [builders.dead_letter(**facts) for _ in range(number)]


def redriven_once() -> bool:
    """Say whether every cycle that was redriven was so once, with one audit row and one transition."""
    of = Cycle.objects.filter(status=CycleStatus.RETRY_PENDING).values_list("pk", flat=True)
    found = [
        rows.filter(cycle__in=of)
        .values("cycle")
        .annotate(n=Count("pk"))
        .values_list("n", flat=True)
        for rows in (Intervention.objects.all(), Transition.objects.filter(event="redrive"))
    ]
    return all(len(counts) == len(of) and set(counts) == {1} for counts in map(list, found))


def test_nothing_seen_is_nothing_to_redrive(alice: Actor) -> None:
    builders.desk()
    with pytest.raises(NotAllowedNowError, match="no dead letter matches"):
        redriving.redrive_all(redriving.look(ALL), actor=alice, reason=WHY)


def test_each_is_left_as_one_redrive_leaves_it(alice: Actor) -> None:
    one, many = dead(2)
    intervening.redrive(one.pk, actor=alice, reason=WHY, seen_version=one.version)
    seen = redriving.look(ALL)
    assert (seen.count, seen.at_risk_krw) == (1, Decimal(7_000_000))
    assert redriving.redrive_all(seen, actor=alice, reason=WHY) == Redriven(count=1, left=0)
    moved = [
        Cycle.objects.values("status", "version", "plan", "retry_count", "resume_status").get(pk=pk)
        for pk in (one.pk, many.pk)
    ]
    assert moved[0] == moved[1]
    written = ("verb", "user", "actor", "channel", "reason", "seen_version")
    acts = [Intervention.objects.values(*written).get(cycle=row) for row in (one, many)]
    assert acts[0] == acts[1]
    columns = ("version", "from_status", "to_status", "event", "actor", "reason")
    told = [
        Transition.objects.filter(cycle=row).values(*columns).latest("id") for row in (one, many)
    ]
    assert told[0] == told[1]


def test_the_audit_row_says_what_the_operator_saw(alice: Actor) -> None:
    (row,) = dead(1, failure=FailureClass.WALLET_CLOSED)
    seen = redriving.look(Filter(failure_class="WALLET_CLOSED", asset="XRP"))
    redriving.redrive_all(seen, actor=alice, reason=WHY, rate=5)
    payload = Intervention.objects.get(cycle=row).payload
    assert payload["filter"] == {"failure_class": "WALLET_CLOSED", "asset": "XRP"}
    assert (payload["seen_count"], payload["rate"]) == (1, 5)


@pytest.mark.parametrize(
    "chosen",
    [
        Filter(failure_class="WALLET_CLOSED"),
        Filter(asset="SOL"),
        Filter(venue="bithumb"),
        Filter(resume_status="AWAITING_REBALANCE"),
        Filter(most_krw=Decimal(1000)),
    ],
    ids=lambda chosen: next(name for name in chosen.__slots__ if getattr(chosen, name)),
)
def test_a_filter_leaves_the_others_where_they_are(chosen: Filter, alice: Actor) -> None:
    dead(2)
    wanted = builders.dead_letter(
        "SOL", failure=FailureClass.WALLET_CLOSED, korea_venue="bithumb", at_risk_krw=1000,
        after=[CycleStatus.INITIAL_TRADE_COMPLETED, CycleStatus.AWAITING_REBALANCE],
    )  # fmt: skip
    redriving.redrive_all(redriving.look(chosen), actor=alice, reason=WHY)
    assert Cycle.objects.get(status=CycleStatus.RETRY_PENDING) == wanted


def test_what_died_after_the_look_was_not_seen(alice: Actor) -> None:
    dead(1)
    seen = redriving.look(ALL)
    (later,) = dead(1)
    assert redriving.redrive_all(seen, actor=alice, reason=WHY).count == 1
    later.refresh_from_db()
    assert later.status == CycleStatus.DEAD_LETTER


def test_what_somebody_acted_on_after_the_look_is_left_to_them(alice: Actor) -> None:
    row, other = dead(2)
    seen = redriving.look(ALL, actor=alice)
    intervening.acknowledge(row.pk, actor=alice, reason="mine", seen_version=row.version)
    assert redriving.redrive_all(seen, actor=alice, reason=WHY).count == 1
    other.refresh_from_db()
    assert other.status == CycleStatus.RETRY_PENDING


def test_what_another_has_taken_on_is_theirs_and_ones_own_goes_on(alice: Actor) -> None:
    row, _free = dead(2)
    intervening.acknowledge(row.pk, actor=alice, reason="mine", seen_version=row.version)
    bob = operator("bob")
    seen = redriving.look(ALL, actor=bob)
    assert (seen.count, seen.taken_on) == (1, 1)
    assert redriving.redrive_all(seen, actor=bob, reason=WHY).count == 1
    assert (
        redriving.redrive_all(redriving.look(ALL, actor=alice), actor=alice, reason=WHY).count == 1
    )


def test_more_than_were_seen_are_refused(alice: Actor) -> None:
    dead(2)
    with pytest.raises(StaleSelectionError, match="saw 1, now 2"):
        redriving.redrive_all(replace(redriving.look(ALL), count=1), actor=alice, reason=WHY)
    assert not Intervention.objects.exists()


@pytest.mark.parametrize(
    ("reason", "rate", "error"),
    [
        (" ", 10, InvalidInputError),
        ("x" * 2001, 10, InvalidInputError),
        (WHY, 0, InvalidInputError),
    ],
)
def test_a_reason_and_a_rate_are_demanded(
    reason: str, rate: int, error: type[Exception], alice: Actor
) -> None:
    dead(1)
    with pytest.raises(error):
        redriving.redrive_all(redriving.look(ALL), actor=alice, reason=reason, rate=rate)
    assert not Intervention.objects.exists()


def test_who_may_not_redrive_one_may_not_redrive_many(alice: Actor) -> None:
    dead(1)
    vera = Actor(user=builders.person("vera", "viewer"), channel=alice.channel)
    with pytest.raises(PermissionDeniedError):
        redriving.redrive_all(redriving.look(ALL), actor=vera, reason=WHY)
    assert not Intervention.objects.exists()


SALE = StepPlan(
    passage=Passage.UNWIND, kind=StepKind.SELL, venue="binance", asset="XRP", quote="USDT"
)
PURCHASE = StepPlan(
    passage=Passage.RETURN, kind=StepKind.BUY, venue="upbit", asset="XRP", quote="KRW"
)


@pytest.mark.parametrize(
    ("planned", "state", "left"),
    [
        ([SALE], StepState.ABANDONED, Plan.UNWIND),
        ([SALE], StepState.PENDING, Plan.RESUME),
        ([], StepState.ABANDONED, Plan.RESUME),  # a way home that no longer cleared
        (
            [SALE, PURCHASE],
            StepState.ABANDONED,
            Plan.RESUME,
        ),  # the same, of one that was sold back before
    ],
    ids=["given up for it", "to be gone on with", "given up by itself", "given up later"],
)
def test_a_passage_that_was_given_up_for_an_unwind_is_not_resumed(
    planned: list[StepPlan], state: StepState, left: Plan, alice: Actor
) -> None:
    one, many = dead(2)
    Cycle.objects.update(plan=Plan.UNWIND)
    for row in (one, many):
        done = Step.objects.filter(cycle=row)
        if PURCHASE in planned:  # the way out has come to its end
            done.update(state=StepState.DONE, settled_at=Now())
        with transaction.atomic():
            write_steps(row, planned)
    Step.objects.exclude(passage=Passage.UNWIND).exclude(state=StepState.DONE).update(state=state)
    intervening.redrive(one.pk, actor=alice, reason=WHY, seen_version=one.version)
    redriving.redrive_all(redriving.look(ALL), actor=alice, reason=WHY)
    many.refresh_from_db()
    one.refresh_from_db()
    assert (one.plan, many.plan) == (left, left)


@pytest.mark.parametrize(
    "stopped_in", [CycleStatus.INITIAL_TRADE_COMPLETED, CycleStatus.AWAITING_REBALANCE]
)
def test_a_wait_is_resumed_whatever_way_home_was_given_up_before_it(
    stopped_in: CycleStatus, alice: Actor
) -> None:
    after = (CycleStatus.INITIAL_TRADE_COMPLETED, CycleStatus.AWAITING_REBALANCE)
    one, many = (builders.dead_letter(after=after[: after.index(stopped_in) + 1]) for _ in range(2))
    Cycle.objects.update(plan=Plan.UNWIND)
    Step.objects.update(passage=Passage.RETURN, state=StepState.ABANDONED)
    intervening.redrive(one.pk, actor=alice, reason=WHY, seen_version=one.version)
    redriving.redrive_all(redriving.look(ALL), actor=alice, reason=WHY)
    many.refresh_from_db()
    one.refresh_from_db()
    assert (one.resume_status, many.resume_status) == (stopped_in, stopped_in)
    assert (one.plan, many.plan) == (Plan.RESUME, Plan.RESUME)


def test_most_money_at_risk_becomes_due_first_and_the_rest_at_the_rate(
    alice: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redriving, "BATCH", 2)
    rows = [builders.dead_letter(at_risk_krw=won) for won in (1, 5, 3, 4, 2, 6)]
    redriving.redrive_all(redriving.look(ALL), actor=alice, reason=WHY, rate=1)
    due = Cycle.objects.filter(pk__in=[row.pk for row in rows]).order_by("wake_at")
    at_risk = [int(row.money_at_risk_krw) for row in due]
    assert [{*at_risk[:2]}, {*at_risk[2:4]}, {*at_risk[4:]}] == [{6, 5}, {4, 3}, {2, 1}]
    first, last = due[0].wake_at, due[5].wake_at
    assert first is not None
    assert last is not None
    assert timedelta(seconds=3) < last - first < timedelta(seconds=7)
    assert all(row.next_retry_at == row.wake_at for row in due)


def test_a_batch_takes_as_many_statements_with_many_cycles_as_with_one(alice: Actor) -> None:
    counts = []
    assert alice.may(Verb.REDRIVE)  # read once
    for number in (1, 9):
        dead(number)
        seen = redriving.look(ALL)
        with CaptureQueriesContext(connection) as made:
            redriving.redrive_all(seen, actor=alice, reason=WHY)
        counts.append(len(made))
    assert counts[0] == counts[1]


def test_what_is_not_as_its_lock_found_it_is_refused_and_the_batch_with_it() -> None:
    one, changed = dead(2)
    facts = {
        "verb": "redrive",
        "actor": "alice",
        "channel": "command",
        "reason": WHY,
        "payload": {},
    }
    facts |= dict.fromkeys(("request_id", "session_id", "trace_id"), "")
    values: list[Any] = [
        [one.pk, changed.pk], [one.version, changed.version + 1], Jsonb(facts), timedelta(0), timedelta(0),
    ]  # fmt: skip
    with (
        pytest.raises(OperationalError, match="1 of 2 are as they were seen"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT kimp_redrive_v1(%s, %s, %s, %s, %s)", values)
    assert not Intervention.objects.exists()
    assert Cycle.objects.filter(status=CycleStatus.DEAD_LETTER).count() == 2


# What moves a cycle keeps its plan, or is planned by statistics: those of a time when there was hardly anything.
YOUNG_DESK = """UPDATE pg_class SET reltuples = 0, relpages = 1 WHERE relname IN ('cycles_transition', 'cycles_intervention');
                DISCARD PLANS"""


@pytest.mark.parametrize("table", ["cycles_transition", "cycles_intervention"])
def test_what_a_batch_reads_does_not_grow_with_what_was_redriven_before(
    table: str, alice: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redriving, "BATCH", 8)
    read_until: list[int] = []
    with connection.cursor() as cursor:
        cursor.execute(YOUNG_DESK)
    dead(40)
    redriving.redrive_all(
        redriving.look(ALL),
        actor=alice,
        reason=WHY,
        told=lambda _: read_until.append(rows_read(table)),
    )
    reads = [after - before for before, after in pairwise(read_until)]
    assert reads[-1] <= reads[0], reads


def position(function: str) -> Any:
    """Give a position in the server's log."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}() - '0/0'::pg_lsn")
        row: Any = cursor.fetchone()
    return row[0]


@pytest.mark.django_db(transaction=True)
def test_no_batch_waits_for_the_disk_and_all_are_on_it_once_the_run_has_ended(
    alice: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redriving, "BATCH", 2)
    dead(5)
    written: list[int] = []
    with CaptureQueriesContext(connection) as made:
        redriving.redrive_all(
            redriving.look(ALL),
            actor=alice,
            reason=WHY,
            told=lambda _: written.append(position("pg_current_wal_insert_lsn")),
        )
        flushed = position("pg_current_wal_flush_lsn")
    assert len(written) == sum("synchronous_commit" in query["sql"] for query in made) == 3
    assert flushed >= written[-1]


def dying_at(batch: int) -> Any:
    """Let a run be killed in a batch, when its rows are written and not committed."""
    begun = 0

    def execute(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal begun
        done = execute(sql, params, many, context)
        begun += "kimp_redrive_v1" in sql
        if begun == batch:
            raise KeyboardInterrupt
        return done

    return connection.execute_wrapper(execute)


def test_a_run_that_is_killed_in_a_batch_is_taken_up_by_the_same_words(
    alice: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redriving, "BATCH", 2)
    dead(7)
    seen = redriving.look(ALL)
    with pytest.raises(KeyboardInterrupt), dying_at(3):
        redriving.redrive_all(seen, actor=alice, reason=WHY)
    assert Cycle.objects.filter(status=CycleStatus.RETRY_PENDING).count() == 4
    assert Intervention.objects.count() == 4
    (again,) = Cycle.objects.filter(status=CycleStatus.RETRY_PENDING)[:1]
    builders.moved_to(again, CycleStatus.DEAD_LETTER, wake_at=None)  # it died anew meanwhile
    assert redriving.redrive_all(seen, actor=alice, reason=WHY) == Redriven(count=3, left=0)
    assert redriven_once()
    assert Intervention.objects.filter(cycle=again).count() == 1
