"""Each decision of the services, its lease lost between the reading and the lock: refused, and nothing is written.

The places are found in the code (`places.py`): one that comes new fails here until a case of it is named.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from types import FrameType
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.db.models.functions import Now
from structlog.testing import capture_logs

from cycles.domain.words import FailureClass
from cycles.models import Cycle
from cycles.services import intervening, leasing
from exchanges.models import NetworkRule
from tests.concurrency.meeting import SECONDS, told
from tests.concurrency.places import SERVICES, deciding_places
from tests.cycles.services import acts, review, test_judging, test_unwinding
from tests.cycles.services.test_given_back_late import on_its_way
from tests.desk import TestDesk, eventually, operator, role_of

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]

ORDER = {"venue": "binance", "method": "POST", "path_regex": "/order$", "when": "once"}
SENDING = {"venue": "binance", "method": "POST", "path_regex": "/withdraw/apply$", "when": "once"}
DOORS = {"locking", "moving"}  # what every place locks through


def _harmed(fault: dict[str, Any], desk: TestDesk) -> Cycle:
    """Open a cycle that meets a fault."""
    desk.fault(**fault)
    return desk.open()


def _unwinding(desk: TestDesk) -> Cycle:
    """Give a cycle that is to sell its coins where they lie."""
    row = desk.open()
    acts.give_back(acts.units_until(desk, row, "BUY"))
    acts.fail(row, FailureClass.POLICY_DENIED)
    intervening.unwind(row.pk, actor=operator(), reason="a test", seen_version=row.version)
    return row


def _told_anew(desk: TestDesk, **facts: object) -> Cycle:
    """Give a cycle of whose withdrawal, which had left, its venue tells something else by now."""
    row, call = on_its_way(desk)
    review.told(desk, "binance", review.WITHDRAWALS, [review.withdrawal_row(call, **facts)])
    return row


def _shut_out(desk: TestDesk) -> Cycle:
    """Give a cycle that has bought nothing yet, and whose coins could not leave any more."""
    row = desk.open()
    test_judging.long_ago(row)
    NetworkRule.objects.filter(venue="binance", asset="XRP").update(withdraw_is_open=False)
    return row


def _shut_in(desk: TestDesk) -> Cycle:
    """Give a cycle that has bought no way home yet, and whose coins could not leave any more."""
    row = test_judging.on_the_way_back(desk)
    mine = NetworkRule.objects.filter(venue="upbit", asset=row.return_asset)
    mine.update(withdraw_is_open=False)
    return row


LOST_ORDER = partial(_harmed, {"fault": "F4", **ORDER})
CASES: dict[str, Callable[[TestDesk], Cycle]] = {
    "advancing._close": TestDesk.open,
    "advancing._move": TestDesk.open,
    "judging._end_flat": _shut_out,
    "judging._wait_again": _shut_in,
    "rebalancing._start": TestDesk.open,
    "retrying.fail": partial(_harmed, {"fault": "F22", **ORDER}),
    "trading._end": LOST_ORDER,
    "trading.settle_open_order": LOST_ORDER,
    "transferring._came_back_late": partial(_told_anew, status=5),
    "transferring._follow": TestDesk.open,
    "transferring._given_back": partial(_harmed, {"fault": "F27", **SENDING}),
    "transferring._settle": TestDesk.open,
    "transferring._with_newest_txid": partial(_told_anew, txId="beef"),
    "transferring.settle_accepted": partial(_harmed, {"fault": "F4", **SENDING}),
    "unwinding._end": _unwinding,
    "unwinding._plan_sales": _unwinding,
    "unwinding.set_plan": test_unwinding.left_by_a_fallen_fee,
}


@dataclass(slots=True)
class TakeOver:
    """Lets another worker take a cycle the moment before a place of the code locks it."""

    row: Cycle
    place: str
    left: dict[str, list[Any]] = field(
        default_factory=dict
    )  # all rows, as the other one found them

    def act(self) -> None:
        """Let the lease run out, and take the cycle."""
        self.row.refresh_from_db()
        Cycle.objects.filter(pk=self.row.pk).update(
            wake_at=Now(), lease_expires_at=Now() - timedelta(seconds=1)
        )
        claimed = leasing.claim(role_of(self.row), "other", limit=50)
        assert self.row.pk in {lease.cycle_id for lease in claimed}
        self.left = every_row()

    @contextmanager
    def on_the_way(self) -> Iterator[None]:
        """Strike once, on this thread's way to the place."""

        def watch(execute: Callable[..., Any], sql: Any, *rest: Any) -> Any:
            if "FOR NO KEY UPDATE" in str(sql) and not self.left and _locker() == self.place:
                with ThreadPoolExecutor(1) as pool:
                    assert pool.submit(told, self.act).result(timeout=SECONDS) is None
            return execute(sql, *rest)

        with connection.execute_wrapper(watch):
            yield


def _locker() -> str:
    """Name the function of the services that locks a row now."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        file, _, name = frame.f_code.co_filename.rpartition("/")
        if file == str(SERVICES) and name.removesuffix(".py") not in DOORS:
            return f"{name.removesuffix('.py')}.{frame.f_code.co_qualname.partition('.')[0]}"
        frame = frame.f_back
    return ""


def every_row() -> dict[str, list[Any]]:
    """Give all that the desk's tables hold."""
    return {
        model.__name__: list(model._base_manager.order_by("pk").values())
        for model in apps.get_app_config("cycles").get_models()
    }


def test_every_place_that_decides_has_its_case() -> None:
    assert deciding_places() == sorted(CASES)


@pytest.mark.parametrize("place", CASES)
def test_who_loses_its_lease_on_the_way_to_a_decision_leaves_all_as_it_was(
    committed_desk: TestDesk, place: str
) -> None:
    row = CASES[place](committed_desk)
    taken = TakeOver(row, place)

    def is_there() -> bool:
        committed_desk.step(row)
        return bool(taken.left)

    with taken.on_the_way(), capture_logs() as lines:
        eventually(is_there)

    assert every_row() == taken.left
    assert [line["event"] for line in lines].count("lease.lost") == 1
