"""What only Bithumb's requests say, built without sending anything. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from exchanges.adapters.krw import build
from exchanges.adapters.krw.transfers import AllowedAddress
from exchanges.transport.wire import Params, Request
from exchanges.values import WithdrawalRequest

ORDER_NAMES = build.OrderNames(
    path="/v2/orders", cancel_path="/v2/order", kind="order_type", client_id="client_order_id"
)
STATES = ("wait", "watch", "done", "cancel")
order = partial(build.order, names=ORDER_NAMES)
place_order = partial(build.place_order, names=ORDER_NAMES)
cancel_order = partial(build.cancel_order, names=ORDER_NAMES)


def orders(ids: Sequence[str]) -> Request:
    """Ask for orders by our ids in every state: unless told it shows open ones only."""
    states = tuple(("states[]", state) for state in STATES)
    besides = (*states, ("limit", str(build.PAGE)))
    return build.orders("/v1/orders", "client_order_ids", ids, besides=besides)


def withdraw(request: WithdrawalRequest, allowed: AllowedAddress) -> Request:
    """Send a withdrawal to an address of the allow-list, to whom that list says it belongs."""
    return build.withdraw(request, receiver(allowed))


def receiver(allowed: AllowedAddress) -> Params:
    """Give the exchange, and the receiver if the list names it whole.

    A registered address passes by its exchange's name; half a receiver's name would be refused.
    """
    person = (
        ("receiver_ko_name", allowed.owner_ko_name),
        ("receiver_en_name", allowed.owner_en_name),
    )
    company = (
        ("receiver_corp_ko_name", allowed.owner_corp_ko_name),
        ("receiver_corp_en_name", allowed.owner_corp_en_name),
    )
    wanted = {"personal": person, "corporation": (*person, *company)}.get(allowed.owner_type or "")
    named = tuple((name, value) for name, value in wanted or () if value)
    exchange = (("exchange_name", allowed.exchange_name),) if allowed.exchange_name else ()
    if wanted is None or len(named) < len(wanted) or not allowed.owner_type:
        return exchange
    return (*exchange, ("receiver_type", allowed.owner_type), *named)
