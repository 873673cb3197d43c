"""A withdrawal that had left, and whose venue then says that it failed, or left again on other terms."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial

import pytest
from django.db import connection

from cycles.domain.progress import Turn
from cycles.domain.words import CycleStatus, FailureClass
from cycles.models import Cycle, ExchangeCall
from cycles.services import dead_letters, intervening
from cycles.services.moving import Lease
from exchanges.models import TransferRoute
from tests.cycles.services.acts import balance, give_back, lose_worker, withdrawals
from tests.cycles.services.review import (
    WITHDRAWALS,
    no_faults,
    told,
    units_until_done,
    withdrawal_row,
)
from tests.desk import TestDesk, eventually, operator


def on_its_way(desk: TestDesk, **facts: object) -> tuple[Cycle, ExchangeCall]:
    """Send a cycle's coins, as their venue tells it; what does not arrive is overdue at once."""
    TransferRoute.objects.update(expected_seconds=0, overdue_seconds=0)
    row = desk.open()
    desk.fault(fault="F28", venue="binance", when="once")
    lease = units_until_done(desk, row, "OUTBOUND", "BUY")
    desk.unit(lease)
    call = ExchangeCall.objects.get(cycle=row, operation="WITHDRAW")
    told(desk, "binance", WITHDRAWALS, [withdrawal_row(call, **facts)])
    give_back(lease)
    give_back(units_until_done(desk, row, "OUTBOUND", "WITHDRAW"))
    no_faults(desk)
    return row, call


REFUSING = """
CREATE FUNCTION kimp_test_busy() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'somebody has locked it' USING ERRCODE = 'lock_not_available'; END $$;
CREATE TRIGGER busy BEFORE INSERT ON cycles_retry FOR EACH ROW EXECUTE FUNCTION kimp_test_busy();
"""


@contextmanager
def no_failure_can_be_written() -> Iterator[None]:
    """Let the database be too busy for any row of a retry history."""
    with connection.cursor() as cursor:
        cursor.execute(REFUSING)
        yield
        cursor.execute("DROP FUNCTION kimp_test_busy CASCADE")


def is_only_waited_for(desk: TestDesk, lease: Lease) -> bool:
    """Do a unit, and say whether it found nothing new."""
    return bool(desk.unit(lease).reason == "the deposit is not credited yet")


def is_there_again(desk: TestDesk, row: Cycle) -> None:
    """Let the venue hold what the ledger says that it gave back."""
    held = balance("binance", "XRP", "CYCLE", row)
    desk.control("/control/balances", {"venue": "binance", "asset": "XRP", "credit": str(held)})


def is_waited_for_by(desk: TestDesk, row: Cycle, txid: str) -> bool:
    """Drive a cycle on, and say whether its coins are waited for by this transaction by now."""
    desk.step(row)
    return bool(ExchangeCall.objects.get(cycle=row, operation="WITHDRAW").report["txid"] == txid)


@pytest.mark.parametrize("txid", ["feed", "beef", ""])
def test_what_a_venue_gives_back_after_it_had_left_is_the_cycles_again_and_a_persons_to_send(
    desk: TestDesk, txid: str
) -> None:
    row, call = on_its_way(desk)
    spent = Decimal(call.report["quantity"]) + Decimal(call.report["network_fee"])
    told(desk, "binance", WITHDRAWALS, [withdrawal_row(call, status=5, txId=txid)])
    desk.drive_until(row, "DEAD_LETTER")
    assert row.failure_class == FailureClass.UNKNOWN_WITHDRAWAL
    assert balance("upbit", "XRP", "IN_FLIGHT", row) == 0
    assert balance("binance", "XRP", "CYCLE", row) >= spent
    assert dead_letters.process_dead_letters() == 0


def test_who_dies_as_it_takes_back_what_had_left_leaves_it_a_persons_to_send(
    desk: TestDesk,
) -> None:
    row, call = on_its_way(desk)
    told(desk, "binance", WITHDRAWALS, [withdrawal_row(call, status=5)])
    lease = desk.lease(row)
    eventually(lambda: desk.unit(lease).turn is Turn.FAIL)
    lose_worker(row)
    no_faults(desk)
    is_there_again(desk, row)
    desk.drive_until(row, "DEAD_LETTER", "INITIAL_TRADE_COMPLETED")
    assert (row.status, row.failure_class) == ("DEAD_LETTER", FailureClass.UNKNOWN_WITHDRAWAL)
    assert len(withdrawals(desk, "binance")) == 1


def test_what_had_left_is_taken_back_with_its_dead_letter_or_not_at_all(desk: TestDesk) -> None:
    row, call = on_its_way(desk)
    told(desk, "binance", WITHDRAWALS, [withdrawal_row(call, status=5)])
    lease = desk.lease(row)
    with no_failure_can_be_written():
        eventually(lambda: not is_only_waited_for(desk, lease))
    assert balance("upbit", "XRP", "IN_FLIGHT", row) == Decimal(call.report["quantity"])
    give_back(lease)
    desk.drive_until(row, "DEAD_LETTER")
    assert row.failure_class == FailureClass.UNKNOWN_WITHDRAWAL
    assert balance("upbit", "XRP", "IN_FLIGHT", row) == 0


def test_what_was_given_back_late_is_sent_anew_once_a_person_has_said_so(desk: TestDesk) -> None:
    row, call = on_its_way(desk)
    told(desk, "binance", WITHDRAWALS, [withdrawal_row(call, status=5)])
    desk.drive_until(row, "DEAD_LETTER")
    no_faults(desk)
    is_there_again(desk, row)
    intervening.redrive(row.pk, actor=operator(), reason="r", seen_version=row.version)
    row.refresh_from_db()
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    sent = ExchangeCall.objects.filter(cycle=row, operation="WITHDRAW").order_by("pk")
    assert [one.report["status"] for one in sent] == ["failed", "done"]
    assert row.status == CycleStatus.INITIAL_TRADE_COMPLETED


def test_what_leaves_anew_on_other_terms_than_it_had_left_on_is_booked_as_it_is(
    desk: TestDesk,
) -> None:
    row, call = on_its_way(desk)
    quantity, fee = Decimal(call.report["quantity"]), Decimal(call.report["network_fee"])
    for txid, more in (("beef", 1), ("cafe", 2)):
        terms = {"amount": str(quantity - more), "transactionFee": str(fee + more)}
        told(desk, "binance", WITHDRAWALS, [withdrawal_row(call, txId=txid, **terms)])
        eventually(partial(is_waited_for_by, desk, row, txid))
        no_faults(desk)
        assert balance("upbit", "XRP", "IN_FLIGHT", row) == quantity - more
