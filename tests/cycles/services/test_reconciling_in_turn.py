"""The sweep over open calls: nobody starves, one call's trouble is its own, no query per call but its own writes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from cycles.domain.words import CallOutcome
from cycles.models import Alert, ExchangeCall
from cycles.services import reconciling, rotating
from tests import builders
from tests.desk import TestDesk

pytestmark = pytest.mark.django_db


def unknown_calls(count: int, *, age_seconds: int = 10) -> list[ExchangeCall]:
    """Write orders that the venue does not know, of dead letters, unknown for some seconds."""
    calls = [builders.order_call(builders.dead_letter(), CallOutcome.UNKNOWN) for _ in range(count)]
    mine = ExchangeCall.objects.filter(pk__in=[call.pk for call in calls])
    mine.update(noted_at=F("intended_at") - timedelta(seconds=age_seconds))
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
    ExchangeCall.objects.filter(pk=newest.pk).update(noted_at=F("intended_at") - timedelta(hours=1))
    assert reconciling.reconcile_open_calls().resolved == 0
    assert reconciling.reconcile_open_calls().resolved == 1
    assert outcome(newest) == CallOutcome.ABSENT


def test_a_run_without_time_left_is_gone_on_with_behind_its_last(
    desk: TestDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotating, "RUN_SECONDS", 0)
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


@pytest.mark.parametrize("state", [CallOutcome.UNKNOWN, CallOutcome.INTENDED])
def test_asking_about_more_calls_takes_no_more_queries(desk: TestDesk, state: CallOutcome) -> None:
    def write(count: int) -> None:
        if state is CallOutcome.UNKNOWN:
            unknown_calls(count)
        else:
            for _ in range(count):
                builders.order_call(builders.dead_letter(), CallOutcome.INTENDED)

    counts = []
    for wanted in (1, 2, 6):  # the first also reads names, and makes the venue's watch
        write(wanted)
        with CaptureQueriesContext(connection) as seen:
            assert reconciling.reconcile_open_calls().looked_at == wanted
        counts.append(len(seen))
        _settle_all()
    assert counts[1] == counts[2]


def _settle_all() -> None:
    ExchangeCall.objects.filter(outcome=CallOutcome.INTENDED).update(outcome=CallOutcome.UNKNOWN)
    ExchangeCall.objects.filter(outcome=CallOutcome.UNKNOWN).update(outcome=CallOutcome.ABSENT)
