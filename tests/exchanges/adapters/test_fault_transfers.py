"""Withdrawals and deposits that go wrong (F24-F32): what a caller gets, sees listed, and sent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from exchanges.errors import OutcomeUnknownError, RefusalReason, RefusedError
from exchanges.values import (
    DepositStatus,
    WithdrawalReport,
    WithdrawalRequest,
    WithdrawalStatus,
)
from tests.exchanges.adapters.faulty import QUANTITY, Desk, until

# Since its request: reviewed after 30 s, broadcast after 45, a block each 4 s, credited with the third.
ON_ITS_WAY, BLOCK = 50, 4


@pytest.mark.parametrize(
    "how", [{}, {"action": "status", "args": {"status": 502}}, {"action": "rst"}], ids=str
)
def test_f24_an_accepted_withdrawal_with_a_lost_reply_is_listed_and_sent_once(
    desk: Desk, how: dict[str, Any]
) -> None:
    desk.fund()
    desk.spoil("F24", **how)
    with pytest.raises(OutcomeUnknownError):
        desk.send()
    (found,) = desk.withdrawals()
    assert (found.quantity, found.network) == (QUANTITY, "XRP")
    assert found.client_withdrawal_id == (desk.client_id if desk.venue.code == "binance" else None)
    assert desk.venue.withdrawal_rule.absence_proves_after_seconds is None
    assert (desk.arrived(), desk.truth()) == (1, [True])


@pytest.mark.parametrize("how", [{}, {"action": "rst"}], ids=str)
def test_f25_a_withdrawal_lost_before_acceptance_is_unknown_and_not_sent_again(
    desk: Desk, how: dict[str, Any]
) -> None:
    desk.fund()
    desk.spoil("F25", **how)
    with pytest.raises(OutcomeUnknownError):
        desk.send()
    assert desk.withdrawals() == []
    assert (desk.arrived(), desk.truth()) == (1, [False])


def test_a_withdrawals_id_that_was_sent_before_is_refused_by_no_venue_so_its_rule_says_that_ids_do_not_guard(
    desk: Desk,
) -> None:
    """Two of the venues are told none at all. What a resend would do; the services never do it."""
    desk.fund()
    desk.fund()
    desk.send()
    desk.send()
    assert (desk.arrived(), len(desk.withdrawals())) == (2, 2)
    assert not desk.venue.withdrawal_rule.client_id_is_burned


def test_f26_a_twin_is_told_apart_by_our_id_where_the_venue_keeps_it_and_by_nothing_else(
    desk: Desk,
) -> None:
    desk.fund()
    desk.spoil("F26")
    desk.spoil("F24", action="rst")
    with pytest.raises(OutcomeUnknownError):
        desk.send()
    alike = [(row.quantity, row.network, row.address) for row in desk.withdrawals()]
    assert len(alike) == 2
    assert alike[0] == alike[1]
    ours = {row.client_withdrawal_id for row in desk.withdrawals()}
    assert ours == ({None, desk.client_id} if desk.venue.code == "binance" else {None})
    assert desk.arrived() == 1


@pytest.mark.parametrize("ending", ["reject", "fail", "cancel"])
def test_f27_a_withdrawal_that_the_venue_ends_later_has_failed_and_its_money_is_back(
    desk: Desk, ending: str
) -> None:
    desk.fund()
    before = desk.venue.balances()["XRP"].free
    desk.spoil("F27", args={"value": ending})
    sent = desk.send()
    until(lambda: status_of(desk, sent), lambda status: status is WithdrawalStatus.FAILED)
    assert desk.venue.balances()["XRP"].free == before
    assert desk.arrived() == 1


def status_of(desk: Desk, sent: WithdrawalReport) -> WithdrawalStatus:
    return row_of(desk, sent).status


def row_of(desk: Desk, sent: WithdrawalReport) -> WithdrawalReport:
    rows = {row.venue_withdrawal_id: row for row in desk.withdrawals()}
    return rows[sent.venue_withdrawal_id]


def test_f28_a_stuck_withdrawal_stays_pending(desk: Desk) -> None:
    desk.fund()
    desk.spoil("F28")
    sent = desk.send()
    desk.advance(3600)
    assert (status_of(desk, sent), row_of(desk, sent).txid) == (WithdrawalStatus.PENDING, None)
    assert desk.arrived() == 1


def test_f28_a_withdrawal_stuck_on_the_chain_shows_its_txid_and_is_no_deposit(desk: Desk) -> None:
    desk.fund()
    desk.spoil("F28", args={"value": "stuck_with_txid"})
    sent = desk.send()
    desk.advance(3600)
    row = row_of(desk, sent)
    assert (row.status, row.txid is None) == (WithdrawalStatus.PENDING, False)
    assert desk.deposits() == []
    assert desk.arrived() == 1


def test_f28_a_rebroadcast_withdrawal_shows_its_new_txid(desk: Desk) -> None:
    desk.fund()
    desk.spoil("F28", args={"value": "stuck_with_txid"})
    sent = desk.send()
    desk.advance(3600)
    first = row_of(desk, sent).txid
    desk.post("chain", txid=first, action="rebroadcast")
    second = row_of(desk, sent).txid
    assert second not in {None, first}
    desk.advance(60)
    assert [row.txid for row in desk.deposits()] == [second]
    assert desk.arrived() == 1


def arriving(desk: Desk, fault: str, value: str) -> WithdrawalReport:
    """Send under a fault of the deposit; market time stands still from before it was sent."""
    desk.fund()
    desk.freeze()
    desk.spoil(fault, args={"value": value})
    sent = desk.send()
    desk.advance(ON_ITS_WAY)
    return sent


def statuses(desk: Desk) -> list[DepositStatus]:
    return [row.status for row in desk.deposits()]


def test_f29_a_deposit_whose_confirmations_stall_stays_pending(desk: Desk) -> None:
    arriving(desk, "F29", "late")
    desk.advance(3600)
    (row,) = desk.deposits()
    assert row.status is DepositStatus.PENDING
    desk.post("chain", txid=row.txid, action="resume")
    desk.advance(60)
    assert statuses(desk) == [DepositStatus.CREDITED]
    assert desk.arrived() == 1


def test_f29_a_deposit_that_a_reorganisation_takes_away_is_pending_gone_pending_credited(
    desk: Desk,
) -> None:
    arriving(desk, "F29", "reorg")
    assert statuses(desk) == [DepositStatus.PENDING]
    desk.advance(BLOCK)
    assert statuses(desk) == []
    desk.advance(BLOCK)
    assert statuses(desk) == [DepositStatus.PENDING]
    desk.advance(60)
    assert statuses(desk) == [DepositStatus.CREDITED]
    assert desk.arrived() == 1


def test_f29_a_credited_deposit_may_be_traded_and_not_withdrawn_while_it_is_locked(
    upbit: Desk,
) -> None:
    arriving(upbit, "F29", "locked")
    upbit.advance(60)
    (row,) = upbit.deposits()
    assert (row.status, "cannot be withdrawn" in row.detail) == (DepositStatus.CREDITED, True)
    assert upbit.there.balances()["XRP"].free == QUANTITY
    request = WithdrawalRequest(
        destination=upbit.allowed(upbit.there, upbit.venue),
        quantity=Decimal(20),
        network_fee=Decimal("0.2"),
        client_withdrawal_id=f"{upbit.client_id}b",
    )
    with pytest.raises(RefusedError) as caught:
        upbit.there.withdraw(request)
    assert (caught.value.reason, caught.value.code) == (RefusalReason.FUNDS, "-4060")
    assert upbit.arrived() == 1


@pytest.mark.parametrize("value", ["partial", "short"])
def test_f29_a_deposit_that_is_less_than_was_sent_says_so(desk: Desk, value: str) -> None:
    sent = arriving(desk, "F29", value)
    desk.advance(60)
    (row,) = desk.deposits()
    missing = QUANTITY / 2 if value == "partial" else sent.network_fee
    assert (row.status, row.quantity) == (DepositStatus.CREDITED, QUANTITY - missing)
    assert desk.there.balances()["XRP"].free == row.quantity
    assert desk.arrived() == 1


@pytest.mark.parametrize("value", ["wrong_tag", "wrong_network", "suspected", "refunding"])
def test_f30_a_deposit_that_wants_a_person_is_never_credited(desk: Desk, value: str) -> None:
    arriving(desk, "F30", value)
    desk.advance(3600)
    is_hidden = desk.venue.code == "binance" and value.startswith("wrong")  # Upbit shows none
    assert DepositStatus.CREDITED not in statuses(desk)
    assert len(statuses(desk)) == (0 if is_hidden else 1)
    assert "XRP" not in desk.there.balances() or not desk.there.balances()["XRP"].free
    assert desk.arrived() == 1


def test_f30_a_refunded_deposit_has_failed(desk: Desk) -> None:
    arriving(desk, "F30", "refunded")
    desk.advance(3600)
    assert statuses(desk) == [DepositStatus.FAILED]
    assert desk.arrived() == 1


def test_f31_a_wallet_that_closed_meanwhile_refuses_whatever_its_status_says(desk: Desk) -> None:
    desk.fund()
    desk.spoil("F31")
    with pytest.raises(RefusedError) as caught:
        desk.send()
    assert caught.value.reason is RefusalReason.WALLET_CLOSED
    (told,) = desk.venue.network_rules("XRP")
    assert told.withdraw_is_open
    assert desk.withdrawals() == []
    assert (desk.arrived(), desk.truth()) == (1, [False])


def test_f32_the_fee_really_taken_is_in_the_report(desk: Desk) -> None:
    desk.fund()
    (quoted,) = desk.venue.network_rules("XRP")
    desk.spoil("F32")
    sent = desk.send()
    row = row_of(desk, sent)
    assert row.network_fee == quoted.withdraw_fee * 2
    if desk.venue.code != "binance":  # the fee comes besides
        assert (sent.network_fee, row.quantity) == (row.network_fee, QUANTITY)
    else:  # it comes out of what was to arrive, and only the history tells
        assert row.quantity == QUANTITY - quoted.withdraw_fee
    (now,) = desk.venue.network_rules("XRP")
    assert now.withdraw_fee == row.network_fee
    assert desk.arrived() == 1


def test_f32_a_minimum_raised_meanwhile_refuses_by_the_rules(desk: Desk) -> None:
    desk.fund()
    desk.spoil("F32", args={"withdraw_min": "60"})
    with pytest.raises(RefusedError) as caught:
        desk.send()
    assert caught.value.reason is RefusalReason.RULES
    (now,) = desk.venue.network_rules("XRP")
    assert now.withdraw_minimum == 60
    assert (desk.arrived(), desk.withdrawals()) == (1, [])


def test_an_address_that_is_not_allowed_is_refused(desk: Desk) -> None:
    desk.fund()
    own = desk.venue.deposit_address("XRP", network="XRP")
    assert own is not None
    request = WithdrawalRequest(
        destination=own,
        quantity=QUANTITY,
        network_fee=Decimal("0.4"),
        client_withdrawal_id=desk.client_id,
    )
    desk.sent += 1
    with pytest.raises(RefusedError) as caught:
        desk.venue.withdraw(request)
    assert caught.value.reason is RefusalReason.ADDRESS
    # Bithumb is told who receives, which its own list says: it is asked first.
    assert (desk.arrived(), desk.withdrawals()) == (int(desk.venue.code != "bithumb"), [])
