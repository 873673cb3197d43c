"""Which of the withdrawals that a venue shows is a call's of unknown outcome: by our id, else by likeness.

Read for all calls of a venue at once, in an order that counts: what was seen, then who else waits for the
like, then what is known. A twin that is settled in between is known; one that begins later was not seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from cycles.domain.words import CallOutcome, Operation
from cycles.models import ExchangeCall
from cycles.services import seeing
from cycles.services.seeing import Sight
from exchanges.errors import VenueError
from exchanges.values import OrderReport, WithdrawalReport

OPEN = (CallOutcome.INTENDED, CallOutcome.UNKNOWN)
CLOCK_SLACK = timedelta(minutes=2)  # a venue's stamps against our database's


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What looking a call up gave: a report, proven absence, or a reason to ask a person."""

    report: OrderReport | WithdrawalReport | None = None
    is_absent: bool = False
    ambiguity: str = ""
    doubt: str = ""  # why what was found is not adopted yet
    # When a look began that would have shown a withdrawal, or an order was asked for.
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What an open request asked for."""

    key: int
    asset: str
    network: str
    quantity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """What a venue shows of some calls, the open requests that may have left it, and which ids are others'."""

    sights: Mapping[int, Sight[WithdrawalReport] | VenueError]
    asked: Sequence[_Asked]
    known: frozenset[str]

    def evidence(self, call: ExchangeCall) -> Evidence:
        """Match by our id where the venue keeps it, else by fingerprint; exactly one or none.

        Raises VenueError where the venue could not tell.
        """
        sight = self.sights[call.pk]
        if isinstance(sight, VenueError):
            raise sight
        by_id = [row for row in sight.rows if row.client_withdrawal_id == call.client_order_id]
        if by_id:
            return Evidence(report=by_id[0])
        if not _tells(sight.as_of, call):
            return Evidence()  # its own row may be missing yet, and another's look like it
        free = [row for row in _alike(call, sight) if row.venue_withdrawal_id not in self.known]
        if len(free) > 1:
            return Evidence(ambiguity=f"{len(free)} withdrawals look like {call.client_order_id}")
        if free and self._has_twin(call, free[0]):
            doubt = f"what {call.venue} shows may be another open request's"
            return Evidence(doubt=doubt, as_of=sight.as_of)
        return Evidence(report=free[0] if free else None, as_of=sight.as_of)

    def _has_twin(self, call: ExchangeCall, row: WithdrawalReport) -> bool:
        """Say whether another open call asks for the very same: the trace may be either's."""
        wanted = (call.request["asset"], Decimal(call.request["quantity"]))
        return any(
            one.key != call.pk
            and (one.asset, one.quantity) == wanted
            and row.network in {"", one.network}
            for one in self.asked
        )


def read(calls: Sequence[ExchangeCall]) -> Traces:
    """Read what is shown of calls that are all of one venue. Raises VenueError when it cannot be asked."""
    venue, sights = calls[0].venue, seeing.withdrawals_of(calls)
    asked = _asked(venue)
    ids = {row.venue_withdrawal_id for call in calls for row in _alike(call, sights[call.pk])}
    return Traces(sights=sights, asked=asked, known=_known(venue, ids))


def _alike(
    call: ExchangeCall, sight: Sight[WithdrawalReport] | VenueError
) -> list[WithdrawalReport]:
    """Give the rows without an id of ours that look like a call's."""
    rows = () if isinstance(sight, VenueError) else sight.rows
    return [row for row in rows if row.client_withdrawal_id is None and _matches(call, row)]


def _matches(call: ExchangeCall, row: WithdrawalReport) -> bool:
    """Compare asset, network, quantity and time window (addresses are not always reported)."""
    asked = call.request
    in_window = row.created_at is None or row.created_at >= call.intended_at - CLOCK_SLACK
    own_address = call.destination.address if call.destination else None
    return (
        row.asset == asked["asset"]
        and row.network in {"", asked["network"]}  # Bithumb may leave it out
        and row.quantity == Decimal(asked["quantity"])
        and in_window
        and (row.address is None or row.address == own_address)
    )


def _tells(as_of: datetime | None, call: ExchangeCall) -> bool:
    """Say whether a look began after the call's worker had given it up, so that it shows all there is."""
    return as_of is not None and call.noted_at is not None and as_of > call.noted_at


def _asked(venue: str) -> tuple[_Asked, ...]:
    """Read the withdrawals of a venue whose outcome is open: one a cycle at most."""
    rows = ExchangeCall.objects.filter(
        venue=venue, operation=Operation.WITHDRAW, outcome__in=OPEN
    ).values_list("pk", "request")
    return tuple(
        _Asked(
            key=key,
            asset=request["asset"],
            network=request["network"],
            quantity=Decimal(request["quantity"]),
        )
        for key, request in rows
    )


def _known(venue: str, ids: set[str]) -> frozenset[str]:
    """Give those of a venue's ids that another call of the journal stands for."""
    if not ids:
        return frozenset()
    rows = ExchangeCall.objects.filter(
        venue=venue, operation=Operation.WITHDRAW, venue_order_id__in=ids
    )
    return frozenset(rows.values_list("venue_order_id", flat=True))
