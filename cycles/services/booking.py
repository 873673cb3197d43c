"""The one door to the ledger: postings from lines, and what accounts hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from django.db import connection
from django.db.models import Q
from django.db.models.functions import Now

from cycles.domain.postings import HELD_BY_CYCLE, Holding, Line
from cycles.domain.words import AccountOwner, PostingKind
from cycles.models import Account, Cycle, Entry, Posting, Step
from cycles.services.correlating import correlation

Place = tuple[str, str, str]  # venue, asset, owner

# From the cycle's postings to their entries to those accounts, whatever statistics say: a desk account has the
# entries of all cycles.
BOOKED = """
    SELECT a.venue, a.asset, a.owner, sum(e.quantity)
      FROM cycles_posting p
     CROSS JOIN LATERAL (SELECT account_id, quantity FROM cycles_entry WHERE posting_id = p.id OFFSET 0) e
     CROSS JOIN LATERAL (SELECT venue, asset, owner FROM cycles_account WHERE id = e.account_id OFFSET 0) a
     WHERE p.cycle_id = %s AND p.kind <> %s
     GROUP BY 1, 2, 3 HAVING sum(e.quantity) <> 0 ORDER BY 1, 2, 3"""


def post(
    key: str,
    kind: PostingKind,
    lines: Sequence[Line],
    *,
    cycle: Cycle | None = None,
    step: Step | None = None,
    memo: str = "",
) -> bool:
    """Write one posting with all its entries; False when `key` stands already (the same fact twice).

    Runs in the caller's transaction. The database checks the sums and keeps the balances; an
    overdrawn account raises IntegrityError.
    """
    lines = [line for line in lines if line.quantity]
    if not lines or Posting.objects.filter(key=key).exists():
        return False
    accounts = _accounts(lines, cycle)
    posting = Posting.objects.create(
        key=key, kind=kind, cycle=cycle, step=step, memo=memo, at=Now(), **correlation()
    )
    Entry.objects.bulk_create(
        [
            Entry(posting=posting, account_id=accounts[_place(line)], quantity=line.quantity)
            for line in lines
        ]
    )
    return True


def _place(line: Line) -> Place:
    """Give what tells the accounts of one posting apart."""
    return line.venue, line.asset, line.owner


def _accounts(lines: Sequence[Line], cycle: Cycle | None) -> dict[Place, int]:
    """Find the accounts of all lines at once; those that are missing are opened."""
    wanted = {_place(line) for line in lines}
    found = _found(wanted, cycle)
    missing = sorted(wanted - found.keys())
    if not missing:
        return found
    # Whoever else opens one of them at this moment is waited for, and then theirs is found.
    Account.objects.bulk_create(
        [
            Account(venue=venue, asset=asset, owner=owner, cycle=_owning_cycle(owner, cycle))
            for venue, asset, owner in missing
        ],
        ignore_conflicts=True,
    )
    return _found(wanted, cycle)


def _found(wanted: set[Place], cycle: Cycle | None) -> dict[Place, int]:
    """Give the ids of the accounts that exist."""
    around = {
        "venue__in": sorted({venue for venue, _, _ in wanted}),
        "asset__in": sorted({asset for _, asset, _ in wanted}),
        "owner__in": sorted({owner for _, _, owner in wanted}),
    }
    of_desk, of_cycle = Q(cycle=None, **around), Q(cycle=cycle, **around)
    rows = Account.objects.filter(of_desk | of_cycle if cycle else of_desk)
    found = rows.values_list("venue", "asset", "owner", "pk")
    return {(venue, asset, owner): pk for venue, asset, owner, pk in found}


def _owning_cycle(owner: str, cycle: Cycle | None) -> Cycle | None:
    """Give the cycle that an account of this owner belongs to."""
    return cycle if owner in HELD_BY_CYCLE else None


def holdings(cycle: Cycle) -> tuple[Holding, ...]:
    """Give what the cycle owns, by place and asset; nothing that is zero."""
    if cycle.held_when_read is not None:
        return cycle.held_when_read
    return held_in(Account.objects.filter(cycle=cycle).exclude(balance=0).order_by("id"))


def held_in(rows: Iterable[Account]) -> tuple[Holding, ...]:
    """Give what stands in accounts of one cycle."""
    return tuple(
        Holding(
            venue=row.venue, asset=row.asset, owner=AccountOwner(row.owner), quantity=row.balance
        )
        for row in rows
    )


def held_by_cycle(cycle: Cycle, venue: str, asset: str) -> Decimal:
    """Give what the cycle can spend of an asset at a venue."""
    place = (venue, asset, AccountOwner.CYCLE)
    held = (one for one in holdings(cycle) if (one.venue, one.asset, one.owner) == place)
    return sum((one.quantity for one in held), Decimal(0))


def desk_balance(venue: str, asset: str, owner: AccountOwner = AccountOwner.DESK) -> Decimal:
    """Give what the desk itself holds of an asset at a venue, or what it keeps there as dust."""
    row = Account.objects.filter(venue=venue, asset=asset, owner=owner).first()
    return row.balance if row else Decimal(0)


def booked_since_open(cycle: Cycle) -> tuple[Holding, ...]:
    """Give the sums of the cycle's postings by place, asset and owner, but for its capital; nothing that is zero."""
    with connection.cursor() as cursor:
        cursor.execute(BOOKED, [cycle.pk, PostingKind.OPEN.value])
        return tuple(
            Holding(venue=venue, asset=asset, owner=AccountOwner(owner), quantity=total)
            for venue, asset, owner, total in cursor.fetchall()
        )
