"""What the journal keeps of a request before it is sent, made from the very request that goes out."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from decimal import Decimal
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from cycles.domain.words import Operation
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
