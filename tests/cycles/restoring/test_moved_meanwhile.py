"""What moves the books while catching up asks the venues: it is asked again, for nothing fits what was read before."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError
from django.db import connection

from cycles.management.base import TRY_LATER
from cycles.models import Cycle, Posting, Step
from cycles.services import desk as desk_service, homing, opening
from cycles.services.advancing import advance
from exchanges.transport.http import HttpSender
from tests.cycles.restoring.acts import (
    ACCEPT,
    WORDS,
    assert_ledger_equals_venues,
    catch_up,
    driven_to,
    resume,
)
from tests.cycles.services.acts import set_policy
from tests.desk import TestDesk, eventually, operator

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def under_way(committed_desk: TestDesk) -> Cycle:
    """Give a cycle whose USDT has left Korea, and does not arrive while market time stands still."""
    desk = committed_desk
    set_policy(allowed_assets=["USDT"])
    book = {"venue": "upbit", "symbol": "KRW-USDT", "mid": "1400", "quantity": "10000000"}
    desk.control("/control/book", book)
    desk.sample()
    cycle = opening.open_return_only(
        notional_krw=Decimal(3_000_000), actor=operator(), reason="send it home"
    )
    driven_to(desk, cycle, 1)
    desk.control("/control/clock", {"freeze": True})
    return driven_to(desk, cycle, 2)


def once_balances_are_read(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let something happen, in a thread of its own, once this thread has read the balances at Binance."""
    send, mine = HttpSender.send, threading.get_ident()
    left = [act]

    def watched(self: HttpSender, signed: Any, **facts: Any) -> Any:
        reply = send(self, signed, **facts)
        is_it = signed.target.startswith("/api/v3/account?") and threading.get_ident() == mine
        if is_it and left:
            with ThreadPoolExecutor(1) as pool:
                pool.submit(apart, left.pop()).result()
        return reply

    monkeypatch.setattr(HttpSender, "send", watched)


def apart(act: Callable[[], object]) -> None:
    """Do something on a connection of its own."""
    try:
        act()
    finally:
        connection.close()


def test_a_credit_settled_after_the_balances_were_read_is_not_accepted_away(
    committed_desk: TestDesk, under_way: Cycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = committed_desk

    def credit() -> None:
        """Let the coins arrive, and a worker see it."""
        desk.control("/control/clock", {"freeze": False})
        arrival = Step.objects.filter(cycle=under_way, position=3)
        eventually(lambda: arrival.get().state == "DONE" or not looked_at(desk, under_way))

    once_balances_are_read(monkeypatch, credit)
    with pytest.raises(CommandError, match="run it again") as refused:
        catch_up(*ACCEPT)
    assert refused.value.returncode == TRY_LATER
    assert Step.objects.get(cycle=under_way, position=3).state == "DONE"
    assert not Posting.objects.filter(key__startswith="capital:caught_up").exists()
    assert not homing.is_at_home()

    done = catch_up(*ACCEPT)
    assert (done["code"], done["accepted"], done["is_in_step"]) == (0, [], True)
    assert_ledger_equals_venues()


def looked_at(desk: TestDesk, cycle: Cycle) -> bool:
    """Let a worker see how far a cycle is."""
    advance(desk.lease(cycle))
    return True


def test_a_cycle_that_a_worker_took_meanwhile_is_not_taken_from_it(
    committed_desk: TestDesk, under_way: Cycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = committed_desk
    once_balances_are_read(monkeypatch, lambda: desk.lease(under_way))
    with pytest.raises(CommandError, match="stop all roles") as refused:
        catch_up(*WORDS)
    assert refused.value.returncode == TRY_LATER
    under_way.refresh_from_db()
    assert under_way.lease_owner
    assert not homing.is_at_home()


def test_a_run_that_another_one_overtook_writes_nothing(
    committed_desk: TestDesk, under_way: Cycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtake() -> None:
        assert catch_up(*WORDS)["is_in_step"]
        resume()

    once_balances_are_read(monkeypatch, overtake)
    with pytest.raises(CommandError, match="caught up meanwhile") as refused:
        catch_up(*WORDS)
    assert refused.value.returncode == TRY_LATER
    assert desk_service.current().mode == "RUN"
    assert homing.is_at_home()
