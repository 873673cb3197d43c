"""What a later request proves of the steps before it, where they did not go as the backup has them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction

from cycles.domain.words import FailureClass
from cycles.models import ExchangeCall, Step
from cycles.services import intervening, recalling, replaying
from cycles.services.locking import lock_cycle
from cycles.services.settling import settle_left
from exchanges import registry
from exchanges.values import WithdrawalReport
from tests.cycles.restoring.acts import (
    WORDS,
    assert_ledger_equals_venues,
    catch_up,
    driven_to,
    resume,
    times_placed,
)
from tests.cycles.restoring.dumps import Backups
from tests.cycles.services.acts import fail, give_back
from tests.cycles.services.review import (
    WITHDRAWALS,
    no_faults,
    told,
    units_until_done,
    withdrawal_row,
)
from tests.desk import TestDesk, eventually, operator

pytestmark = pytest.mark.django_db(transaction=True)


def last_hour() -> recalling.History:
    return recalling.recall(registry.utc_now() - timedelta(hours=1))


def as_it_left(call: ExchangeCall) -> WithdrawalReport:
    """Give a withdrawal as its venue shows it once it has left."""

    eventually(lambda: _shown(call).txid)
    return _shown(call)


def _shown(call: ExchangeCall) -> WithdrawalReport:
    row = last_hour().withdrawal(call.venue, call.venue_order_id)
    assert row is not None
    return row


def test_a_withdrawal_that_went_out_anew_by_another_transaction_is_followed_to_its_credit(
    committed_desk: TestDesk, backups: Backups
) -> None:
    desk = committed_desk
    row = desk.open("XRP")
    lease = units_until_done(desk, row, "OUTBOUND", "BUY")
    desk.unit(lease)
    call = ExchangeCall.objects.get(cycle=row, operation="WITHDRAW")
    told(desk, "binance", WITHDRAWALS, [withdrawal_row(call, txId="dropped")])
    give_back(lease)
    give_back(units_until_done(desk, row, "OUTBOUND", "WITHDRAW"))
    no_faults(desk)
    dump = backups.dump()
    anew = as_it_left(call)
    with transaction.atomic():
        own = ExchangeCall.objects.select_related("step").get(pk=call.pk)
        settle_left(lock_cycle(row.pk), own, anew)
    driven_to(desk, row, 4)

    backups.restore(dump)
    assert ExchangeCall.objects.get(pk=call.pk).report["txid"] == "dropped"
    done = catch_up(*WORDS)
    assert (done["code"], done["left"], done["is_in_step"]) == (0, [], True)
    assert ExchangeCall.objects.get(pk=call.pk).report["txid"] == anew.txid
    assert_ledger_equals_venues()
    resume()
    desk.drive_until(row, "COMPLETED")
    assert times_placed(desk) == 1
    assert_ledger_equals_venues()


def test_a_sale_of_an_unwind_that_sold_is_done_when_another_one_follows(
    committed_desk: TestDesk,
) -> None:
    desk = committed_desk
    row = driven_to(desk, desk.open("XRP"), 1)
    fail(row, FailureClass.POLICY_DENIED)
    intervening.unwind(row.pk, actor=operator(), reason="sell", seen_version=row.version)
    desk.drive_until(row, "FAILED")
    sale = Step.objects.get(cycle=row, passage="UNWIND")
    assert sale.quantity_out
    history = last_hour()
    another = next(
        one for one in history.named() if one.name and one.name.position == sale.position
    )
    for state in ("RUNNING", "PENDING"):
        Step.objects.filter(pk=sale.pk).update(state=state)
        with transaction.atomic():
            replaying.conclude(lock_cycle(row.pk), sale, history, unwound_by=another)
        sale.refresh_from_db()
        assert sale.state == "DONE"
