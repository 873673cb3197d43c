"""What a cycle asks of a venue is read from what was seen there: the seam between workers and looks.

While somebody looks often enough, a worker asks the venue nothing. When nobody does, the worker that
notices takes the look itself, once for all cycles. A fact that was seen stays one, however old the look;
what was not seen counts only as of a look that reached far enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Generic

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from cycles.domain.words import Operation, WatchKind
from cycles.models import ExchangeCall, SeenDeposit, SeenOrder, SeenWithdrawal, VenueWatch
from cycles.selectors.awaited import awaited
from cycles.services import looking
from cycles.services.desk import database_now
from cycles.services.looking import CLOCK_SLACK
from cycles.services.sighting import address_hash, txid_key
from exchanges import registry
from exchanges.errors import OutcomeUnknownError, VenueError
from exchanges.values import (
    DepositReport,
    DepositStatus,
    Market,
    OrderReport,
    OrderStatus,
    Side,
    TransferT,
    WithdrawalReport,
    WithdrawalStatus,
)

OWN_READS = timedelta(seconds=1)  # a young order is its worker's own to read; then it is watched
TOGETHER = timedelta(days=1)  # what a venue sends in one transaction was asked for about then
ELSEWHERE = "elsewhere"  # an address that is not the one asked about


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight(Generic[TransferT]):
    """What is known of a venue's transfers. `as_of` None: no look has reached far enough to tell absence."""

    rows: tuple[TransferT, ...]
    as_of: datetime | None


def withdrawals(call: ExchangeCall) -> Sight[WithdrawalReport]:
    """Give what was seen of a call's withdrawal, newest first; of one without an id, all that may be it.

    For one whose outcome is unknown a look is sought that began after that was noted. Raises VenueError
    as a venue does.
    """
    sight = withdrawals_of([call])[call.pk]
    if isinstance(sight, VenueError):
        raise sight
    return sight


def withdrawals_of(
    calls: Sequence[ExchangeCall],
) -> dict[int, Sight[WithdrawalReport] | VenueError]:
    """Give that for calls that are all of one venue, by their keys: one look and one read for all of them.

    What could not be learnt of one is its error. Raises VenueError when the look fails.
    """
    venue, unknown = calls[0].venue, [call for call in calls if not call.venue_order_id]
    since = min(call.intended_at for call in calls)
    after = max((call.noted_at for call in unknown if call.noted_at), default=None)
    watch = _looked(venue, WatchKind.WITHDRAWALS, since, after=after)
    hidden = {call.pk: _hidden(watch, call.request["asset"]) for call in calls}
    named = _named(call for call in unknown if hidden[call.pk])
    readable = [call for call in calls if hidden[call.pk] is None]
    cut_off = [call for call in readable if _is_cut_off(watch, _reach(call))]
    listed = _listed_alone(venue, cut_off)
    alone = {call.pk: listed[call.request["asset"]] for call in cut_off}
    seen = _seen_withdrawals([call for call in readable if call.pk not in alone])
    return {
        call.pk: named.get(call.pk)
        or hidden[call.pk]
        or alone.get(call.pk)
        or _sight(watch, call, seen)
        for call in calls
    }


def _named(calls: Iterable[ExchangeCall]) -> dict[int, Sight[WithdrawalReport]]:
    """Give what bears our own id: that tells what became of a call, whatever else of its asset is not understood."""
    rows = _own_withdrawals(calls, is_shown=True)
    return {pk: Sight(rows=(row,), as_of=None) for pk, row in rows.items()}


def _own_withdrawals(
    calls: Iterable[ExchangeCall], *, by: datetime | None = None, **facts: object
) -> dict[int, WithdrawalReport]:
    """Give what looks ever showed of one venue's withdrawals under our own ids, by such facts of them, by one read."""
    by_id = {call.client_order_id: call for call in calls}
    venues = {call.venue for call in by_id.values()}
    own = SeenWithdrawal.objects.filter(
        venue__in=venues, client_withdrawal_id__in=list(by_id), **facts
    )
    last = {row.client_withdrawal_id: row for row in own.order_by("is_shown", "-pk")}
    known = {by_id[own_id]: row for own_id, row in last.items() if row.is_known_by(by)}
    return {call.pk: _withdrawal(row, call) for call, row in known.items()}


def _listed_alone(
    venue: str, calls: Sequence[ExchangeCall]
) -> dict[str, Sight[WithdrawalReport] | VenueError]:
    """Ask a venue for what lies beyond its common list: each asset by itself, as far back as any call needs."""
    if not calls:
        return {}
    listed: dict[str, Sight[WithdrawalReport] | VenueError] = {}
    as_of = database_now()
    for asset in sorted({call.request["asset"] for call in calls}):
        since = min(_reach(call) for call in calls if call.request["asset"] == asset)
        try:
            found = registry.venue(venue).withdrawals(asset, since=since)
        except VenueError as error:
            listed[asset] = error
        else:
            listed[asset] = Sight(rows=tuple(found), as_of=as_of)
    return listed


def _seen_withdrawals(calls: Sequence[ExchangeCall]) -> list[SeenWithdrawal]:
    """Read what was seen that may be one of these calls', newest first: by its id where that is known."""
    if not calls:
        return []
    named = [call.venue_order_id for call in calls if call.venue_order_id]
    unknown = [call for call in calls if not call.venue_order_id]
    wanted = Q(venue_withdrawal_id__in=named) if named else Q()
    if unknown:
        assets = sorted({call.request["asset"] for call in unknown})
        wanted |= Q(_since(min(_reach(call) for call in unknown)), asset__in=assets)
    seen = SeenWithdrawal.objects.filter(wanted, venue=calls[0].venue, is_shown=True)
    return list(seen.order_by("-created_at", "-pk"))


def _sight(
    watch: VenueWatch | None, call: ExchangeCall, seen: Sequence[SeenWithdrawal]
) -> Sight[WithdrawalReport]:
    """Choose what may be a call's among what was seen."""
    rows = tuple(_withdrawal(row, call) for row in seen if _may_be(row, call))
    return Sight(rows=rows, as_of=_as_of(watch, call.intended_at))


def _may_be(row: SeenWithdrawal, call: ExchangeCall) -> bool:
    """Say whether a seen withdrawal may be a call's: it has its id, or is of its asset and no older."""
    if call.venue_order_id:
        return row.venue_withdrawal_id == call.venue_order_id
    is_young = row.created_at is None or row.created_at >= _reach(call)
    return is_young and row.asset == call.request["asset"]


def _reach(call: ExchangeCall) -> datetime:
    """Give how far back what a call brought about may be stamped."""
    return call.intended_at - CLOCK_SLACK


def deposits(venue: str, call: ExchangeCall) -> Sight[DepositReport]:
    """Give what was seen of a withdrawal's arrival, by its transaction. Raises VenueError as a venue does."""
    asset, since = call.request["asset"], call.intended_at - CLOCK_SLACK
    key = txid_key(call.report["txid"])
    watch = _watched(venue, WatchKind.DEPOSITS, call.intended_at, asset)
    if _is_cut_off(watch, since):
        as_of = database_now()
        found = registry.venue(venue).deposits(asset, since=since)
        rows = [row for row in found if key and txid_key(row.txid) == key]
        return Sight(rows=tuple(rows), as_of=as_of)
    mine = SeenDeposit.objects.filter(venue=venue, txid_key=key, asset=asset, is_shown=True)
    seen = mine.order_by("pk") if key else ()
    return Sight(rows=tuple(_deposit(row) for row in seen), as_of=_as_of(watch, call.intended_at))


def sent_along(call: ExchangeCall) -> tuple[tuple[str, Decimal], ...]:
    """Give what else was seen to leave for the same account in a withdrawal's transaction: ids and quantities."""
    hidden = Q(status=WithdrawalStatus.FAILED.value) | Q(client_withdrawal_id=call.client_order_id)
    own = address_hash(call.destination.address if call.destination else None)
    seen = SeenWithdrawal.objects.filter(
        _since(call.intended_at - TOGETHER), venue=call.venue, asset=call.request["asset"],
        txid=call.report["txid"], address_hash__in={"", own}, is_shown=True,
    )  # fmt: skip
    rows = seen.exclude(hidden | Q(venue_withdrawal_id=call.venue_order_id))
    return tuple(
        (own_id, _told(quantity))
        for own_id, quantity in rows.values_list("venue_withdrawal_id", "quantity")
    )


def sender_shows_since(call: ExchangeCall, instant: datetime | None) -> bool:
    """Say whether a look at a withdrawal's venue began after an instant; takes one if it may. Raises VenueError."""
    watch = _looked(call.venue, WatchKind.WITHDRAWALS, call.intended_at, after=instant)
    return _began_after(watch, instant)


def still_rests(call: ExchangeCall, now: datetime) -> bool:
    """Say whether an accepted order is known to be open, so that asking for it alone would tell nothing.

    Known by a look that is no older than looks may be: when nobody looks, it is asked for.
    """
    if age_of(call, now) < OWN_READS:
        return False
    watch = _looked(call.venue, WatchKind.ORDERS, call.intended_at)
    if watch is None or not _is_current(watch, call.intended_at):
        return False
    return _orders(call).filter(status=OrderStatus.OPEN.value).exists()


def orders_of(calls: Sequence[ExchangeCall]) -> Mapping[int, SeenOrder]:
    """Give by key of call what looks ever showed of orders of one venue: one look and one read for all of them.

    Raises VenueError when that look fails.
    """
    if not calls:
        return {}
    venue = calls[0].venue
    _looked(venue, WatchKind.ORDERS, min(call.intended_at for call in calls))
    own_ids = {call.pk: _own_id(call) for call in calls}
    rows = SeenOrder.objects.filter(venue=venue, client_order_id__in=set(own_ids.values()))
    seen = {row.client_order_id: row for row in rows}
    return {pk: seen[own_id] for pk, own_id in own_ids.items() if own_id in seen}


def sighting_of(call: ExchangeCall) -> SeenOrder | None:
    """Give what looks ever showed of the order that a call placed, or was to cancel, or None; takes none.

    One that is shown no more is still one that was: what a list leaves out is no word on it.
    """
    return SeenOrder.objects.filter(venue=call.venue, client_order_id=_own_id(call)).first()


def told_of(
    call: ExchangeCall, *, by: datetime | None = None
) -> OrderReport | WithdrawalReport | None:
    """Give what looks ever told of an open request by our id, all by an instant if one is named, or None; takes none.

    It was accepted then, whatever its venue says when it is asked for it alone. Without fills; of a cancel none tells.
    """
    if call.operation == Operation.WITHDRAW:
        return _own_withdrawals([call], by=by).get(call.pk)
    row = sighting_of(call) if call.operation == Operation.PLACE_ORDER else None
    if row is None or not row.is_known_by(by):
        return None
    return OrderReport(
        venue=row.venue,
        market=Market.parse(call.request["market"]),
        side=Side(call.request["side"]),
        client_order_id=row.client_order_id,
        venue_order_id=row.venue_order_id,
        status=OrderStatus(row.status),
        quantity=_told(row.quantity),
        executed_quantity=_told(row.executed_quantity),
        fills=(),
        created_at=row.created_at,
        detail=row.detail,
    )


def stands(row: SeenOrder) -> bool:
    """Say whether the newest look shows an order, or any look told of an execution of it."""
    return row.is_shown or row.status == OrderStatus.FILLED or bool(row.executed_quantity)


def _orders(call: ExchangeCall) -> QuerySet[SeenOrder]:
    """Give what was seen of the order that a call placed, or was to cancel."""
    return SeenOrder.objects.filter(venue=call.venue, client_order_id=_own_id(call), is_shown=True)


def _own_id(call: ExchangeCall) -> str:
    """Give our id of the order that a call placed, or was to cancel."""
    own_id: str = call.request.get("cancels", call.client_order_id)
    return own_id


def _watched(venue: str, kind: WatchKind, since: datetime, asset: str = "") -> VenueWatch | None:
    """Give how a venue is watched, as `_looked` does; raises OutcomeUnknownError when that hides this asset."""
    watch = _looked(venue, kind, since)
    error = _hidden(watch, asset)
    if error is not None:
        raise error
    return watch


def _hidden(watch: VenueWatch | None, asset: str) -> VenueError | None:
    """Give what to raise for an asset of which the last look understood nothing."""
    if watch is None or asset not in watch.unreadable:
        return None
    message = f"{watch.venue} says of {asset} what we do not understand"
    return OutcomeUnknownError(message, venue=watch.venue, operation=watch.kind.lower())


def _looked(
    venue: str, kind: WatchKind, since: datetime, *, after: datetime | None = None
) -> VenueWatch | None:
    """Give how a venue is watched; when the last look is too old, or fell short, take one for all.

    None: nobody has looked yet. Raises VenueError when that look fails.
    """
    watch = _state(venue, kind)
    is_current = watch is not None and _is_current(watch, since)
    if is_current and _began_after(watch, after):
        return watch
    reach = min([since, *(what.since for what in awaited().values())])
    apart = looking.hurry() if is_current else looking.longest_gap(kind, watch)
    look = looking.begin(venue, kind, apart=apart, since=reach)
    if look is None:
        return watch
    looking.take(look)
    return _state(venue, kind)


def _state(venue: str, kind: WatchKind) -> VenueWatch | None:
    """Read a watch with its age, by the database's clock."""
    rows = VenueWatch.objects.annotate(age=Now() - F("looked_at"))
    return rows.filter(venue=venue, kind=kind, looked_at__isnull=False).first()


def _is_current(watch: VenueWatch, since: datetime) -> bool:
    """Say whether the last look asked as far back, and not too long ago."""
    age: timedelta = getattr(watch, "age")  # noqa: B009  annotated
    gap = looking.longest_gap(WatchKind(watch.kind), watch)
    return age <= gap and watch.asked_since is not None and watch.asked_since <= since


def _began_after(watch: VenueWatch | None, instant: datetime | None) -> bool:
    """Say whether the last look began after an instant, if one is named; both are the database's."""
    began_at = watch.looked_at if watch is not None else None
    return instant is None or (began_at is not None and began_at > instant)


def age_of(call: ExchangeCall, now: datetime) -> timedelta:
    """Give how long ago a call was noted, by the clock that stamped it: a host's own may be wrong by hours."""
    return now - (call.noted_at or call.intended_at)


def _is_cut_off(watch: VenueWatch | None, since: datetime) -> bool:
    """Say that a venue's list ended before the instant it was asked for: what lies beyond is asked alone."""
    if watch is None or watch.asked_since is None or watch.covers_since is None:
        return False
    return watch.asked_since <= since + CLOCK_SLACK and watch.covers_since > since


def _as_of(watch: VenueWatch | None, since: datetime) -> datetime | None:
    """Give when the newest look began that would have shown something intended at an instant."""
    if watch is None or watch.asked_since is None or watch.asked_since > since:
        return None
    return watch.looked_at


def _since(instant: datetime) -> Q:
    """Say that a row was created since an instant, or does not tell."""
    return Q(created_at__gte=instant) | Q(created_at__isnull=True)


def _withdrawal(row: SeenWithdrawal, call: ExchangeCall) -> WithdrawalReport:
    """Give a seen row as the venue's report; its address only as the call's own, another's or untold."""
    own_address = call.destination.address if call.destination else None
    is_ours = row.address_hash == address_hash(own_address)
    address = None if not row.address_hash else own_address if is_ours else ELSEWHERE
    return WithdrawalReport(
        venue=row.venue,
        venue_withdrawal_id=row.venue_withdrawal_id,
        client_withdrawal_id=row.client_withdrawal_id or None,
        asset=row.asset,
        network=row.network,
        quantity=_told(row.quantity),
        network_fee=_told(row.network_fee),
        status=WithdrawalStatus(row.status),
        txid=row.txid or None,
        address=address,
        created_at=row.created_at,
        detail=row.detail,
    )


def _deposit(row: SeenDeposit) -> DepositReport:
    """Give a seen row as the venue's report."""
    return DepositReport(
        venue=row.venue,
        venue_deposit_id=row.venue_deposit_id,
        asset=row.asset,
        network=row.network,
        quantity=_told(row.quantity),
        status=DepositStatus(row.status),
        txid=row.txid or None,
        detail=row.detail,
        created_at=row.created_at,
        wants_sender=row.wants_sender,
    )


def _told(value: Decimal) -> Decimal:
    """Give a number as a venue writes it: the column fills it up with zeros."""
    return Decimal(f"{value.normalize():f}")
