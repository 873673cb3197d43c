"""Real rows for tests, written through the same doors as the product's own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from cycles.domain import postings
from cycles.domain.plan import client_order_id, outbound_steps
from cycles.domain.words import (
    AccountOwner,
    CallOutcome,
    CycleKind,
    CycleStatus,
    DeskKind,
    FailureClass,
    Mode,
    OpeningRule,
    Operation,
    PostingKind,
    StepState,
)
from cycles.models import (
    AddressConfirmation,
    Alert,
    Cycle,
    Desk,
    ExchangeCall,
    Intervention,
    PolicyVersion,
    PremiumSample,
    Retry,
    Step,
)
from cycles.services import booking, moving
from cycles.services.locking import lock_cycle
from exchanges import registry
from exchanges.models import (
    AddressState,
    AllowedDestination,
    AssetIdentity,
    IdentityState,
    RegisteredAddress,
)
from tests.groups import make_groups

HOUR = timedelta(hours=1)
PASSWORD = "correct horse battery"


def person(name: str = "alice", *groups: str, is_staff: bool = True) -> User:
    """Make a user in some of the product's groups (viewer, operator, approver, administrator)."""
    if not Group.objects.filter(name="viewer").exists():  # flushed by a transactional test
        make_groups()
    user = User.objects.create_user(name, password=PASSWORD, is_staff=is_staff)
    user.groups.set(Group.objects.filter(name__in=groups))
    return user


def right_clocks() -> None:
    """Let this process have looked at the venues' clocks a moment ago: intents ask for no venue then."""
    registry.forget()
    now, moment = registry.utc_now(), time.monotonic()
    for venue in registry.VENUES:
        registry._clock(venue).note(now, now, began_at=moment, ended_at=moment)


def desk(mode: Mode = Mode.RUN, kind: DeskKind = DeskKind.SIMULATED) -> Desk:
    """Make the desk's row, or find it, and set its mode."""
    row, _ = Desk.objects.get_or_create(pk=1, defaults={"kind": kind})
    Desk.objects.filter(pk=1).update(mode=mode)
    row.refresh_from_db()
    return row


def policy(**changes: Any) -> PolicyVersion:
    """Make a version of the policy."""
    newest = PolicyVersion.objects.order_by("-number").first()
    facts = {"number": newest.number + 1 if newest else 1, "created_by": "test", "reason": "test"}
    return PolicyVersion.objects.create(**(facts | changes))


def capital(venue: str, asset: str, quantity: Decimal | int) -> None:
    """Post an opening balance of the desk."""
    lines = postings.moved(
        venue, asset, Decimal(quantity), origin=AccountOwner.CAPITAL, target=AccountOwner.DESK
    )
    booking.post(f"capital:{venue}:{asset}", PostingKind.CAPITAL, lines)


def cycle(asset: str = "XRP", *, usdt: Decimal | int = 5000, **facts: Any) -> Cycle:
    """Open a cycle that owns its USDT and has its outbound steps."""
    with transaction.atomic():
        row = Cycle.objects.create(**(_opening(asset, Decimal(usdt)) | facts))
        moving.write_transition(
            row, "", CycleStatus.STARTED, event="opened", actor="test", reason=""
        )
        capital_key = f"capital:{row.code}"
        gift = postings.moved(
            "binance",
            "USDT",
            Decimal(usdt),
            origin=AccountOwner.CAPITAL,
            target=AccountOwner.CYCLE,
        )
        booking.post(capital_key, PostingKind.OPEN, gift, cycle=row)
        _steps(row, asset)
    return row


def _opening(asset: str, usdt: Decimal) -> dict[str, Any]:
    return {
        "kind": CycleKind.ROUND_TRIP,
        "status": CycleStatus.STARTED,
        "outbound_asset": asset,
        "global_venue": "binance",
        "korea_venue": "upbit",
        "policy": PolicyVersion.objects.order_by("-number").first() or policy(),
        "opening_rule": OpeningRule.LOCKED_EDGE,
        "krw_per_usdt_at_open": Decimal(1400),
        "notional_usdt": usdt,
        "notional_krw": usdt * 1400,
        "money_at_risk_krw": usdt * 1400,
        "expected_edge_bps": Decimal("42.5"),
        "started_at": Now(),
        "status_since": Now(),
        "wake_at": Now(),
    }


def _steps(row: Cycle, asset: str) -> None:
    plans = outbound_steps(asset, global_venue="binance", korea_venue="upbit", network="XRP")
    for position, plan in enumerate(plans):
        Step.objects.create(
            cycle=row,
            position=position,
            passage=plan.passage,
            kind=plan.kind,
            venue=plan.venue,
            to_venue=plan.to_venue,
            asset=plan.asset,
            quote=plan.quote,
            network=plan.network,
        )


def moved_to(row: Cycle, target: CycleStatus, **changes: Any) -> Cycle:
    """Move a cycle along one legal edge."""
    with transaction.atomic():
        locked = lock_cycle(row.pk)
        moving.move(locked, target, event="test", actor="test", reason="for a test", **changes)
    row.refresh_from_db()
    return row


def dead_letter(
    asset: str = "XRP",
    *,
    failure: FailureClass = FailureClass.REFUSED_RULES,
    at_risk_krw: Decimal | int = 7_000_000,
    after: Sequence[CycleStatus] = (),
    **facts: Any,
) -> Cycle:
    """Open a cycle and let it die while it buys, or `after` it came on, with one entry in its retry history."""
    row = cycle(asset, **facts)
    for status in after:
        moved_to(row, status)
    Retry.objects.create(
        cycle=row, attempt=1, at=Now(), failure_class=failure, error="below the minimum",
        context={"venue": "binance"},
    )  # fmt: skip
    return moved_to(
        row,
        CycleStatus.DEAD_LETTER,
        failure_class=failure,
        failure_reason="below the minimum",
        resume_status=row.status,
        wake_at=None,
        retry_count=3,
        money_at_risk_krw=Decimal(at_risk_krw),
    )


def finished(asset: str = "XRP", *, pnl_usdt: Decimal | int = 12, **facts: Any) -> Cycle:
    """Open a cycle, hand everything back to the desk and complete it."""
    row = cycle(asset, **facts)
    hand_over(row)
    for status in (
        CycleStatus.INITIAL_TRADE_COMPLETED,
        CycleStatus.AWAITING_REBALANCE,
        CycleStatus.REBALANCING_IN_PROGRESS,
        CycleStatus.REBALANCE_TRADE_COMPLETED,
        CycleStatus.COMPLETED,
    ):
        extra: dict[str, Any] = {}
        if status is CycleStatus.REBALANCING_IN_PROGRESS:
            extra["return_asset"] = asset
        if status is CycleStatus.COMPLETED:
            earned = Decimal(pnl_usdt)
            extra = {
                "realised_pnl_usdt": earned,
                "realised_pnl_krw": earned * 1400,
                "money_at_risk_krw": Decimal(0),
            }
        moved_to(row, status, **extra)
    return row


def hand_over(row: Cycle) -> None:
    """Post everything a cycle owns to the desk."""
    lines = postings.handed_over_lines(booking.holdings(row), target=AccountOwner.DESK)
    booking.post(f"close:{row.code}", PostingKind.CLOSE, lines, cycle=row)


def order_call(
    row: Cycle, outcome: CallOutcome = CallOutcome.DONE, *, venue_order_id: str = "", **facts: Any
) -> ExchangeCall:
    """Write the journal row of the order of a cycle's first step, as if it had been sent."""
    step = Step.objects.filter(cycle=row).order_by("position")[0]
    Step.objects.filter(pk=step.pk).update(state=StepState.RUNNING, started_at=Now(), attempt=1)
    columns: dict[str, Any] = {
        "cycle": row,
        "step": step,
        "operation": Operation.PLACE_ORDER,
        "venue": step.venue,
        "attempt": 1,
        "client_order_id": client_order_id(row.pk, position=step.position, attempt=1),
        "outcome": outcome,
        "fence": row.fence,
        "fingerprint": "0" * 64,
        "request": {"market": f"{step.asset}/USDT", "side": "buy", "quantity": "2000"},
        "venue_order_id": venue_order_id,
        "intended_at": Now(),
        "noted_at": Now() - HOUR if outcome == CallOutcome.UNKNOWN else None,
    }
    return ExchangeCall.objects.create(**(columns | facts))


def withdrawal_call(row: Cycle, *, txid: str = "", **facts: Any) -> ExchangeCall:
    """Write the journal row of a cycle's withdrawal, with the report that names its txid."""
    step = Step.objects.get(cycle=row, kind="WITHDRAW")
    address = facts.get("destination") or confirmed_address(asset=step.asset)
    columns: dict[str, Any] = {
        "cycle": row,
        "step": step,
        "operation": Operation.WITHDRAW,
        "venue": step.venue,
        "attempt": 1,
        "client_order_id": client_order_id(row.pk, position=step.position, attempt=1),
        "outcome": CallOutcome.DONE,
        "fence": row.fence,
        "fingerprint": "0" * 64,
        "request": {
            "asset": step.asset,
            "network": step.network,
            "quantity": "1990",
            "to_venue": step.to_venue,
            "destination": address.destination.fingerprint,
        },
        "report": {"asset": step.asset, "quantity": "1990", "network_fee": "0.2", "txid": txid},
        "destination": address,
        "intended_at": Now(),
    }
    return ExchangeCall.objects.create(**(columns | facts))


def proposed_address(**facts: Any) -> RegisteredAddress:
    """Write an address as its venue would name it, or find the one that lives there."""
    place = {"venue": "upbit", "asset": "XRP", "network": "XRP"}
    place |= {name: facts.pop(name) for name in list(facts) if name in place}
    live = RegisteredAddress.objects.filter(**place).exclude(state=AddressState.RETIRED).first()
    columns = {"address": "rTestAddressOfOurs", "memo": "7", "proposed_at": Now()} | facts
    return live or RegisteredAddress.objects.create(**place, **columns, fetched_at=Now())


def confirmed_address(sender: str = "binance", **facts: Any) -> RegisteredAddress:
    """Write an address that two people have confirmed, that `sender` allows, of a proven asset."""
    row = proposed_address(**facts)
    for name in ("first", "second") if row.state == AddressState.PROPOSED else ():
        confirmation(row, User.objects.get_or_create(username=name)[0])
    RegisteredAddress.objects.filter(pk=row.pk, state=AddressState.PROPOSED).update(
        state=AddressState.CONFIRMED, confirmed_at=Now(), version=F("version") + 1
    )
    AllowedDestination.objects.get_or_create(
        address=row, sender=sender, defaults={"fetched_at": Now()}
    )
    for venue in (sender, row.venue):
        proven(venue, row.asset, row.network)
    row.refresh_from_db()
    return row


def confirmation(row: RegisteredAddress, user: User, **facts: Any) -> AddressConfirmation:
    """Write one person's confirmation as it stands, with its intervention."""
    act = Intervention.objects.create(
        verb="confirm_address",
        user=user,
        actor=user.username,
        channel="admin",
        reason="compared",
        seen_version=row.version,
        payload={"address": row.code},
        at=Now(),
    )
    columns: dict[str, Any] = {
        "address": row,
        "user": user,
        "intervention": act,
        "seen_version": row.version,
        "fingerprint": row.destination.fingerprint,
        "at": Now(),
    }
    return AddressConfirmation.objects.create(**(columns | facts))


def proven(venue: str, symbol: str, spelling: str, /, **facts: Any) -> AssetIdentity:
    """Write that a venue's name is proven to be the asset of our own code; or find it."""
    columns: dict[str, Any] = {
        "title": symbol,
        "asset": symbol,
        "network": spelling,
        "decimals": 6,
        "state": IdentityState.PROVEN,
        "decided_by": "a test",
        "decided_at": Now(),
        "first_seen_at": Now(),
        "fetched_at": Now(),
    }
    row, _ = AssetIdentity.objects.get_or_create(
        venue=venue, venue_symbol=symbol, venue_network=spelling, defaults=columns | facts
    )
    return row


def alert(row: Cycle | None = None, key: str = "test", **facts: Any) -> Alert:
    """Write an alert into the outbox."""
    columns: dict[str, Any] = {
        "key": key,
        "cycle": row,
        "severity": Alert.Severity.CRITICAL,
        "title": "a cycle needs a person",
        "due_at": Now(),
    }
    return Alert.objects.create(**(columns | facts))


def sample(asset: str = "XRP", *, at: datetime | None = None, **facts: Any) -> PremiumSample:
    """Write one premium sample."""
    columns: dict[str, Any] = {
        "at": at or datetime(2024, 12, 3, 12, tzinfo=UTC),
        "asset": asset,
        "global_venue": "binance",
        "korea_venue": "upbit",
        "size_usdt": Decimal(5000),
        "outbound_traded_bps": Decimal(120),
        "return_traded_bps": Decimal(130),
        "outbound_official_bps": Decimal(210),
        "return_official_bps": Decimal(225),
        "krw_per_usdt_bid": Decimal(1409),
        "krw_per_usdt_ask": Decimal(1410),
        "krw_per_usd": Decimal(1400),
    }
    return PremiumSample.objects.create(**(columns | facts))


def intent_row(lease: moving.Lease, step: Step, **facts: Any) -> dict[str, Any]:
    """Give an order's intent as the statement that writes it takes it; `facts` replace or add."""
    return {
        "cycle": lease.cycle_id,
        "owner": lease.owner,
        "fence": lease.fence,
        "step": step.pk,
        "operation": "PLACE_ORDER",
        "venue": step.venue,
        "attempt": 1,
        "client_order_id": lease.cycle_id.hex,
        "fingerprint": "0" * 64,
        "request": {},
        "request_id": "",
        "session_id": "",
        "trace_id": "",
        **facts,
    }
