"""Rows that try a constraint: each sound but for what a test changes of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Model
from django.db.models.functions import Now

from cycles.models import (
    Account,
    Cycle,
    DepositVerification,
    Entry,
    Fill,
    Intervention,
    PolicyVersion,
    Posting,
    SeenDeposit,
    SeenOrder,
    SeenWithdrawal,
    Step,
    VenueWatch,
)
from cycles.models.seen import Seen
from exchanges.models import (
    AllowedDestination,
    AssetIdentity,
    KeptAnswer,
    MarketRule,
    NetworkRule,
    RateWindow,
    RegisteredAddress,
    TransferRoute,
    VenueClock,
)
from tests import builders
from tests.planting import planted

THEN = datetime(2024, 12, 3, tzinfo=UTC)
BUCKET = {
    "at": THEN,
    "asset": "XRP",
    "korea_venue": "upbit",
    "measure": "locked_edge_bps",
    "count": 1,
    **dict.fromkeys(("first", "last", "low", "high", "total"), 1),
}
Try = Callable[[Cycle], object]


def new(model: type[Model], count: int = 1, /, **facts: Any) -> Try:
    """Insert a row (`count` times the same); a fact that is callable is asked with the cycle."""

    def attempt(row: Cycle) -> None:
        for _ in range(count):
            given = {
                k: v(row) if callable(v) and not isinstance(v, Now) else v for k, v in facts.items()
            }
            model._default_manager.create(**given)

    return attempt


def cycle(**facts: Any) -> Try:
    """Insert a cycle that is sound but for `facts`."""

    def attempt(row: Cycle) -> None:
        sound = builders._opening("XRP", Decimal(1))
        with planted():
            Cycle.objects.create(**(sound | facts))

    return attempt


def step(**facts: Any) -> Try:
    """Insert a step."""
    sound: dict[str, Any] = {"cycle": itself, "position": 50, "passage": "OUTBOUND", "kind": "BUY"}
    return new(Step, **(sound | {"venue": "binance", "asset": "XRP"} | facts))


def itself(row: Cycle) -> Cycle:
    """Give the cycle."""
    return row


def person(_row: Cycle) -> User:
    """Find or make a user."""
    return User.objects.get_or_create(username="k")[0]


def call(**facts: Any) -> Try:
    """Insert the journal row of an order."""
    return lambda row: builders.order_call(row, **facts)


def withdrawal(**facts: Any) -> Try:
    """Insert the journal row of a withdrawal that its venue has numbered."""
    return lambda row: builders.withdrawal_call(row, venue_order_id="7", **facts)


def sent_as(client_order_id: str, attempt: int) -> Try:
    """Insert the journal row of an order under an id of the test's own."""
    return call(client_order_id=client_order_id, attempt=attempt)


def twice(one: Try, other: Try) -> Try:
    """Do two things that do not go together."""

    def attempt(row: Cycle) -> None:
        one(row)
        other(row)

    return attempt


def fill(count: int = 1, **facts: Any) -> Try:
    """Insert a fill."""

    def attempt(row: Cycle) -> None:
        made = builders.order_call(row)
        sound = {"cycle": row, "call": made, "venue": "binance", "market": "XRP/USDT", "at": THEN}
        sound |= {"side": "buy", "venue_fill_id": "7", "price": 1, "quantity": 1, "notional": 1}
        new(Fill, count, **(sound | {"fee_asset": "XRP"} | facts))(row)

    return attempt


def intervention(**facts: Any) -> Try:
    """Insert an intervention."""
    sound: dict[str, Any] = {
        "verb": "redrive",
        "cycle": itself,
        "actor": "a",
        "channel": "api",
        "at": THEN,
    }
    return new(Intervention, **(sound | {"reason": "r", "seen_version": 1} | facts))


def account(count: int = 1, **facts: Any) -> Try:
    """Insert an account."""
    return new(Account, count, **({"venue": "binance", "asset": "ETH", "owner": "DESK"} | facts))


def spent(row: Cycle) -> None:
    """Post more out of the desk's account than is in it."""
    posting = Posting.objects.create(key="spent", kind="OPEN", at=Now())
    accounts = [
        Account.objects.create(venue="binance", asset="ETH", owner=owner)
        for owner in ("DESK", "CAPITAL")
    ]
    Entry.objects.bulk_create(
        Entry(posting=posting, account=one, quantity=quantity)
        for one, quantity in zip(accounts, (-1, 1), strict=True)
    )


def policy(**facts: Any) -> Try:
    """Insert a version of the policy."""
    return new(PolicyVersion, number=999, created_by="a", reason="r", **facts)


def market(count: int = 1, **facts: Any) -> Try:
    """Insert a market rule."""
    sound: dict[str, Any] = {"venue": "upbit", "market": "XRP/KRW", "price_steps": []}
    sound |= {"quantity_step": 1, "minimum_notional": 1, "taker_fee_rate": 0, "fetched_at": THEN}
    sound |= {"buy_fee_in_quote": True, "is_open": True}
    return new(MarketRule, count, **(sound | facts))


def network(count: int = 1, **facts: Any) -> Try:
    """Insert a network rule."""
    sound: dict[str, Any] = {"venue": "upbit", "asset": "XRP", "network": "XRP", "withdraw_fee": 1}
    sound |= {"withdraw_minimum": 1, "withdraw_step": 1, "memo_is_required": True}
    sound |= {"withdraw_is_open": True, "deposit_is_open": True, "fetched_at": THEN}
    return new(NetworkRule, count, **(sound | facts))


def address(count: int = 1, **facts: Any) -> Try:
    """Insert a registered address."""
    sound = {"venue": "upbit", "asset": "XRP", "network": "XRP", "address": "r1", "memo": "1"}
    return new(
        RegisteredAddress, count, **(sound | {"fetched_at": THEN, "proposed_at": THEN} | facts)
    )


def changed_address(**facts: Any) -> Try:
    """Change an address that two people have confirmed, but that is a proposal still."""

    def attempt(row: Cycle) -> None:
        made = builders.proposed_address()
        for name in ("first", "second"):
            builders.confirmation(made, User.objects.get_or_create(username=name)[0])
        RegisteredAddress.objects.filter(pk=made.pk).update(version=2, **facts)

    return attempt


def confirmation_by_one(row: Cycle) -> None:
    """Confirm an address twice as one person."""
    made = builders.proposed_address()
    for _ in range(2):
        builders.confirmation(made, person(row))


def coded(asset: str) -> Try:
    """Insert an address of an asset under a code of the test's own."""
    return address(code="ADR-7", asset=asset, network=asset, address=f"r-{asset}")


def identity(count: int = 1, **facts: Any) -> Try:
    """Insert a name of the registry that is proven."""
    sound: dict[str, Any] = {"venue": "upbit", "venue_symbol": "ABC", "venue_network": "ETH"}
    sound |= {"asset": "ABC", "network": "ETH", "contract": "0xa", "decimals": 18}
    sound |= {"state": "PROVEN", "decided_by": "k", "decided_at": THEN, "first_seen_at": THEN}
    return new(AssetIdentity, count, **(sound | {"fetched_at": THEN} | facts))


def allowed(_row: Cycle) -> None:
    """Allow one destination twice."""
    made = builders.proposed_address()
    for _ in range(2):
        AllowedDestination.objects.create(address=made, sender="binance", fetched_at=THEN)


def verification(count: int = 1, **facts: Any) -> Try:
    """Insert the verification of a held deposit."""

    def attempt(row: Cycle) -> None:
        step = Step.objects.get(cycle=row, kind="DEPOSIT")
        sound = {"venue": "upbit", "venue_deposit_id": "7", "step": step, "asked_at": THEN}
        new(DepositVerification, count, **(sound | {"sender": "binance"} | facts))(row)

    return attempt


def route(count: int = 1, **facts: Any) -> Try:
    """Insert a transfer route."""
    sound = {"asset": "XRP", "from_venue": "upbit", "to_venue": "binance", "network": "XRP"}
    times = {"expected_seconds": 10, "overdue_seconds": 10}
    return new(TransferRoute, count, **(sound | times | facts))


def window(count: int = 1, **facts: Any) -> Try:
    """Insert a window of a venue's limiter."""
    sound = {"venue": "upbit", "name": "a try", "scope": "account", "used": [0] * 10}
    return new(RateWindow, count, **(sound | {"span_ms": 1000, "most": 12} | facts))


def clock(count: int = 1, **facts: Any) -> Try:
    """Insert what a host measured of a venue's clock."""
    sound = {"venue": "upbit", "host": "here", "ahead_ms": 1, "doubt_ms": 1, "measured_at": THEN}
    return new(VenueClock, count, **(sound | facts))


def answer(count: int = 1, **facts: Any) -> Try:
    """Insert which answer of a venue is kept."""
    sound = {"venue": "upbit", "subject": "a try", "question": 1, "kept": 2}
    return new(KeptAnswer, count, **(sound | facts))


def watch(count: int = 1, **facts: Any) -> Try:
    """Insert where looking at a venue stands."""
    return new(VenueWatch, count, **({"venue": "a try", "kind": "DEPOSITS"} | facts))


def seen(model: type[Seen], count: int = 1, **facts: Any) -> Try:
    """Insert what a venue showed."""
    sound: dict[str, Any] = {"venue": "upbit", "first_seen_at": THEN, "changed_at": THEN, "look": 1}
    return new(model, count, **(sound | SEEN[model] | facts))


SEEN: dict[type[Seen], dict[str, Any]] = {
    SeenWithdrawal: {
        "status": "done", "venue_withdrawal_id": "w", "asset": "XRP", "quantity": 1, "network_fee": 0
    },
    SeenDeposit: {"status": "credited", "venue_deposit_id": "d", "asset": "XRP", "quantity": 1},
    SeenOrder: {
        "status": "open", "client_order_id": "o", "venue_order_id": "1", "market": "XRP/KRW",
        "quantity": 1, "executed_quantity": 0,
    },
}  # fmt: skip
