"""The ledger proven by itself, from where it was proven before: cycles that have ended cost nothing.

Entries never change, so they are summed once, up to a mark; what is behind it is read again by each proof
(cycles/sql/ledger_proof.sql). Balances are held against both each time, whichever account they are of.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

import structlog
from django.db import OperationalError, connection, transaction
from django.db.models import F, Sum
from django.db.models.functions import Coalesce

from cycles.domain.money import ZERO
from cycles.domain.shown import plain
from cycles.models import Account, Entry, LedgerMark
from cycles.models.ledger import HOLDING_OWNERS

log = structlog.get_logger(__name__)

AT_ONCE = 200_000  # entries a statement
READ_SECONDS = 20.0  # of one run: the venues are asked in the rest of it
MOST_UNREAD = 5 * AT_ONCE  # more behind the mark take a proof too long
# The desk's own accounts, and those of cycles that hold something, each by its index: with || '' none is searched for a
# venue, which every account has that was ever opened there.
STANDING = """
    SELECT venue, asset, owner, balance FROM cycles_account
     WHERE cycle_id IS NULL AND (%(venue)s = '' OR venue || '' = %(venue)s)
     UNION ALL
    SELECT venue, asset, owner, balance FROM cycles_account
     WHERE cycle_id IS NOT NULL AND NOT balance = 0 AND (%(venue)s = '' OR venue || '' = %(venue)s)"""


class Standing(NamedTuple):
    """What an account holds."""

    venue: str
    asset: str
    owner: str
    balance: Decimal


@dataclass(frozen=True, slots=True)
class Proof:
    """What does not add up; `unread` entries are too many to be proven now, and nothing is known of the whole."""

    problems: tuple[str, ...] = ()
    unread: int = 0


def read_on(may_go_on: Callable[[], bool]) -> None:
    """Sum the entries behind the mark and move it, in pieces, for a while. A piece that fails is left to the next run.

    Twice: what the run before has seen, if others wrote beside it then, and what has come since.
    """
    ends_at = time.monotonic() + READ_SECONDS
    try:
        for _ in range(2):
            _see_newest()
            while may_go_on() and time.monotonic() < ends_at and _sum_piece():
                pass
    except OperationalError as error:
        log.warning("ledger.unread", error=str(error))


def _see_newest() -> None:
    """Note up to where to read; what was noted before is read first."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT kimp_see_entries_v1()")


def _sum_piece() -> bool:
    """Give whether there was a piece."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT kimp_sum_entries_v1(%s)", [AT_ONCE])
        return bool(cursor.fetchone()[0])


def proof() -> Proof:
    """Hold every balance against its entries, and every asset against zero, as of now."""
    unread = _unread()
    if unread > MOST_UNREAD:
        return Proof(unread=unread)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM kimp_ledger_problems_v1()")
        return Proof(tuple(_told(*row[1:]) for row in cursor.fetchall()))


def standing(venue: str = "") -> list[Standing]:
    """Give what accounts hold, all at one moment, at one venue or at all; of a cycle those that hold something."""
    with connection.cursor() as cursor:
        cursor.execute(STANDING, {"venue": venue})
        return [Standing(*row) for row in cursor.fetchall()]


def _unread() -> int:
    """Give how far the newest entry is behind the mark."""
    newest = Entry.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    return newest - (LedgerMark.objects.values_list("read_to", flat=True).first() or 0)


def _told(venue: str | None, asset: str, owner: str, balance: Decimal, total: Decimal) -> str:
    if venue is None:
        return f"entries in {asset} sum to {plain(total)}, not zero"
    return f"account {venue} {asset} {owner}: balance {plain(balance)}, entries {plain(total)}"


def proof_of_all() -> Proof:
    """Prove from the first entry on, whatever was proven before: by the tables themselves, as long as that takes."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        return Proof(_problems_of_all())


def _problems_of_all() -> tuple[str, ...]:
    by_asset = Entry.objects.values("account__asset").annotate(total=Sum("quantity"))
    wrong = (
        Account.objects.filter(owner__in=HOLDING_OWNERS)
        .annotate(total=Coalesce(Sum("entries__quantity"), ZERO))
        .exclude(balance=F("total"))
    )
    return (
        *(
            _told(None, row["account__asset"], "", ZERO, row["total"])
            for row in by_asset
            if row["total"]
        ),
        *(_told(row.venue, row.asset, row.owner, row.balance, row.total) for row in wrong),
    )
