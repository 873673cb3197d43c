"""The proof of the ledger, stopped between what it saw and the halt: what people settled meanwhile halts nothing."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction

from cycles.domain import postings
from cycles.domain.words import AccountOwner, Mode, PostingKind
from cycles.models import Alert, Desk
from cycles.services import booking, verifying
from cycles.services.desk import set_mode
from tests.concurrency.meeting import SECONDS, root, told
from tests.concurrency.unguarded import take_out
from tests.desk import TestDesk

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]


def credit(desk: TestDesk, by: int) -> None:
    """Let Binance hold so much more than before."""
    desk.control("/control/balances", {"venue": "binance", "asset": "USDT", "credit": str(by)})


def book(quantity: int) -> None:
    """Book so much of what Binance holds as the desk's capital."""
    lines = postings.moved(
        "binance", "USDT", Decimal(quantity), origin=AccountOwner.CAPITAL, target=AccountOwner.DESK
    )
    with transaction.atomic():
        booking.post(f"found:{quantity}", PostingKind.CAPITAL, lines)


def take_it_away_and_resume(desk: TestDesk) -> None:
    """Halt, take away at the venue what was too much there, prove that, and go on; nothing is booked."""
    seen = set_mode(Mode.HALT, actor=root(), reason="7 USDT too much").version
    credit(desk, -7)
    assert verifying.verify_ledger().matches_venues
    set_mode(Mode.RUN, actor=root(), reason="gone", seen_version=seen)


def book_it(_: TestDesk) -> None:
    """Book what was too much, while the desk runs."""
    book(7)


def book_a_part(_: TestDesk) -> None:
    book(4)


def woken(desk: TestDesk, meanwhile: Callable[[TestDesk], object]) -> Desk:
    """Let the job see 7 USDT too much, and sleep before it has the desk's mode; gives what it leaves."""
    asleep: list[bool] = []

    def sleep(execute: Callable[..., Any], sql: Any, *rest: Any) -> Any:
        if not asleep and str(sql).startswith("SELECT pg_advisory_xact_lock("):
            asleep.append(True)
            with ThreadPoolExecutor(1) as pool:
                assert pool.submit(told, lambda: meanwhile(desk)).result(timeout=SECONDS) is None
        return execute(sql, *rest)

    credit(desk, 7)
    with connection.execute_wrapper(sleep):
        verifying.verify_ledger_job()
    assert asleep
    return Desk.objects.get()


@pytest.mark.parametrize(
    ("meanwhile", "guard"),
    [
        (take_it_away_and_resume, "desk.current().version != seen"),
        (book_it, "report.marker != journal_marker()"),
    ],
)
def test_what_people_settled_while_the_proof_slept_halts_no_desk(
    committed_desk: TestDesk,
    monkeypatch: pytest.MonkeyPatch,
    meanwhile: Callable[[TestDesk], object],
    guard: str,
) -> None:
    assert woken(committed_desk, meanwhile).mode == Mode.RUN
    assert not Alert.objects.filter(key__startswith="ledger:").exists()
    take_out(monkeypatch, verifying._has_changed, guard, "False")
    assert woken(committed_desk, meanwhile).mode == Mode.HALT  # the negative control
    assert Alert.objects.filter(key__startswith="ledger:").exists()


def test_what_is_left_of_it_halts_the_desk_at_once(committed_desk: TestDesk) -> None:
    row = woken(committed_desk, book_a_part)
    assert row.mode == Mode.HALT
    assert "the ledger says 100004." in row.mode_reason
