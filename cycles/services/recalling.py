"""What the venues show since an instant, asked for at once: the desk's memory of last resort. Reads only."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from cycles.domain.plan import RequestName, request_named
from cycles.errors import StaleDataError
from cycles.models import ExchangeCall
from cycles.services import verifying
from cycles.services.looking import CLOCK_SLACK
from cycles.services.sighting import txid_key
from exchanges import reference, registry
from exchanges.errors import VenueError
from exchanges.port import Venue
from exchanges.values import (
    Balance,
    DepositReport,
    DepositStatus,
    Listed,
    Market,
    OrderReport,
    WithdrawalReport,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A request of ours as its venue shows it; without a name where the venue keeps none.

    `times`: how many the venue shows by its id; of more than one nothing is written.
    """

    venue: str
    report: OrderReport | WithdrawalReport
    name: RequestName | None
    times: int = 1

    @property
    def venue_id(self) -> str:
        """Give the venue's own id."""
        if isinstance(self.report, OrderReport):
            return self.report.venue_order_id
        return self.report.venue_withdrawal_id

    @property
    def own_id(self) -> str:
        """Give our id, or nothing where the venue keeps none."""
        if isinstance(self.report, OrderReport):
            return self.report.client_order_id
        return self.report.client_withdrawal_id or ""

    @property
    def moves(self) -> set[tuple[str, str]]:
        """Give what it gives or takes where it was sent, but for fees: venue and asset."""
        report = self.report
        if isinstance(report, OrderReport):
            return {(self.venue, report.market.base), (self.venue, report.market.quote)}
        return {(self.venue, report.asset)}


@dataclass(slots=True, kw_only=True)
class History:
    """What was shown. `gaps`: why it is not all that happened."""

    since: datetime
    traces: list[Trace] = field(default_factory=list)
    deposits: list[DepositReport] = field(default_factory=list)
    balances: dict[str, dict[str, Balance]] = field(default_factory=dict)
    gaps: list[str] = field(default_factory=list)

    def named(self) -> list[Trace]:
        """Give what bears an id of ours."""
        return [trace for trace in self.traces if trace.name is not None]

    def by_cycle(self) -> dict[UUID, list[Trace]]:
        """Give what bears an id of ours by the cycle that it names."""
        traces: dict[UUID, list[Trace]] = defaultdict(list)
        for trace in self.traces:
            if trace.name is not None:
                traces[trace.name.cycle_id].append(trace)
        return traces

    def withdrawal(self, venue: str, venue_id: str) -> WithdrawalReport | None:
        """Give a withdrawal by its venue's id."""
        reports = (
            one.report for one in self.traces if (one.venue, one.venue_id) == (venue, venue_id)
        )
        return next((one for one in reports if isinstance(one, WithdrawalReport)), None)

    def unnamed_withdrawals(self, venue: str) -> list[WithdrawalReport]:
        """Give a venue's withdrawals that bear no id of ours, oldest first."""
        reports = [one.report for one in self.traces if one.venue == venue and one.name is None]
        found = [one for one in reports if isinstance(one, WithdrawalReport)]
        return sorted(
            found, key=lambda one: (one.created_at is not None, one.created_at or self.since)
        )

    def credits(self, venue: str, asset: str, txid: str) -> list[DepositReport]:
        """Give what a transaction was credited as."""
        return [
            one
            for one in self.deposits
            if (one.venue, one.asset) == (venue, asset)
            and one.status is DepositStatus.CREDITED
            and txid_key(one.txid) == txid_key(txid)
        ]

    def sent_in(self, venue: str, asset: str, txid: str) -> list[WithdrawalReport]:
        """Give what left a venue in a transaction."""
        reports = [one.report for one in self.traces if one.venue == venue]
        return [
            one
            for one in reports
            if isinstance(one, WithdrawalReport)
            and one.asset == asset
            and txid_key(one.txid) == txid_key(txid)
        ]


def recall(since: datetime) -> History:
    """Ask every venue in use for all that happened there since an instant.

    Raises StaleDataError when one does not answer: half a memory is none.
    """
    history = History(since=since)
    for code in verifying.venues():
        try:
            _ask(registry.venue(code), history)
        except VenueError as error:
            raise StaleDataError(f"{code} could not be asked: {error}") from error
    return history


def _ask(venue: Venue, history: History) -> None:
    """Ask one venue. Its balances come last: what is still on its way then explains a difference."""
    since = history.since - CLOCK_SLACK
    sent = venue.all_withdrawals(since=since)
    sends = [
        Trace(venue=venue.code, report=row, name=request_named(row.client_withdrawal_id or ""))
        for row in sent.rows
    ]
    history.traces += _counted([*_orders(venue, since), *sends], history.gaps)
    credited = venue.all_deposits(since=since)
    history.deposits += credited.rows
    history.gaps += [*_short(venue.code, "withdrawals", sent, history.since)]
    history.gaps += [*_short(venue.code, "deposits", credited, history.since)]
    history.balances[venue.code] = venue.balances()


def _orders(venue: Venue, since: datetime) -> list[Trace]:
    """List our orders; those that the ledger does not know yet with their fills."""
    markets = [Market.parse(code) for at, code in reference.known_markets() if at == venue.code]
    rows = venue.orders_since(sorted(markets), since=since)
    traces = [
        Trace(venue=venue.code, report=row, name=request_named(row.client_order_id)) for row in rows
    ]
    ours = [one for one in traces if one.name is not None]
    times = Counter(one.own_id for one in ours)
    known = _settled([one.own_id for one in ours]).union(one for one in times if times[one] > 1)
    return [one if one.own_id in known else _with_fills(venue, one) for one in ours]


def _counted(traces: Sequence[Trace], gaps: list[str]) -> list[Trace]:
    """Tell which ids of ours a venue shows of several requests."""
    ids = {(one.own_id, one.venue_id): one.venue for one in traces if one.name is not None}
    times = Counter(own_id for own_id, _ in ids)
    gaps += [
        f"{venue} shows {own_id} {times[own_id]} times"
        for own_id, venue in {own_id: venue for (own_id, _), venue in ids.items()}.items()
        if times[own_id] > 1
    ]
    return [replace(one, times=times[one.own_id]) if one.name else one for one in traces]


def _settled(own_ids: Iterable[str]) -> set[str]:
    """Give which of these the ledger knows."""
    calls = ExchangeCall.objects.filter(client_order_id__in=list(own_ids), is_settled=True)
    return set(calls.values_list("client_order_id", flat=True))


def unknown(named: Sequence[Trace]) -> list[Trace]:
    """Give those of requests that bear an id of ours which the journal does not have, or has once of several."""
    calls = ExchangeCall.objects.filter(client_order_id__in=[one.own_id for one in named])
    known = set(calls.values_list("client_order_id", flat=True))
    return [one for one in named if one.times > 1 or one.own_id not in known]


def _with_fills(venue: Venue, trace: Trace) -> Trace:
    """Read an order by itself: a list shows no fills."""
    listed = trace.report
    if not isinstance(listed, OrderReport):
        return trace
    found = venue.order(listed.market, client_order_id=listed.client_order_id)
    return trace if found is None else replace(trace, report=found)


def _short(
    venue: str,
    what: str,
    listed: Listed[WithdrawalReport] | Listed[DepositReport],
    since: datetime,
) -> Iterator[str]:
    """Say where a list does not show all that was asked for."""
    if listed.since > since:
        yield f"{venue} lists its {what} back to {listed.since:%Y-%m-%d %H:%M} UTC only"
    for asset in sorted(listed.unreadable):
        yield f"{venue} says of {asset} in its {what} what we do not understand"
