"""Writing down what a look at a venue showed, and waking whom it concerns: one commit, set statements.

Facts need no lease. What a newer look has shown already stays: an older one, by a process that slept
past its lease, adds nothing to it.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection
from django.db.models import Q, QuerySet, TextField, Value
from django.db.models.expressions import Combinable
from django.db.models.fields.json import KT
from django.db.models.functions import Lower, Now, Replace

from cycles.domain.states import RUNNING
from cycles.domain.words import CallOutcome, Operation, WatchKind
from cycles.models import (
    Cycle,
    ExchangeCall,
    SeenDeposit,
    SeenOrder,
    SeenWithdrawal,
    VenueWatch,
)
from cycles.services import waking
from cycles.services.locking import in_transaction, locked
from cycles.sql import read
from exchanges.values import DepositReport, Listed, OrderReport, WithdrawalReport

Row = Mapping[str, Any]
AGAIN_SECONDS = (0.05, 0.2)  # longer than most transactions keep a row
WAITING = ("STARTED", "REBALANCING_IN_PROGRESS")  # for transfers; orders are placed elsewhere too
OPEN = (CallOutcome.INTENDED, CallOutcome.UNKNOWN)
KEYS = {
    WatchKind.WITHDRAWALS: "venue_withdrawal_id",
    WatchKind.DEPOSITS: "venue_deposit_id",
    WatchKind.ORDERS: "client_order_id",
}
UPSERTS = {kind: read(f"see_{kind.lower()}") for kind in KEYS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at a venue, granted under a number of its own; `began_at` by the database's clock.

    `since` is how far back it is to reach: when the oldest thing that is waited for was intended.
    """

    venue: str
    kind: WatchKind
    number: int
    since: datetime
    began_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What one look came to. `since`: how far back it reached (None: it asked for `asked` alone)."""

    rows: Sequence[Row]
    since: datetime | None
    calls: int = 1
    asked: frozenset[str] = field(default_factory=frozenset)
    unreadable: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What writing it came to. An overtaken look has told nothing that a newer one had not."""

    changed: int = 0
    woken: int = 0
    is_overtaken: bool = False


def txid_key(txid: str | None) -> str:
    """Write a transaction id as ids are compared: venues use either case, some hyphens."""
    return (txid or "").replace("-", "").lower()


def own_txid_key() -> Lower:
    """Give the same of the transaction that a call's report names, in the database."""
    return txid_key_of(KT("report__txid"))


def txid_key_of(txid: Combinable) -> Lower:
    """Give the same of what the database has as an id, there."""
    hyphen, nothing = (Value(text, output_field=TextField()) for text in ("-", ""))
    return Lower(Replace(txid, hyphen, nothing))


def is_same_txid(left: str | None, right: str | None) -> bool:
    """Say whether two ids name one transaction; one that is not known is none."""
    return bool(left and right) and txid_key(left) == txid_key(right)


def address_hash(address: str | None) -> str:
    """Give what is kept of an address: enough to tell ours from another's; nothing if none was told."""
    return hashlib.sha256(address.encode()).hexdigest() if address else ""


def of_withdrawals(listed: Listed[WithdrawalReport]) -> Sighting:
    """Give the rows of a list of withdrawals."""
    rows = [
        {
            "venue_withdrawal_id": row.venue_withdrawal_id,
            "client_withdrawal_id": row.client_withdrawal_id or "",
            "network_fee": row.network_fee,
            "address_hash": address_hash(row.address),
            **_transfer(row),
        }
        for row in listed.rows
    ]
    return _sighting(rows, listed)


def of_deposits(listed: Listed[DepositReport]) -> Sighting:
    """Give the rows of a list of deposits."""
    rows = [
        {
            "venue_deposit_id": row.venue_deposit_id,
            "txid_key": txid_key(row.txid),
            "wants_sender": row.wants_sender,
            **_transfer(row),
        }
        for row in listed.rows
    ]
    return _sighting(rows, listed)


def of_orders(reports: Iterable[OrderReport], asked: Iterable[str]) -> Sighting:
    """Give the rows of a list of orders, of those that were asked for."""
    rows = [
        {
            "client_order_id": row.client_order_id,
            "venue_order_id": row.venue_order_id,
            "market": row.market.code,
            "quantity": row.quantity,
            "executed_quantity": row.executed_quantity,
            "status": row.status.value,
            "detail": row.detail,
            "created_at": row.created_at,
        }
        for row in reports
    ]
    return Sighting(rows=rows, since=None, asked=frozenset(asked))


def _transfer(row: WithdrawalReport | DepositReport) -> dict[str, Any]:
    return {
        "asset": row.asset,
        "network": row.network,
        "quantity": row.quantity,
        "txid": row.txid or "",
        "status": row.status.value,
        "detail": row.detail,
        "created_at": row.created_at,
    }


def _sighting(
    rows: list[dict[str, Any]], listed: Listed[WithdrawalReport] | Listed[DepositReport]
) -> Sighting:
    return Sighting(rows=rows, since=listed.since, calls=listed.calls, unreadable=listed.unreadable)


def record(look: Look, sighting: Sighting) -> Recorded:
    """Write what a look showed and wake the cycles it concerns; needs no lease.

    A cycle that somebody keeps locked holds up neither: after a moment it is left to its own wake-up.
    """
    changed: list[str] = []
    has_left = False

    def work() -> Recorded:
        nonlocal changed, has_left
        watch = locked(VenueWatch.objects.filter(venue=look.venue, kind=look.kind)).get()
        if watch.done_number > look.number:
            return Recorded(is_overtaken=True)
        changed = _upsert(look, sighting)
        _hide(look, sighting)
        _complete(watch, look, sighting)
        if not changed:
            return Recorded()
        woken = waking.wake(_concerned(look, changed))
        has_left = woken.has_left
        return Recorded(changed=len(changed), woken=woken.count)

    recorded = in_transaction(work)
    if not has_left:
        return recorded
    return replace(recorded, woken=recorded.woken + _wake_the_rest(look, changed))


def _wake_the_rest(look: Look, keys: list[str]) -> int:
    """Wake those whose rows somebody had locked, as a worker has within a commit."""
    count = 0
    for pause in AGAIN_SECONDS:
        time.sleep(pause)
        woken = in_transaction(lambda: waking.wake(_concerned(look, keys)))
        count += woken.count
        if not woken.has_left:
            break
    return count


def _upsert(look: Look, sighting: Sighting) -> list[str]:
    """Write rows in one statement; returns the keys of those that are new or other than before."""
    key = KEYS[look.kind]
    rows = {row[key]: row for row in sighting.rows}  # pages may repeat a row
    if not rows:
        return []
    told = json.dumps([_writable(row) for row in rows.values()], cls=DjangoJSONEncoder)
    with connection.cursor() as cursor:
        cursor.execute(UPSERTS[look.kind], {"venue": look.venue, "look": look.number, "rows": told})
        return [own_key for (own_key,) in cursor.fetchall()]


def _writable(row: Row) -> Row:
    """Leave out what no text of the database may hold: one odd row must not keep the others from being written."""
    return {
        name: told.replace("\0", "") if isinstance(told, str) else told
        for name, told in row.items()
    }


def _hide(look: Look, sighting: Sighting) -> None:
    """Mark what a look should have shown and did not: undone on its chain, say. It may come back."""
    key = KEYS[look.kind]
    shown = {f"{key}__in": [row[key] for row in sighting.rows]}
    gone = _expected(look, sighting).filter(venue=look.venue, is_shown=True).exclude(**shown)
    gone.update(is_shown=False, changed_at=Now(), look=look.number)


def _expected(look: Look, sighting: Sighting) -> QuerySet[Any]:
    """Give what is known that a look should show, if it still stands."""
    if sighting.since is None:
        return SeenOrder.objects.filter(client_order_id__in=sorted(sighting.asked))
    is_of_deposits = look.kind == WatchKind.DEPOSITS
    seen: QuerySet[Any] = (SeenDeposit if is_of_deposits else SeenWithdrawal).objects.all()
    readable = seen.exclude(asset__in=sorted(sighting.unreadable))
    return readable.filter(created_at__gte=sighting.since)


def _complete(watch: VenueWatch, look: Look, sighting: Sighting) -> None:
    """Note a complete look; the lease goes with it, unless it is another's by now."""
    watch.done_number, watch.looked_at = look.number, look.began_at
    watch.asked_since, watch.covers_since = look.since, sighting.since
    watch.calls = sighting.calls
    watch.unreadable = sorted(sighting.unreadable)
    watch.failures, watch.not_before, watch.error = 0, None, ""
    if watch.number == look.number:
        watch.owner, watch.expires_at = "", None
    watch.save()


def _concerned(look: Look, keys: list[str]) -> QuerySet[Cycle]:
    """Give the cycles that wait for what has just changed."""
    calls = _CALLS[look.kind](look.venue, keys)
    statuses = RUNNING if look.kind == WatchKind.ORDERS else WAITING
    return Cycle.objects.filter(status__in=list(statuses), pk__in=calls.values("cycle"))


def _calls_of_withdrawals(venue: str, keys: list[str]) -> QuerySet[ExchangeCall]:
    """Give the calls known by these ids, and those that may be found by likeness."""
    changed = SeenWithdrawal.objects.filter(venue=venue, venue_withdrawal_id__in=keys)
    assets = list(changed.values_list("asset", flat=True).distinct())
    known = Q(venue_order_id__in=keys) & ~Q(venue_order_id="")
    unknown = Q(outcome__in=OPEN, request__asset__in=assets)
    return ExchangeCall.objects.filter(known | unknown, venue=venue, operation=Operation.WITHDRAW)


def _calls_of_deposits(venue: str, keys: list[str]) -> QuerySet[ExchangeCall]:
    """Give the withdrawals whose transactions these deposits name."""
    changed = SeenDeposit.objects.filter(venue=venue, venue_deposit_id__in=keys)
    txids = list(changed.exclude(txid_key="").values_list("txid_key", flat=True))
    sent = ExchangeCall.objects.filter(
        operation=Operation.WITHDRAW,
        outcome=CallOutcome.DONE,
        cycle__status__in=WAITING,
        step__to_venue=venue,
    )
    return sent.annotate(own_key=own_txid_key()).filter(own_key__in=txids)


def _calls_of_orders(venue: str, keys: list[str]) -> QuerySet[ExchangeCall]:
    """Give the calls that placed these orders, or were to cancel them."""
    placed = Q(client_order_id__in=keys)
    cancels = Q(operation=Operation.CANCEL_ORDER, outcome__in=OPEN, request__cancels__in=keys)
    return ExchangeCall.objects.filter(placed | cancels, venue=venue)


_CALLS: dict[WatchKind, Callable[[str, list[str]], QuerySet[ExchangeCall]]] = {
    WatchKind.WITHDRAWALS: _calls_of_withdrawals,
    WatchKind.DEPOSITS: _calls_of_deposits,
    WatchKind.ORDERS: _calls_of_orders,
}
