"""A durable step's two statements: intents and outcomes, written for one cycle or for many at once.

The SQL is cycles/sql/durable_step.sql and settle_v2.sql. What many threads of a process want written at one moment shares
a transaction (`committing`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection

from cycles import conf
from cycles.domain.postings import Line
from cycles.domain.words import PostingKind
from cycles.errors import DatabaseBusyError
from cycles.services.committing import Group
from cycles.services.correlating import correlation
from cycles.services.locking import ATTEMPTS, MODE_LOCK, in_one_statement
from cycles.services.standing import Glimpse, Glimpses
from exchanges.values import OrderReport, WithdrawalReport

Report = OrderReport | WithdrawalReport
Row = dict[str, Any]

DONE, HALTED, LOST, BUSY = "DONE", "HALTED", "LOST", "BUSY"  # a row's verdicts
INTEND = "SELECT * FROM kimp_intend_v1(%s, %s::jsonb, %s)"
# Who does not wait for a cycle waits for other rows a moment only: longer than most commits keep one.
SETTLE = """SELECT o.o_cycle, o.o_version, s.*
  FROM kimp_settle_v2(%s::jsonb, %s, %s OR set_config('lock_timeout', '300ms', true) IS NULL) o
  LEFT JOIN LATERAL kimp_standing_v3(o.o_goes_on) s ON true"""
OWN_COLUMNS = 2  # before those of where the cycle stands


@dataclass(frozen=True, slots=True)
class Intended:
    """What became of an intent's row; `lease_left` when it was written."""

    verdict: str
    detail: str
    call_id: int | None
    lease_left: timedelta | None
    started_at: datetime | None
    reference_price: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What an accepted request did: to be booked whole, once.

    `given` and `got` are added to the step's totals, or replace them. `owner`, `fence` and `version` name the
    lease and the cycle as it was seen; without them the caller holds the cycle's lock and has decided.
    `is_noted`: its outcome is written with it (`duration_ms`); else it stands already. `wake_in`: the leased
    cycle is handed back with it, to be looked at again after that; without it, where it stands now is told.
    """

    cycle_id: UUID
    step_id: int
    call_id: int
    report: Report
    key: str
    kind: PostingKind
    lines: Sequence[Line]
    given: Decimal
    got: Decimal
    is_added: bool
    is_step_done: bool = False
    owner: str | None = None
    fence: int | None = None
    version: int | None = None
    is_noted: bool = False
    duration_ms: int | None = None
    wake_in: timedelta | None = None
    ids: dict[str, str] = field(default_factory=correlation)


@dataclass(frozen=True, slots=True)
class Settled:
    """A cycle's version after a settlement, 0 where it was not as it was seen; `seen` of one that goes on."""

    version: int
    seen: Glimpse | None = None


def write_intents(rows: Sequence[Row], *, waits: bool) -> list[Intended | None]:
    """Write intents by one statement; None of one whose cycle somebody else has locked, unless it waits for that.

    Who waits and is told that it is locked all the same has none there, as on a standby that took over and lacks it.
    """
    text = msgspec.json.encode(rows).decode()

    def work() -> list[tuple[Any, ...]]:
        return _ask(INTEND, [MODE_LOCK, text, waits])

    told = {row[0]: Intended(*row[1:]) for row in in_one_statement(work)}
    found = [told[row["cycle"]] for row in rows]
    if waits:
        return [replace(one, verdict=LOST) if one.verdict == BUSY else one for one in found]
    return [None if one.verdict == BUSY else one for one in found]


def write_settlements(settlements: Sequence[Settlement], *, waits: bool) -> list[Settled | None]:
    """Settle by one statement; None of one that is not as it was seen, or locked, unless it waits for that.

    Where somebody keeps an account's row, which are reached only once all else is written, none of them stands: each
    is told None then, and of those that were together only who needs that row waits for it.
    """
    attempts = ATTEMPTS if waits else 1
    try:
        found = in_one_statement(lambda: settle(settlements, waits=waits), attempts=attempts)
    except DatabaseBusyError:
        if waits:
            raise
        return [None] * len(settlements)
    return [one if one.version or waits else None for one in found]


def settle(settlements: Sequence[Settlement], *, waits: bool = True) -> list[Settled]:
    """Settle in the caller's transaction; a cycle that somebody has locked is left unwritten, unless it `waits` for that."""
    text = msgspec.json.encode([settlement_row(one) for one in settlements]).decode()
    with connection.cursor() as cursor:
        glimpses = Glimpses(after=OWN_COLUMNS)
        cursor.execute(SETTLE, [text, conf.lease_seconds(), waits])
        glimpses.told_by(cursor)
        told = {row[0]: Settled(row[1] or 0, glimpses.of(row)) for row in cursor.fetchall()}
    return [told[one.cycle_id] for one in settlements]


intend_together: Group[Row, Intended] = Group(write_intents, of=lambda row: row["cycle"])
settle_together: Group[Settlement, Settled] = Group(write_settlements, of=lambda one: one.cycle_id)
_sent_to: dict[int, Group[Row, Intended]] = {}  # by the address that they go to


def intend(row: Row) -> Intended:
    """Write an intent, with others that come meanwhile; a withdrawal's with those to its own address only.

    It holds the rows that vouch for that address, and waits where somebody has locked one: no order waits with it.
    """
    to = row.get("destination")
    if to is None:
        return intend_together(row)
    return _sent_to.setdefault(to, Group(write_intents, of=lambda one: one["cycle"]))(row)


def _ask(statement: str, parameters: list[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())


def _turn(one: Settlement) -> Row:
    """Say how a leased cycle goes on: where it stands then is told, or it is handed back."""
    if one.owner is None:
        return {"turn": None}
    if one.wake_in is None:
        return {"turn": "ON"}
    return {"turn": "BACK", "wake_in": one.wake_in.total_seconds()}


def report_columns(report: Report) -> dict[str, Any]:
    """Give the columns a report fills; addresses stay out of the journal."""
    return _columns(report, asdict(report))


def _columns(report: Report, told: dict[str, Any]) -> dict[str, Any]:
    told.pop("address", None)
    if isinstance(report, OrderReport):
        told["market"] = report.market.code
        return {"report": told, "venue_order_id": report.venue_order_id}
    return {"report": told, "venue_order_id": report.venue_withdrawal_id}


def _as_it_is(report: Report) -> dict[str, Any]:
    """Give a report's fields without copying what is in them: it is encoded at once."""
    return {field.name: getattr(report, field.name) for field in fields(report)}


def settlement_row(one: Settlement) -> Row:
    """Give a settlement as the statement reads it."""
    report = one.report
    filled: Row = {"fills": []}
    if isinstance(report, OrderReport):
        filled = {
            "venue": report.venue,
            "market": report.market.code,
            "side": report.side.value,
            "fills": report.fills,
        }
    return {
        "cycle": one.cycle_id,
        "owner": one.owner,
        "fence": one.fence,
        "version": one.version,
        "call": one.call_id,
        "is_noted": one.is_noted,
        "duration_ms": one.duration_ms,
        **_turn(one),
        "step": one.step_id,
        "given": one.given,
        "got": one.got,
        "is_added": one.is_added,
        "is_step_done": one.is_step_done,
        "key": one.key,
        "kind": one.kind,
        "lines": [line for line in one.lines if line.quantity],
        **_columns(report, _as_it_is(report)),
        **filled,
        **one.ids,
    }
