"""Many cycles whose worker died: what became of each one's order is found out before any goes on."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from django.db import connection

from cycles.models import Cycle, ExchangeCall
from cycles.services import advancing
from cycles.services.advancing import BREATH, CROWD, advance
from cycles.services.moving import Lease
from tests.cycles.services.acts import outcomes, set_policy
from tests.cycles.services.test_adopting import LOOK_UP, left_behind
from tests.desk import TestDesk, eventually

pytestmark = pytest.mark.django_db(transaction=True)

SLOWLY = {"action": "delay_ms", "args": {"value": 4000}}


@pytest.fixture
def rows(desk: TestDesk) -> list[Cycle]:
    """Give a crowd of cycles and one more, each with an order that nobody noted."""
    most = {"max_open_cycles": 100, "max_open_cycles_per_asset": 100}
    set_policy(**most, max_exposure_per_asset_usdt=Decimal(10_000))
    found = [desk.open(notional="20") for _ in range(CROWD + 1)]
    for row in found:
        left_behind(desk, row)
    return found


@pytest.fixture
def one(desk: TestDesk, rows: list[Cycle]) -> Iterator[Cycle]:
    """Give one whose order is found while all others' are still looked for."""
    leases = [desk.lease(row, "the next") for row in rows[:CROWD]]
    desk.fault(**SLOWLY, venue="binance", method="GET", path_regex=f"{LOOK_UP}$", times=CROWD)
    with ThreadPoolExecutor(CROWD) as pool:
        looking = [pool.submit(_driven, lease) for lease in leases]
        eventually(lambda: len(advancing.finding_out) == CROWD)
        yield rows[CROWD]
        for each in looking:
            each.result()


def _driven(lease: Lease) -> None:
    try:
        advance(lease)
    finally:
        connection.close()


def test_one_that_knows_what_became_of_its_order_lets_the_others_find_out_first(
    desk: TestDesk, one: Cycle
) -> None:
    assert advance(desk.lease(one, "the next")) == BREATH
    assert [call.is_settled for call in ExchangeCall.objects.filter(cycle=one)] == [True]
    one.refresh_from_db()
    assert (one.status, one.lease_owner) == ("STARTED", "")


def test_it_goes_on_once_it_is_due_again_whoever_looks_then(desk: TestDesk, one: Cycle) -> None:
    advance(desk.lease(one, "the next"))
    advance(desk.lease(one, "the next"))
    assert outcomes(one) == ["DONE", "DONE"]  # its withdrawal as well


def test_who_is_alone_goes_on_at_once(desk: TestDesk, rows: list[Cycle]) -> None:
    advance(desk.lease(rows[0], "the next"))
    assert outcomes(rows[0]) == ["DONE", "DONE"]
    assert len(advancing.finding_out) == 0
