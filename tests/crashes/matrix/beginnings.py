"""How cycles begin that meet rarer trouble: their books lack what was taken, or their venue says something else by now."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from cycles.domain import postings
from cycles.domain.words import AccountOwner, FailureClass, PostingKind
from cycles.models import Cycle, ExchangeCall, Posting
from cycles.services import booking, intervening
from exchanges.models import TransferRoute
from tests.crashes.matrix.world import World
from tests.cycles.services import review
from tests.cycles.services.acts import balance, fail, give_back, withdrawals
from tests.cycles.services.test_unwinding import coins_in_korea
from tests.desk import eventually

BNB = {"venue": "binance", "asset": "BNB"}
BROUGHT = Decimal(100)


def fees_not_brought_in(matrix: World) -> Cycle:
    """Give a cycle whose venue takes its fees from BNB that the books do not have."""
    matrix.desk.control("/control/settings", {"bnb_usdt": "600"})
    matrix.desk.control("/control/balances", BNB | {"free": str(BROUGHT)})
    _bring_in(-balance("binance", "BNB"))
    return matrix.open()


def bring_fees_in(_matrix: World) -> None:
    """Write down what lies at the venue to pay fees from."""
    _bring_in(BROUGHT)


def _bring_in(quantity: Decimal) -> None:
    origin, target = AccountOwner.CAPITAL, AccountOwner.DESK
    lines = postings.moved("binance", "BNB", quantity, origin=origin, target=target)
    booking.post(f"BNB {Posting.objects.count()}", PostingKind.CAPITAL, lines)


def unwinding_in_its_wait(matrix: World) -> Cycle:
    """Give a cycle that is to sell a few coins, and then to wait on with its won."""
    cycle = coins_in_korea(matrix.desk, matrix.open_home(), 10)
    fail(cycle, FailureClass.POLICY_DENIED)
    intervening.unwind(cycle.pk, actor=matrix.actor, reason="a test", seen_version=cycle.version)
    return cycle


def deposit_held(matrix: World) -> Cycle:
    """Give a cycle whose coins its Korean venue holds until it is told from whose account they came: more than a million won."""
    matrix.desk.control("/control/settings", {"has_upbit_travel_rule": True})
    with matrix.opening_large():
        return matrix.open()


def sent_anew(matrix: World) -> Cycle:
    """Give a cycle whose coins had left, and left again in another transaction."""
    cycle, call = _said_to_have_left(matrix, fault="F28")
    eventually(
        lambda: _state(matrix, call) == "processing"
    )  # before that there is nothing to let go
    named = {"withdrawal_id": call.venue_order_id}
    matrix.desk.control("/control/chain", named | {"action": "release"})
    return cycle


def _state(matrix: World, call: ExchangeCall) -> str:
    """Give what a withdrawal is at, as its venue knows."""
    sent = withdrawals(matrix.desk, call.venue)
    return next(
        str(row["state"]) for row in sent if row["venue_withdrawal_id"] == call.venue_order_id
    )


def given_back_late(matrix: World) -> Cycle:
    """Give a cycle whose coins had left, as its venue told, which has them still."""
    cycle, _ = _said_to_have_left(matrix, fault="F27", args={"value": "fail"})
    return cycle


def _said_to_have_left(matrix: World, **fault: Any) -> tuple[Cycle, ExchangeCall]:
    """Send a cycle's coins under a fault; their venue names a transaction that never arrives, and is overdue at once."""
    TransferRoute.objects.update(expected_seconds=0, overdue_seconds=0)
    desk, cycle = matrix.desk, matrix.open()
    lease = review.units_until_done(desk, cycle, "OUTBOUND", "BUY")
    desk.fault(venue="binance", when="once", **fault)
    desk.unit(lease)
    call = ExchangeCall.objects.get(cycle=cycle, operation="WITHDRAW")
    review.told(desk, "binance", review.WITHDRAWALS, [review.withdrawal_row(call)])
    give_back(lease)
    give_back(review.units_until_done(desk, cycle, "OUTBOUND", "WITHDRAW"))
    review.no_faults(desk)
    return cycle, call
