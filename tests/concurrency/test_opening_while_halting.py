"""Halting against opening: no cycle begins after a HALT, whoever opens it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from decimal import Decimal

import pytest
from django.db import connection

from cycles.domain.words import Mode
from cycles.models import Cycle, Desk
from cycles.services import desk as desk_services, opening
from tests import builders
from tests.concurrency.meeting import SECONDS, Meeting, root, told, until_somebody_waits
from tests.desk import TestDesk

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]

BEGINS = 'INSERT INTO "cycles_cycle"'
Opening = Callable[[], object]


def by_policy() -> object:
    """Open as an initiator does."""
    return opening.open_if_decided(actor="one")


def by_hand() -> object:
    return opening.open_by_hand(
        asset="XRP", notional_usdt=Decimal(1000), actor=root(), reason="smoke"
    )


def return_only() -> object:
    return opening.open_return_only(
        notional_krw=Decimal(1_000_000), actor=root(), reason="smoke", korea_venue="upbit"
    )


EACH = pytest.mark.parametrize("act", [by_policy, by_hand, return_only])


def ready(desk: TestDesk) -> None:
    """Let the policy open at any edge, and give the desk KRW to carry home."""
    desk_services.set_policy(
        {"min_open_edge_bps": Decimal(-9000)}, actor=root(), reason="r", seen_number=1
    )
    builders.capital("upbit", "KRW", 2_000_000)
    desk.stand_still()
    desk.sample()


def halt() -> None:
    """Halt the desk, on a thread of a test."""
    try:
        desk_services.set_mode(Mode.HALT, actor=root(), reason="smoke")
    finally:
        connection.close()


def halted_once_opening_is_decided(
    act: Opening, then: Callable[[Future[None]], None]
) -> tuple[object, str]:
    """Halt when an opening has read the mode and not written yet; gives what it gave, and the mode before it wrote."""
    has_decided, may_write = Meeting(), Meeting()

    def open_slowly() -> object:
        with has_decided.before(BEGINS), may_write.before(BEGINS):
            return act()

    with ThreadPoolExecutor(2) as pool:
        opens = pool.submit(told, open_slowly)
        has_decided.wait()
        halts = pool.submit(halt)
        then(halts)
        mode = Desk.objects.get().mode
        assert not Cycle.objects.exists()
        may_write.wait()
        opened = opens.result(SECONDS)
        halts.result(SECONDS)
    return opened, mode


@EACH
def test_a_halt_waits_for_an_opening_under_way(committed_desk: TestDesk, act: Opening) -> None:
    ready(committed_desk)
    opened, mode = halted_once_opening_is_decided(act, lambda _halts: until_somebody_waits())
    assert Cycle.objects.get() == opened
    assert mode == Mode.RUN
    assert Desk.objects.get().mode == Mode.HALT


@EACH
def test_the_negative_control_without_the_shared_mode_a_cycle_begins_after_the_halt(
    committed_desk: TestDesk, monkeypatch: pytest.MonkeyPatch, act: Opening
) -> None:
    ready(committed_desk)
    monkeypatch.setattr(opening, "share_mode", lambda: None)
    opened, mode = halted_once_opening_is_decided(act, lambda halts: halts.result(SECONDS))
    assert Cycle.objects.get() == opened
    assert mode == Mode.HALT
