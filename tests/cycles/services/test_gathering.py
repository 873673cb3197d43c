"""What a batch of a sweep has read is old by the time that it is written: what was found meanwhile stands."""

from __future__ import annotations

import pytest
from django.db.models import F

from cycles.domain.progress import Progress, Turn
from cycles.models import Cycle, ExchangeCall
from cycles.services import reconciling
from cycles.services.desk import database_now
from cycles.services.gathering import Gathered
from exchanges import registry
from tests.cycles.services.test_reconciling_in_turn import seen_order_of, unknown_calls
from tests.desk import TestDesk


@pytest.mark.parametrize("is_missed", [True, False])
def test_an_order_that_a_look_shows_once_its_batch_was_read_is_neither_absent_nor_missed(
    desk: TestDesk, is_missed: bool
) -> None:
    (call,) = unknown_calls(1, age_seconds=3600)
    if not is_missed:
        ExchangeCall.objects.update(missed_at=None)
    call = ExchangeCall.objects.select_related("step", "cycle", "destination").get()
    before = call.missed_at
    read = Gathered([call], database_now())
    read.seen(call.venue)
    seen_order_of(call)
    progress = reconciling._asked(registry.venue(call.venue), call, read)
    read.mark_missed()
    call.refresh_from_db()
    assert (progress.turn, call.outcome, call.missed_at) == (Turn.WAIT, "UNKNOWN", before)


def batch_of(call: ExchangeCall) -> reconciling._Batch:
    """Begin with a batch of one call, as a sweep reads it."""
    found = ExchangeCall.objects.select_related("step", "cycle", "destination").get(pk=call.pk)
    return reconciling._Batch([found], database_now())


def test_an_order_that_was_found_once_its_batch_was_read_is_not_absent(desk: TestDesk) -> None:
    """Catching up forgets that it was missed where it finds what it can book for nobody."""
    (row,) = unknown_calls(1, age_seconds=3600)
    read = batch_of(row)
    ExchangeCall.objects.update(missed_at=None)
    reconciling._asked(registry.venue(row.venue), read.calls[0], read)
    read.mark_missed()
    row.refresh_from_db()
    assert (row.outcome, row.missed_at) == ("UNKNOWN", None)


def test_an_order_whose_cycle_was_moved_once_its_batch_was_read_is_not_missed(
    desk: TestDesk,
) -> None:
    (row,) = unknown_calls(1, age_seconds=3600)
    ExchangeCall.objects.update(missed_at=None)
    read = batch_of(row)
    reconciling._asked(registry.venue(row.venue), read.calls[0], read)
    Cycle.objects.filter(pk=row.cycle_id).update(version=F("version") + 1)
    read.mark_missed()
    row.refresh_from_db()
    assert row.missed_at is None


def test_what_a_broken_off_batch_has_missed_is_marked(
    desk: TestDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = unknown_calls(2, age_seconds=3600)
    ExchangeCall.objects.update(missed_at=None)
    real = reconciling._told

    def broken_off(call: ExchangeCall, progress: Progress) -> bool:
        real(call, progress)
        raise SystemExit

    monkeypatch.setattr(reconciling, "_told", broken_off)
    with pytest.raises(SystemExit):
        reconciling.reconcile_open_calls()
    first.refresh_from_db()
    assert first.missed_at is not None
