"""Acts that contradict themselves or would change nothing."""

from __future__ import annotations

import pytest

from cycles.domain.words import CallOutcome, FailureClass
from cycles.models import Intervention
from tests import builders
from tests.cycles.api.conftest import Speaks
from tests.cycles.api.test_acts import WHY, act, seen

pytestmark = pytest.mark.django_db


def test_a_resolution_that_contradicts_itself_is_refused(speaks: Speaks) -> None:
    row = builders.dead_letter(failure=FailureClass.UNKNOWN_ORDER)
    builders.order_call(row, CallOutcome.UNKNOWN)
    part = {"venue": "binance", "asset": "USDT", "quantity": "1"}
    statement = {**WHY, "outcome": "CALL_ABSENT", "evidence": "T-1", "received": [part]}
    reply = speaks("approver").post(act(row, "resolve"), statement, If_Match=seen(row))
    assert (reply.status_code, reply.json()["code"]) == (400, "invalid_input")
    assert "settled by hand" in reply.json()["detail"]
    assert not Intervention.objects.exists()


def test_a_mode_that_the_desk_has_is_refused_and_the_act_that_set_it_may_be_repeated(
    speaks: Speaks,
) -> None:
    builders.desk()
    approver, mode = speaks("approver"), "/api/v1/mode/"
    given = {"mode": "FINALIZE_ONLY", "reason": "enough"}
    done = approver.post(mode, given, key="once-only")
    refused = approver.post(mode, given, If_Match=done.headers["ETag"])
    assert (refused.status_code, refused.json()["code"]) == (409, "not_allowed_now")
    again = approver.post(mode, given, key="once-only")
    assert (again.status_code, again.json()["version"]) == (200, done.json()["version"])
    assert again.headers["Idempotency-Replayed"] == "true"
    assert Intervention.objects.count() == 1
