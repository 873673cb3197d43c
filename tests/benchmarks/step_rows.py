"""What a worker sends for a cycle's first two durable steps, the buy and the withdrawal: the parameters of their statements.

Made by the product's own functions, of what the venue within a worker (`instant_venue`) would have answered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID

import msgspec

from cycles.domain.plan import client_order_id, sendable_quantity
from cycles.models import ExchangeCall, Step
from cycles.services import overdue, stepping
from cycles.services.intents import Intent, order_intent, row_of, unwritten, withdrawal_intent
from cycles.services.moving import Lease
from cycles.services.settling import order_settlement, sent_settlement
from cycles.services.stepping import Settlement
from exchanges import destinations, reference, registry
from exchanges.models import RegisteredAddress
from exchanges.values import Market, NetworkRules, OrderRequest, Side, WithdrawalRequest
from tests.benchmarks import instant_venue

Row = dict[str, str]
MARKET = Market("XRP", "USDT")
PRICE, QUANTITY = Decimal("2.5"), Decimal(40)  # all that a cycle of the benchmarks has
CALL = 987654321987654321  # stands for the call's id until the intent has one
SENT_AT = 3  # versions after the one that was claimed: intent, settlement, the withdrawal's intent


@dataclass(frozen=True, slots=True, kw_only=True)
class Both:
    """The `intent` and the `settled` of a cycle's buy, and of its withdrawal, which hands the cycle back."""

    buy: Row
    withdrawal: Row


def buys_of(leases: Sequence[Lease]) -> list[Row]:
    """Give the parameters of each cycle's first step, as text."""
    steps = _steps(leases)
    return [_buy(lease, steps[lease.cycle_id, "BUY"]) for lease in leases]


def both_of(leases: Sequence[Lease]) -> list[Both]:
    """Give those of each cycle's first two steps."""
    steps = _steps(leases)
    terms = cache(_terms)
    return [
        Both(
            buy=_buy(lease, steps[lease.cycle_id, "BUY"]),
            withdrawal=_withdrawal(lease, steps[lease.cycle_id, "WITHDRAW"], terms),
        )
        for lease in leases
    ]


def _steps(leases: Sequence[Lease]) -> Mapping[tuple[UUID, str], Step]:
    rows = Step.objects.filter(
        cycle__in=[lease.cycle_id for lease in leases], passage="OUTBOUND", kind__in=["BUY", "WITHDRAW"]
    )  # fmt: skip
    return {(row.cycle_id, row.kind): row for row in rows.select_related("cycle")}


def _buy(lease: Lease, step: Step) -> Row:
    request = OrderRequest(
        market=MARKET, side=Side.BUY, quantity=QUANTITY, limit_price=PRICE, client_order_id=_name(step)
    )  # fmt: skip
    intent = order_intent(request, reference_price=PRICE)
    report = instant_venue.filled(request, venue=step.venue)
    settlement = order_settlement(step.cycle, _written(lease, step, intent), report, is_step_done=True)  # fmt: skip
    return _row(lease, step, intent, replace(settlement, version=step.cycle.version + 1))


def _withdrawal(lease: Lease, step: Step, terms: Any) -> Row:
    rules, address = terms(step.venue, step.to_venue, step.asset, step.network)
    bought = QUANTITY - QUANTITY * instant_venue.FEE
    request = WithdrawalRequest(
        destination=address.destination, quantity=sendable_quantity(bought, rules),
        network_fee=rules.withdraw_fee, client_withdrawal_id=_name(step),
    )  # fmt: skip
    intent = withdrawal_intent(request, address)
    report = instant_venue.accepted(request, venue=step.venue)
    sent = sent_settlement(step.cycle, _written(lease, step, intent), report)
    version = step.cycle.version + SENT_AT
    return _row(lease, step, intent, replace(sent, version=version, wake_in=overdue.poll_delay()))


def _terms(
    venue: str, to_venue: str, asset: str, network: str
) -> tuple[NetworkRules, RegisteredAddress]:
    """Read what a withdrawal is made of; its guards in the database read the address anew each time."""
    now = registry.utc_now()
    rules = reference.network_rules(venue, asset, network, now)
    return rules, destinations.confirmed_address(venue, to_venue, asset, network, now)


def _name(step: Step) -> str:
    return client_order_id(step.cycle_id, position=step.position, attempt=1)


def _written(lease: Lease, step: Step, intent: Intent) -> ExchangeCall:
    call = unwritten(lease, step, intent)
    call.pk = CALL
    return call


def _row(lease: Lease, step: Step, intent: Intent, settlement: Settlement) -> Row:
    whole = replace(settlement, owner=lease.owner, fence=lease.fence, is_noted=True, duration_ms=1)
    sent = row_of(lease, unwritten(lease, step, intent), intent)
    return {"intent": _text(sent), "settled": _text(stepping.settlement_row(whole))}


def _text(row: Mapping[str, Any]) -> str:
    return msgspec.json.encode([row]).decode()
