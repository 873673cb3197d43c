"""The sweep over open calls: nobody starves, one call's trouble is its own, no query per call but its own writes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from cycles.domain.progress import Turn
from cycles.domain.words import CallOutcome, WatchKind
from cycles.models import Alert, ExchangeCall, SeenOrder, SeenWithdrawal, Step, VenueWatch
from cycles.services import ending, reconciling
from cycles.services.calling import SEND_WITHIN
from cycles.services.moving import Lease
from exchanges import naming
from tests import builders
from tests.cycles.services.test_holding import locked_elsewhere
from tests.desk import TestDesk

pytestmark = pytest.mark.django_db


def unknown_calls(count: int, *, age_seconds: int = 10) -> list[ExchangeCall]:
    """Write orders that the venue does not know, of dead letters, unknown for some seconds."""
    calls = [builders.order_call(builders.dead_letter(), CallOutcome.UNKNOWN) for _ in range(count)]
    mine = ExchangeCall.objects.filter(pk__in=[call.pk for call in calls])
    longer = F("intended_at") - timedelta(seconds=age_seconds)
    mine.update(noted_at=longer, missed_at=longer)  # its venue was asked once already
    return calls


def outcome(call: ExchangeCall) -> str:
    return ExchangeCall.objects.values_list("outcome", flat=True).get(pk=call.pk)


def test_what_a_batch_leaves_is_asked_about_by_the_next_run(
    desk: TestDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciling, "BATCH", 2)
    *_, newest = calls = unknown_calls(3)
    for call in calls[:2]:  # these stay unknown, however often they are asked about
        ExchangeCall.objects.filter(pk=call.pk).update(noted_at=F("intended_at"))
    ExchangeCall.objects.filter(pk=newest.pk).update(
        noted_at=F("intended_at") - timedelta(hours=1),
        missed_at=F("intended_at") - timedelta(hours=1),
    )
    assert reconciling.reconcile_open_calls().resolved == 0
    assert reconciling.reconcile_open_calls().resolved == 1
    assert outcome(newest) == CallOutcome.ABSENT


def test_a_run_without_time_left_is_gone_on_with_behind_its_last(
    desk: TestDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending, "RUN_SECONDS", 0)
    calls = unknown_calls(3, age_seconds=3600)
    for number in range(3):
        assert reconciling.reconcile_open_calls().looked_at == 1
        assert [outcome(call) for call in calls].count("ABSENT") == number + 1


def test_a_call_at_a_venue_that_the_release_does_not_know_stops_no_other_and_is_told_once(
    desk: TestDesk,
) -> None:
    lost = builders.order_call(builders.dead_letter(), CallOutcome.UNKNOWN, venue="gone")
    (good,) = unknown_calls(1, age_seconds=3600)
    for _ in range(2):
        reconciling.reconcile_open_calls()
    assert (outcome(lost), outcome(good)) == ("UNKNOWN", "ABSENT")
    alert = Alert.objects.get(key__startswith="sweep:reconcile_open_calls")
    assert alert.cycle_id == lost.cycle_id


def test_intents_without_a_worker_count_as_unknown_from_the_first_look_on(desk: TestDesk) -> None:
    calls = [builders.order_call(builders.dead_letter(), CallOutcome.INTENDED) for _ in range(2)]
    report = reconciling.reconcile_open_calls()
    assert (report.looked_at, report.still_unknown) == (2, 2)
    for call in calls:
        call.refresh_from_db()
        assert call.outcome == CallOutcome.UNKNOWN
        assert call.noted_at is not None


def never_missed(count: int) -> None:
    mine = [call.pk for call in unknown_calls(count, age_seconds=3600)]
    ExchangeCall.objects.filter(pk__in=mine).update(missed_at=None)


def listed_once(count: int) -> None:
    """Write orders that looks have shown, and that their venue does not find."""
    for call in unknown_calls(count, age_seconds=3600):
        seen_order_of(call)


def missed_long_ago(count: int) -> None:
    unknown_calls(count, age_seconds=3600)


def missed_just_now(count: int) -> None:
    mine = [call.pk for call in unknown_calls(count, age_seconds=3600)]
    ExchangeCall.objects.filter(pk__in=mine).update(missed_at=Now())


def seen_order_of(call: ExchangeCall) -> None:
    """Let a look have shown an order, and the newest not show it any more."""
    SeenOrder.objects.create(
        venue=call.venue,
        client_order_id=call.client_order_id,
        venue_order_id=f"O-{call.pk}",
        status="open",
        quantity=1990,
        executed_quantity=0,
        created_at=call.intended_at,
        first_seen_at=Now(),
        changed_at=Now(),
        look=1,
        is_shown=False,
    )


def first_batch() -> reconciling.ReconcileReport:
    return next(reconciling.reconcile_all_open_calls()).report


Run = Callable[[], reconciling.ReconcileReport]
EITHER = pytest.mark.parametrize("run", [reconciling.reconcile_open_calls, first_batch])


def statements_of_runs(write: Callable[[int], None], run: Run, counts: list[int]) -> list[int]:
    """Give how many statements runs over so many calls take: the first also reads names, and makes the venue's watch."""
    taken = []
    for wanted in counts:
        write(wanted)
        with CaptureQueriesContext(connection) as seen:
            assert run().looked_at == wanted
        taken.append(len(seen))
        _settle_all()
    return taken


@EITHER
@pytest.mark.parametrize("write", [never_missed, missed_just_now, listed_once])
def test_calls_that_their_venue_knows_nothing_of_are_asked_about_without_a_query_for_each(
    desk: TestDesk, write: Callable[[int], None], run: Run
) -> None:
    _, two, twelve = statements_of_runs(write, run, [1, 2, 12])
    assert two == twelve
    marks = ExchangeCall.objects.values_list("missed_at", flat=True)
    assert all(marks), "though each is marked as not found"


@EITHER
def test_a_call_whose_outcome_is_decided_takes_its_own_transaction_and_nothing_else(
    desk: TestDesk, run: Run
) -> None:
    """Each is one cycle's, whose row is locked for it: one that somebody keeps locked stops no other."""
    own = 5  # BEGIN and COMMIT, the cycle's lock, the outcome, a dead letter's version
    _, two, twelve = statements_of_runs(missed_long_ago, run, [1, 2, 12])
    assert twelve - two == 10 * own
    errors = set(ExchangeCall.objects.values_list("error", flat=True))
    assert errors == {reconciling.NEVER_ACCEPTED.error}


@EITHER
@pytest.mark.parametrize("state", [CallOutcome.UNKNOWN, CallOutcome.INTENDED])
def test_asking_about_more_calls_takes_no_more_queries(
    desk: TestDesk, state: CallOutcome, run: Run
) -> None:
    def write(count: int) -> None:
        if state is CallOutcome.UNKNOWN:
            unknown_calls(count)
        else:
            for _ in range(count):
                builders.order_call(builders.dead_letter(), CallOutcome.INTENDED)

    _, two, six = statements_of_runs(write, run, [1, 2, 6])
    assert two == six


def _settle_all() -> None:
    ExchangeCall.objects.filter(outcome=CallOutcome.INTENDED).update(outcome=CallOutcome.UNKNOWN)
    ExchangeCall.objects.filter(outcome=CallOutcome.UNKNOWN).update(outcome=CallOutcome.ABSENT)


def unknown_withdrawals(count: int, *, network: str = "XRP", written: str = "{}") -> None:
    """Write withdrawals, each of its own quantity, that their venue shows nothing of."""
    for number in range(count):
        row = builders.dead_letter()
        Step.objects.filter(cycle=row, kind="WITHDRAW").update(network=network)
        address = builders.confirmed_address(network=network, address=f"{network} of ours")
        request = {
            "asset": "XRP",
            "network": network,
            "quantity": written.format(1990 + number),
            "to_venue": "upbit",
            "destination": address.destination.fingerprint,
        }
        builders.withdrawal_call(
            row,
            outcome=CallOutcome.UNKNOWN,
            noted_at=Now(),
            report=None,
            request=request,
            destination=address,
        )


def seen_of(call: ExchangeCall, **facts: Any) -> None:
    """Let a look have shown a withdrawal that looks like a call's."""
    columns: dict[str, Any] = {
        "venue": call.venue,
        "venue_withdrawal_id": f"W-{call.pk}",
        "asset": "XRP",
        "network": "XRP",
        "quantity": Decimal(call.request["quantity"]),
        "network_fee": Decimal("0.2"),
        "status": "pending",
        "created_at": call.intended_at,
        "first_seen_at": Now(),
        "changed_at": Now(),
        "look": 1,
    }
    SeenWithdrawal.objects.create(**(columns | facts))


def looked_at_just_now(desk: TestDesk) -> None:
    """Let the next look at Binance's withdrawals have been taken, and no other be due."""
    VenueWatch.objects.update_or_create(
        venue="binance",
        kind=WatchKind.WITHDRAWALS,
        defaults={
            "looked_at": Now() + timedelta(seconds=1),
            "asked_since": Now() - timedelta(hours=2),
            "covers_since": Now() - timedelta(hours=2),
        },
    )


def queries_of_a_run(looked_at: int) -> int:
    naming.forget()  # else how old it is decides whether it is read again
    with CaptureQueriesContext(connection) as seen:
        assert reconciling.reconcile_open_calls().looked_at == looked_at
    return len(seen)


def test_asking_about_ten_withdrawals_takes_no_more_queries_than_about_one(desk: TestDesk) -> None:
    unknown_withdrawals(1)
    queries_of_a_run(1)  # the first also makes the venue's watch
    looked_at_just_now(desk)
    alone = queries_of_a_run(1)
    unknown_withdrawals(9)
    looked_at_just_now(desk)
    assert queries_of_a_run(10) == alone


def test_a_look_that_fails_is_not_tried_again_for_each_withdrawal(desk: TestDesk) -> None:
    desk.fault(
        fault="F9", venue="binance", method="GET", path_regex="withdraw/history", when="always"
    )
    counts = []
    for wanted, more in ((1, 1), (2, 1), (10, 8)):  # the first makes the venue's watch
        unknown_withdrawals(more)
        VenueWatch.objects.update(not_before=None, looked_at=None)
        counts.append(queries_of_a_run(wanted))
    assert counts[1] == counts[2]


def test_asking_about_ten_withdrawals_of_an_asset_that_is_not_understood_takes_no_more_queries(
    desk: TestDesk,
) -> None:
    counts = []
    for wanted, more in ((1, 1), (2, 1), (10, 8)):  # the first makes the venue's watch
        unknown_withdrawals(more)
        looked_at_just_now(desk)
        VenueWatch.objects.update(unreadable=["XRP"])
        counts.append(queries_of_a_run(wanted))
    assert counts[1] == counts[2]


def test_a_withdrawal_found_by_likeness_costs_its_own_writes_only(desk: TestDesk) -> None:
    counts = []
    for wanted in (1, 4, 7):
        unknown_withdrawals(wanted)
        for call in ExchangeCall.objects.filter(outcome=CallOutcome.UNKNOWN):
            seen_of(call)
        looked_at_just_now(desk)
        counts.append(queries_of_a_run(wanted))
        assert not ExchangeCall.objects.filter(outcome=CallOutcome.UNKNOWN).exists()
    own_writes = (
        5  # a transaction's begin and end, the cycle's lock, the outcome, a dead letter's version
    )
    assert counts[2] - counts[1] == 3 * own_writes


def test_a_trace_without_a_network_is_not_taken_while_a_twin_on_another_is_open(
    desk: TestDesk,
) -> None:
    unknown_withdrawals(1)
    unknown_withdrawals(1, network="BSC")
    here = ExchangeCall.objects.get(request__network="XRP")
    seen_of(here, network="")
    looked_at_just_now(desk)
    assert reconciling.reconcile_open_calls().resolved == 0


def test_a_trace_is_not_taken_while_a_twin_is_open_whose_quantity_is_written_otherwise(
    desk: TestDesk,
) -> None:
    """What is known is read once for all of a run: the second would take what the first had just taken."""
    unknown_withdrawals(1)
    unknown_withdrawals(1, written="{}.0")
    seen_of(ExchangeCall.objects.get(request__quantity="1990"))
    looked_at_just_now(desk)
    assert reconciling.reconcile_open_calls().resolved == 0


def test_a_person_is_asked_of_a_withdrawal_without_a_word_once_its_last_moment_is_over_as_well(
    desk: TestDesk,
) -> None:
    unknown_withdrawals(1)
    calls = ExchangeCall.objects.filter(outcome=CallOutcome.UNKNOWN)
    calls.update(noted_at=Now() - timedelta(seconds=60) - SEND_WITHIN / 2)
    looked_at_just_now(desk)
    assert reconciling.reconcile(calls.get()).turn is Turn.WAIT
    calls.update(duration_ms=5)
    assert reconciling.reconcile(calls.get()).turn is Turn.FAIL


def test_all_open_calls_are_asked_about_batch_by_batch_each_once(
    desk: TestDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciling, "BATCH", 2)
    calls = unknown_calls(5, age_seconds=3600)
    mine = ExchangeCall.objects.filter(pk=calls[0].pk)  # stays unknown
    mine.update(noted_at=F("intended_at"), missed_at=None)
    reports = [batch.report for batch in reconciling.reconcile_all_open_calls()]
    assert [(one.looked_at, one.resolved) for one in reports] == [(2, 1), (2, 2), (1, 1)]
    assert [outcome(call) for call in calls] == ["UNKNOWN"] + ["ABSENT"] * 4


@pytest.mark.django_db(transaction=True)
def test_calls_whose_cycles_are_all_locked_leave_the_next_run_to_those_behind_them(
    committed_desk: TestDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciling, "BATCH", 1)
    locked, free = (
        builders.order_call(builders.dead_letter(), CallOutcome.INTENDED) for _ in range(2)
    )
    with locked_elsewhere(Lease(cycle_id=locked.cycle_id, owner="", fence=0)):
        looked_at = [reconciling.reconcile_open_calls().looked_at for _ in range(2)]
    assert looked_at == [0, 1]
    assert (outcome(locked), outcome(free)) == ("INTENDED", "UNKNOWN")
