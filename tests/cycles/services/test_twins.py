"""Two withdrawals that ask for the same: the trace of one is never taken for the other's."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from cycles.domain.progress import Turn
from cycles.domain.words import CallOutcome
from cycles.models import Cycle, ExchangeCall
from cycles.services import opening
from cycles.services.moving import Lease
from exchanges import registry
from tests.cycles.services.acts import set_policy, units_until, withdrawals
from tests.desk import TestDesk, operator

PATH = "/v1/withdraws/coin$"


@pytest.fixture(autouse=True)
def _short_patience(settings: Any) -> None:
    """Let a venue hang for one second only."""
    settings.KIMP_VENUE_DEADLINE_SECONDS = 1
    registry.forget()


def _about_to_withdraw(desk: TestDesk) -> tuple[Cycle, Lease]:
    """Take a cycle home as far as its USDT at Upbit; every one holds the same quantity."""
    desk.sample()
    row = opening.open_return_only(
        notional_krw=Decimal(1_000_000), actor=operator(), reason="a test"
    )
    return row, units_until(desk, row, "BUY", "upbit")


def _outcome(row: Cycle) -> str:
    return ExchangeCall.objects.get(cycle=row, operation="WITHDRAW").outcome


def test_the_trace_of_one_withdrawal_is_not_taken_for_that_of_its_twin(desk: TestDesk) -> None:
    set_policy(allowed_assets=["USDT"])
    book = {"venue": "upbit", "symbol": "KRW-USDT", "mid": "1400", "quantity": "10000000"}
    desk.control("/control/book", book)
    (never_sent, first), (lost, second) = _about_to_withdraw(desk), _about_to_withdraw(desk)
    desk.fault(fault="F25", venue="upbit", method="POST", path_regex=PATH, when="once")
    desk.unit(first)
    desk.fault(fault="F24", venue="upbit", method="POST", path_regex=PATH, when="once")
    desk.unit(second)
    assert [_outcome(never_sent), _outcome(lost)] == ["UNKNOWN", "UNKNOWN"]
    assert len(withdrawals(desk, "upbit")) == 1

    assert desk.unit(first).turn is Turn.WAIT

    assert _outcome(never_sent) == CallOutcome.UNKNOWN
    ExchangeCall.objects.filter(cycle=never_sent, operation="WITHDRAW").update(
        outcome=CallOutcome.ABSENT  # by a person's evidence
    )
    assert desk.unit(second).turn is Turn.GO_ON
    assert _outcome(lost) == CallOutcome.DONE
