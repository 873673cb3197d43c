"""What the journal keeps of a request before it is sent, made from the very request that goes out."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from decimal import Decimal
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from cycles.domain.words import CallOutcome, Operation
from cycles.models import ExchangeCall, Step
from cycles.services.correlating import correlation
from cycles.services.moving import Lease
from cycles.services.stepping import Row
from exchanges.models import RegisteredAddress
from exchanges.values import OrderRequest, WithdrawalRequest


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One request to be written down before it is sent; the step keeps its first `reference_price`."""

    operation: Operation
    payload: dict[str, Any]
    client_order_id: str
    destination: RegisteredAddress | None = None
    reference_price: Decimal | None = None

    def fingerprint(self, venue: str) -> str:
        """Give a hash of what is asked of the venue, for telling two requests apart."""
        asked = [self.operation, venue, self.payload]
        text = json.dumps(asked, sort_keys=True, cls=DjangoJSONEncoder)
        return hashlib.sha256(text.encode()).hexdigest()


def order_intent(request: OrderRequest, *, reference_price: Decimal | None = None) -> Intent:
    """Give what the journal keeps of an order request."""
    return Intent(
        operation=Operation.PLACE_ORDER,
        payload={
            "market": request.market.code,
            "side": request.side.value,
            "quantity": str(request.quantity),
            "limit_price": str(request.limit_price),
            "time_in_force": "ioc",
        },
        client_order_id=request.client_order_id,
        reference_price=reference_price,
    )


def withdrawal_intent(request: WithdrawalRequest, address: RegisteredAddress) -> Intent:
    """Give what the journal keeps of a withdrawal: made from the very request that is sent.

    The address stands in it as its fingerprint only. The database compares it with the confirmed row.
    """
    return Intent(
        operation=Operation.WITHDRAW,
        payload={
            "asset": request.asset,
            "network": request.network,
            "quantity": str(request.quantity),
            "network_fee": str(request.network_fee),
            "to_venue": request.destination.venue,
            "destination": request.destination.fingerprint,
        },
        client_order_id=request.client_withdrawal_id,
        destination=address,
    )


def unwritten(lease: Lease, step: Step, intent: Intent) -> ExchangeCall:
    """Make the journal's row of a request that is about to be sent."""
    return ExchangeCall(
        cycle_id=lease.cycle_id,
        step=step,
        operation=intent.operation,
        venue=step.venue,
        attempt=step.attempt + 1,
        client_order_id=intent.client_order_id,
        outcome=CallOutcome.INTENDED,
        fence=lease.fence,
        fingerprint=intent.fingerprint(step.venue),
        request=intent.payload,
        destination=intent.destination,
        **correlation(),
    )


def row_of(lease: Lease, call: ExchangeCall, intent: Intent) -> Row:
    """Give what the statement needs to write an intent."""
    return {
        "cycle": lease.cycle_id,
        "owner": lease.owner,
        "fence": lease.fence,
        "step": call.step_id,
        "operation": call.operation,
        "venue": call.venue,
        "attempt": call.attempt,
        "client_order_id": call.client_order_id,
        "fingerprint": call.fingerprint,
        "request": call.request,
        "destination": call.destination_id,
        "price": intent.reference_price,
        "request_id": call.request_id,
        "session_id": call.session_id,
        "trace_id": call.trace_id,
    }
