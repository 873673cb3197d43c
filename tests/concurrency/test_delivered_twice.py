"""The queue delivers at least once: what a task does twice, one after the other or at once, it does once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db.models import BooleanField, DateTimeField, F, Model, Sum
from django.db.models.functions import Now

from cycles import tasks
from cycles.domain import jobs
from cycles.domain.words import CallOutcome, FailureClass, Mode
from cycles.models import (
    Account,
    Alert,
    Cycle,
    Desk,
    EndedTotal,
    ExchangeCall,
    Heartbeat,
    IdempotencyRecord,
    LedgerMark,
    LedgerSum,
    PremiumHour,
    PremiumMinute,
    RollUpMark,
    SeenDeposit,
    SeenOrder,
    SeenWithdrawal,
    SweepMark,
    VenueWatch,
)
from cycles.services import rolling_up, totalling
from exchanges.models import MarketRule, RateWindow, VenueClock
from tests import builders, ended
from tests.concurrency.meeting import together
from tests.concurrency.unguarded import take_out
from tests.cycles.services.acts import (
    accepted,
    fail,
    give_back,
    make_due,
    units_until,
    with_coins,
    withdrawals,
)
from tests.cycles.services.test_rolling_up import settle
from tests.desk import TestDesk

pytestmark = pytest.mark.concurrency

# Signs of life, places in a turn, what venues showed, and what is made once for many: nothing that is done.
NO_DEED: frozenset[type[Model]] = frozenset(
    {
        Account,
        Alert,
        EndedTotal,
        Heartbeat,
        RateWindow,
        RollUpMark,
        SweepMark,
        VenueClock,
        VenueWatch,
    }
) | {LedgerMark, LedgerSum, SeenDeposit, SeenOrder, SeenWithdrawal}
ASSETS = ("XRP", "SOL")  # of the first round, and of the second
NOON = datetime(2024, 12, 3, 12, tzinfo=UTC)
Found = Counter[tuple[object, ...]]


def bought(desk: TestDesk, asset: str) -> tuple[Cycle, Any]:
    """Give a cycle that has bought its coins and is about to withdraw them, no further, under its lease."""
    desk.fault(fault="F28", venue="binance", args={"value": "stuck"}, when="once")
    row = desk.open(asset)
    return row, units_until(desk, row, "BUY", "binance")


def a_due_retry(desk: TestDesk, number: int) -> None:
    row, lease = bought(desk, ASSETS[number])
    give_back(lease)
    make_due(fail(row, FailureClass.TRANSIENT))


def a_lost_worker(desk: TestDesk, number: int) -> None:
    """Lose the reply to a withdrawal, and the worker that asked for it."""
    row, lease = bought(desk, ASSETS[number])
    desk.fault(fault="F24", action="status", venue="binance", when="once")
    desk.unit(lease)
    Cycle.objects.filter(pk=row.pk).update(lease_expires_at=Now() - timedelta(seconds=1))


def a_dead_letter_with_coins(desk: TestDesk, number: int) -> None:
    desk.sample()
    with_coins(builders.dead_letter(), 100)


def an_unknown_call(desk: TestDesk, number: int) -> None:
    call = builders.order_call(builders.dead_letter(), CallOutcome.UNKNOWN)
    long_ago = F("intended_at") - timedelta(hours=1)
    ExchangeCall.objects.filter(pk=call.pk).update(noted_at=long_ago, missed_at=long_ago)


def a_ban(desk: TestDesk, number: int) -> None:
    facts = {"span_ms": 1000, "most": 10, "slot": 0, "used": [0] * 10, "waiting": []}
    held = {"held_because": "banned", "held_until": Now() + timedelta(minutes=5)}
    RateWindow.objects.create(venue=("binance", "upbit")[number], name="*", scope="ip", **facts, **held)  # fmt: skip


def a_due_alert(desk: TestDesk, number: int) -> None:
    builders.alert(key=f"test:{number}")


def new_samples(desk: TestDesk, number: int) -> None:
    for second in range(3):
        builders.sample(at=NOON + timedelta(days=number, seconds=second))


def samples_and_ended_cycles(desk: TestDesk, number: int) -> None:
    new_samples(desk, number)
    ended.plant(3, ("3 hours", "2 hours")[number])


def rules_gone(desk: TestDesk, number: int) -> None:
    MarketRule.objects.filter(venue="binance").delete()


def a_difference(desk: TestDesk, number: int) -> None:
    desk.control("/control/balances", {"venue": "binance", "asset": "USDT", "credit": "1"})
    Alert.objects.all().delete()
    Desk.objects.update(mode=Mode.RUN)


def old_rows(desk: TestDesk, number: int) -> None:
    new_samples(desk, number)
    rolling_up.roll_up()
    settle()
    settle()
    row = IdempotencyRecord.objects.create(user=builders.person(f"p{number}"), key="k")
    IdempotencyRecord.objects.filter(pk=row.pk).update(created_at=NOON)


TO_DO: dict[str, Callable[[TestDesk, int], None]] = {
    "sweep_retries": a_due_retry,
    "sweep_expired_leases": a_lost_worker,
    "process_dead_letters": a_dead_letter_with_coins,
    "reconcile_open_calls": an_unknown_call,
    "tell_of_bans": a_ban,
    "deliver_alerts": a_due_alert,
    "roll_up_samples": samples_and_ended_cycles,
    "refresh_markets": rules_gone,
    "verify_ledger": a_difference,
    "prune": old_rows,
}


def rows_of(model: type[Model]) -> Found:
    """Count a table's rows by their words: choices and yes or no."""
    fields = model._meta.concrete_fields
    words = [one.name for one in fields if one.choices or isinstance(one, BooleanField)]
    rows = model._default_manager.values_list("pk", *words)
    return Counter((model.__name__, *row[1:]) for row in rows)


def told() -> Found:
    """Count alerts by kind; the ledger's are told anew each minute, so that is no second one."""
    keys = set(Alert.objects.values_list("key", "state"))
    return Counter(
        {("alert", "ledger" if key.startswith("ledger:") else key, state) for key, state in keys}
    )


def told_by_kind() -> Found:
    found: Found = Counter()
    for (_, key, state), count in told().items():
        found["alert", str(key).partition(":")[0], state] += count
    return found


def stands(desk: TestDesk) -> Found:
    """Count all that the desk has written, and what the venues have accepted."""
    found = told_by_kind()
    for name in ("cycles", "exchanges"):
        for model in apps.get_app_config(name).get_models():
            if model not in NO_DEED:
                found += rows_of(model)
    for venue in ("binance", "upbit"):
        found["accepted", venue] = accepted(desk, venue).total()
        found["sent", venue] = len(withdrawals(desk, venue))
    for column, sums in added_up().items():
        found["added up", column] = sums
    return found


def added_up() -> dict[object, Any]:
    """Give what numbers that are kept come to: of samples rolled up, and of cycles that have ended."""
    found: dict[object, Any] = {}
    columns: dict[type[Model], tuple[str, ...]] = {
        PremiumMinute: ("count", "total"),
        PremiumHour: ("count", "total"),
        EndedTotal: ("count", "realised_pnl_usdt", "realised_pnl_krw"),
    }
    for model, names in columns.items():
        for name in names:
            sums = model._default_manager.aggregate(found=Sum(name))
            found[model.__name__, name] = sums["found"] or 0
    return found


def exactly() -> object:
    """Give what one deed more would move: every row of what is done, and balances, but for instants."""
    models: list[type[Model]] = [Account, EndedTotal]
    models += [one for one in apps.get_app_config("cycles").get_models() if one not in NO_DEED]
    return [whole_rows(model) for model in models]


def whole_rows(model: type[Model]) -> list[Any]:
    fields = model._meta.concrete_fields
    names = [one.attname for one in fields if not isinstance(one, DateTimeField)]
    return list(model._default_manager.order_by("pk").values(*names))


def gained(before: Found, after: Found) -> dict[tuple[object, ...], int]:
    keys = before.keys() | after.keys()
    return {key: after[key] - before[key] for key in keys if after[key] != before[key]}


def done_by(desk: TestDesk, name: str, *, times: int, number: int) -> dict[tuple[object, ...], int]:
    """Give what so many deliveries of a job do at once, in a round of its own."""
    TO_DO[name](desk, number)
    before = stands(desk)
    together(*[getattr(tasks, name)] * times)
    return gained(before, stands(desk))


@pytest.mark.parametrize("scheduled", jobs.SCHEDULES, ids=lambda one: one.name)
def test_a_task_that_is_delivered_twice_has_done_what_it_does_once(
    committed_desk: TestDesk, scheduled: jobs.Scheduled
) -> None:
    once = done_by(committed_desk, scheduled.name, times=1, number=0)
    assert once, "it had nothing to do"
    left = (stands(committed_desk), exactly())
    getattr(tasks, scheduled.name)()
    assert (stands(committed_desk), exactly()) == left
    assert done_by(committed_desk, scheduled.name, times=2, number=1) == once


def test_the_negative_control_what_is_added_up_again_is_seen(
    committed_desk: TestDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_out(monkeypatch, totalling.add_up, "(due.filter(", "(sums.ended_after(None).filter(")
    once = done_by(committed_desk, "roll_up_samples", times=1, number=0)
    again = done_by(committed_desk, "roll_up_samples", times=2, number=1)
    count = ("added up", ("EndedTotal", "count"))
    assert (once[count], again[count]) == (3, 6)


def test_every_task_has_something_to_do_here() -> None:
    assert TO_DO.keys() == {one.name for one in jobs.SCHEDULES}
