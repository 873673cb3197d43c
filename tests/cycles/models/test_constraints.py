"""Every constraint of the rows refuses what it should; the table of tries is complete."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db.models import Model
from django.db.models.functions import Now

from cycles.domain.words import CallOutcome
from cycles.models import (
    Account,
    Cycle,
    DepositVerification,
    Desk,
    Entry,
    ExchangeCall,
    Fill,
    IdempotencyRecord,
    Intervention,
    Pause,
    PolicyVersion,
    Posting,
    Step,
    Transition,
)
from exchanges.models import (
    AllowedDestination,
    AssetIdentity,
    MarketRule,
    NetworkRule,
    RateWindow,
    RegisteredAddress,
    TransferRoute,
    VenueClock,
)
from tests import builders
from tests.cycles.models.refusing import refused

pytestmark = pytest.mark.django_db

THEN = datetime(2024, 12, 3, tzinfo=UTC)
Try = Callable[[Cycle], object]


def new(model: type[Model], count: int = 1, **facts: Any) -> Try:
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
    sound = {"venue": "upbit", "name": "order", "scope": "account", "used": [0] * 10}
    return new(RateWindow, count, **(sound | {"span_ms": 1000, "most": 12} | facts))


def clock(count: int = 1, **facts: Any) -> Try:
    """Insert what a host measured of a venue's clock."""
    sound = {"venue": "upbit", "host": "here", "ahead_ms": 1, "doubt_ms": 1, "measured_at": THEN}
    return new(VenueClock, count, **(sound | facts))


UNKNOWN = "NONE"
TRIES: list[tuple[str, Try]] = [
    ("cycle_status_known", cycle(status=UNKNOWN)),
    ("cycle_kind_known", cycle(kind=UNKNOWN)),
    ("cycle_plan_known", cycle(plan=UNKNOWN)),
    ("cycle_failure_class_known", cycle(failure_class=UNKNOWN)),
    ("cycle_final_has_ended", cycle(status="COMPLETED", wake_at=None)),
    ("cycle_final_has_ended", cycle(status="FAILED", ended_at=THEN)),
    ("cycle_final_has_ended", cycle(ended_at=THEN)),
    ("cycle_retry_pending_is_planned", cycle(status="RETRY_PENDING", resume_status="STARTED")),
    ("cycle_retry_pending_is_planned", cycle(status="RETRY_PENDING", next_retry_at=THEN)),
    ("cycle_dead_letter_says_why", cycle(status="DEAD_LETTER", wake_at=None)),
    (
        "cycle_dead_letter_says_why",
        cycle(status="DEAD_LETTER", failure_class="BUG", resume_status="STARTED"),
    ),
    ("cycle_running_has_wake_up", cycle(wake_at=None)),
    ("cycle_initial_trade_names_its_asset", cycle(outbound_asset="")),
    ("cycle_rebalancing_names_its_asset", cycle(status="REBALANCING_IN_PROGRESS")),
    ("cycle_lease_is_whole", cycle(lease_owner="somebody")),
    ("cycle_lease_is_whole", cycle(lease_expires_at=THEN)),
    ("cycle_resume_status_running", cycle(resume_status="DEAD_LETTER")),
    ("cycle_notional_not_negative", cycle(notional_usdt=-1)),
    ("cycle_notional_not_negative", cycle(notional_krw=-1)),
    ("intervention_verb_known", intervention(verb=UNKNOWN)),
    ("intervention_has_reason", intervention(reason="")),
    ("intervention_has_actor", intervention(actor="")),
    ("intervention_saw_its_cycle", intervention(seen_version=None)),
    (
        "idempotency_key_once",
        new(IdempotencyRecord, 2, user=person, key="same", fingerprint=""),
    ),
    ("call_operation_known", call(operation=UNKNOWN)),
    ("call_outcome_known", call(outcome=UNKNOWN)),
    ("call_attempt_once", twice(call(), call(client_order_id="other"))),
    (
        "cycles_exchangecall_client_order_id_key",
        twice(call(client_order_id="same"), call(client_order_id="same", attempt=2)),
    ),
    (
        "call_withdrawal_has_registered_destination",
        lambda row: builders.withdrawal_call(row, destination=None),
    ),
    (
        "call_venue_withdrawal_id_once",
        twice(withdrawal(), withdrawal(attempt=2, client_order_id="other")),
    ),
    (
        "call_one_open_per_cycle",
        twice(
            call(outcome=CallOutcome.UNKNOWN),
            call(outcome=CallOutcome.INTENDED, attempt=2, client_order_id="other"),
        ),
    ),
    (
        "transition_version_once",
        new(
            Transition, cycle=itself, version=1, to_status="STARTED", event="e", actor="a", at=THEN
        ),
    ),
    (
        "transition_to_known",
        new(Transition, cycle=itself, version=9, to_status=UNKNOWN, event="e", actor="a", at=THEN),
    ),
    ("fill_once", fill(2)),
    ("fill_is_positive", fill(quantity=0)),
    ("fill_is_positive", fill(price=0)),
    ("fill_is_positive", fill(fee=-1)),
    ("fill_side_known", fill(side="hold")),
    ("account_once", account(2)),
    ("account_once", account(2, owner="CYCLE", cycle=itself)),
    ("account_owner_known", account(owner=UNKNOWN)),
    ("account_not_overdrawn", spent),
    ("account_cycle_named", account(owner="CYCLE")),
    ("account_cycle_named", account(cycle=itself)),
    ("posting_kind_known", new(Posting, key="k", kind=UNKNOWN, at=THEN)),
    ("cycles_posting_key_key", new(Posting, 2, key="k", kind="OPEN", at=THEN)),
    (
        "entry_not_zero",
        lambda row: Entry.objects.create(
            posting=Posting.objects.create(key="k", kind="OPEN", at=Now()),
            account=Account.objects.create(venue="v", asset="A", owner="DESK"),
            quantity=0,
        ),
    ),
    ("policy_sizing_known", policy(sizing=UNKNOWN)),
    ("policy_rule_known", policy(opening_rule="BY_HAND")),
    ("policy_limits_not_negative", policy(notional_usdt=-1)),
    ("policy_limits_not_negative", policy(percentage=101)),
    ("desk_is_one", new(Desk, id=2, kind="SIMULATED")),
    ("desk_kind_known", new(Desk, kind=UNKNOWN)),
    ("desk_mode_known", new(Desk, kind="SIMULATED", mode=UNKNOWN)),
    ("pause_once", new(Pause, 2, scope="ASSET", key="XRP", reason="r")),
    ("pause_scope_known", new(Pause, scope=UNKNOWN, key="XRP", reason="r")),
    ("step_position_once", step(position=1)),
    ("step_passage_known", step(passage=UNKNOWN)),
    ("step_kind_known", step(kind=UNKNOWN)),
    ("step_state_known", step(state=UNKNOWN)),
    ("step_done_is_settled", step(state="DONE")),
    ("market_rule_once", market(2)),
    ("market_rule_numbers", market(quantity_step=0)),
    ("market_rule_numbers", market(taker_fee_rate=2)),
    ("network_rule_once", network(2)),
    ("network_rule_numbers", network(withdraw_fee=-1)),
    ("network_rule_numbers", network(withdraw_step=0)),
    ("registered_address_one_live", address(2)),
    ("registered_address_state_known", changed_address(state=UNKNOWN)),
    ("registered_address_confirmed_when", changed_address(state="CONFIRMED")),
    ("registered_address_retired_when", changed_address(state="RETIRED")),
    ("registered_address_retired_when", address(retired_at=THEN)),
    ("address_confirmation_once_a_person", confirmation_by_one),
    ("allowed_destination_once", allowed),
    ("asset_identity_once", identity(2)),
    ("asset_identity_one_name", twice(identity(), identity(venue_network="ERC20"))),
    ("asset_identity_state_known", identity(state=UNKNOWN)),
    ("asset_identity_proof_is_whole", identity(asset="")),
    ("asset_identity_proof_is_whole", identity(network="")),
    ("asset_identity_proof_is_whole", identity(decimals=None)),
    ("asset_identity_proof_is_whole", identity(decided_by="")),
    ("asset_identity_contract_as_told", identity(told_contract="0xb")),
    ("deposit_verification_once", verification(2)),
    ("deposit_verification_outcome_known", verification(outcome=UNKNOWN)),
    ("registered_address_is_named", address(address="")),
    ("transfer_route_once", route(2)),
    ("transfer_route_overdue_later", route(overdue_seconds=9)),
    ("rate_window_once", window(2)),
    ("rate_window_numbers", window(span_ms=0)),
    ("rate_window_numbers", window(most=-1)),
    ("venue_clock_once", clock(2)),
]


@pytest.mark.parametrize(
    ("guard", "attempt"),
    TRIES,
    ids=[f"{guard}-{number}" for number, (guard, _) in enumerate(TRIES)],
)
def test_the_database_refuses(guard: str, attempt: Try) -> None:
    row = builders.cycle()
    with refused(guard):
        attempt(row)


def test_the_table_of_tries_covers_every_constraint_of_the_rows() -> None:
    named = {
        constraint.name
        for app in ("cycles", "exchanges")
        for model in apps.get_app_config(app).get_models()
        for constraint in model._meta.constraints
    }
    assert named <= {guard for guard, _ in TRIES}


def test_what_the_tries_vary_is_sound_by_itself() -> None:
    row = builders.cycle()
    sound = [
        cycle(),
        step(),
        fill(),
        intervention(),
        account(),
        account(owner="CYCLE", cycle=itself),
    ]
    reference = [market(), network(), address(), route(), identity(told_contract="0xa")]
    for attempt in [*sound, policy(), *reference, window(), clock(), verification()]:
        attempt(row)
    assert ExchangeCall.objects.filter(cycle=row).count() == 1
