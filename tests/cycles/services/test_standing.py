"""Where a cycle stands is read by one statement, and is what the models say."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection, models
from django.test.utils import CaptureQueriesContext

from cycles.domain.words import CallOutcome, CycleStatus
from cycles.errors import NotFoundError
from cycles.models import Cycle, Step
from cycles.models.fields import uuid7
from cycles.services import booking, standing
from tests import builders

pytestmark = pytest.mark.django_db


def columns(row: models.Model) -> dict[str, Any]:
    """Give every column of a row."""
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


def test_it_is_what_the_models_say() -> None:
    row = builders.cycle()
    seen = standing.read(row.pk)
    asked = Cycle.objects.select_related("policy").get(pk=row.pk)
    assert columns(seen.cycle) == columns(asked)
    assert columns(seen.cycle.policy) == columns(asked.policy)
    assert seen.step is not None
    assert columns(seen.step) == columns(Step.objects.get(cycle=row, position=0))
    assert booking.holdings(seen.cycle) == booking.holdings(asked) != ()


def test_it_takes_one_statement() -> None:
    row = builders.cycle()
    standing.read(row.pk)  # its policy is read once for all its cycles
    with CaptureQueriesContext(
        connection,
    ) as queries:
        seen = standing.read(row.pk)
        booking.held_by_cycle(seen.cycle, "binance", "USDT")
        assert seen.cycle.policy.number
    assert len(queries) == 1


def test_a_step_that_is_done_is_not_the_next() -> None:
    row = builders.cycle()
    Step.objects.filter(cycle=row, position=0).update(state="DONE", settled_at=row.started_at)
    step = standing.read(row.pk).step
    assert step is not None
    assert step.position == 1


def test_a_passage_that_has_no_step_left_has_no_next_one() -> None:
    row = builders.cycle()
    builders.moved_to(row, CycleStatus.INITIAL_TRADE_COMPLETED)
    assert standing.read(row.pk).step is None


@pytest.mark.parametrize(
    ("outcome", "is_settled", "is_loose"),
    [
        (CallOutcome.INTENDED, False, True),
        (CallOutcome.UNKNOWN, False, True),
        (CallOutcome.DONE, False, True),
        (CallOutcome.DONE, True, False),
        (CallOutcome.REFUSED, False, False),
    ],
)
def test_a_call_that_is_open_or_unsettled_is_loose(
    outcome: CallOutcome, is_settled: bool, is_loose: bool
) -> None:
    row = builders.cycle()
    builders.order_call(row, outcome, is_settled=is_settled)
    assert standing.read(row.pk).is_loose is is_loose


def test_a_cycle_that_is_not_there_is_said_so() -> None:
    with pytest.raises(NotFoundError):
        standing.read(uuid7())
