"""Whom a withdrawal without a name may be of: looked for among all cycles by as many reads as among one."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cycles.domain.words import CallOutcome
from cycles.models import Cycle, Step
from cycles.services import nameless
from tests import builders

pytestmark = pytest.mark.django_db


def about_to_send() -> Cycle:
    """Open a cycle that has bought, and would send its coins next."""
    row = builders.cycle()
    Step.objects.filter(cycle=row, kind="BUY").update(quantity_out=Decimal(1990))
    return row


def test_the_candidates_of_many_cycles_take_as_many_reads_as_those_of_one() -> None:
    counts = []
    for _ in range(3):
        about_to_send()
        with CaptureQueriesContext(connection) as made:
            found = nameless.candidates()
        assert len(found) == Cycle.objects.count()
        counts.append(len(made))
    assert counts == [4, 4, 4]


@pytest.mark.parametrize(
    ("outcome", "status", "is_candidate"),
    [
        (CallOutcome.DONE, "done", False),
        (CallOutcome.DONE, "failed", True),  # the venue gave it back: it is sent anew
        (CallOutcome.UNKNOWN, None, False),
        (CallOutcome.ABSENT, None, True),
    ],
)
def test_who_has_sent_or_may_have_sent_is_none(
    outcome: CallOutcome, status: str | None, *, is_candidate: bool
) -> None:
    row = about_to_send()
    report = {"status": status, "txid": ""} if status else None
    builders.withdrawal_call(row, outcome=outcome, report=report)
    assert bool(nameless.candidates()) == is_candidate
