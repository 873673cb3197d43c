"""What the tests of the services do again and again, through the services' own doors."""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import F
from django.db.models.functions import Now

from cycles.domain import postings
from cycles.domain.progress import Progress, Turn
from cycles.domain.words import AccountOwner, FailureClass, Operation, PostingKind, Role
from cycles.models import Account, Cycle, ExchangeCall, PremiumSample, Step
from cycles.services import addressing, booking, desk as desk_services, leasing, retrying
from cycles.services.moving import Lease
from exchanges.models import RegisteredAddress
from tests import builders
from tests.desk import TestDesk, operator, role_of, why

UNITS = 40
MONEY = re.compile(r"/(orders?|withdraws/coin|withdraw/apply)$")
CLIENT_ID = re.compile(
    r'(?:identifier|newClientOrderId|client_order_id|withdrawOrderId)"?[=:]"?([^"&,}]+)'
)


def retire(**place: str) -> None:
    """Let a person retire the address that lives at a place."""
    row = RegisteredAddress.objects.exclude(state="RETIRED").get(**place)
    addressing.retire(row.code, actor=operator(), reason="a test", seen_version=row.version)


def claimed(row: Cycle, role: Role = Role.INITIATOR) -> Lease:
    """Lease one due cycle; the others stay free."""
    mine = None
    for lease in leasing.claim(role, "tester", limit=50):
        if lease.cycle_id == row.pk:
            mine = lease
        else:
            leasing.release(lease, wake_in=None)
    assert mine, f"{row} ({row.status}) could not be claimed"
    return mine


def fail(row: Cycle, failure: FailureClass, reason: str = "it broke", **context: Any) -> Cycle:
    """Let a cycle fail under a lease of its role, whatever is due when."""
    make_due(row)
    retrying.fail(claimed(row, role_of(row)), failure, reason, actor="tester", context=context)
    row.refresh_from_db()
    return row


def holding_coins(quantity: int = 1000) -> Cycle:
    """Open a cycle that owns XRP at Binance instead of USDT."""
    return with_coins(builders.cycle(usdt=0), quantity)


def with_coins(row: Cycle, quantity: int) -> Cycle:
    """Give a cycle XRP at Binance."""
    lines = postings.moved(
        "binance",
        "XRP",
        Decimal(quantity),
        origin=AccountOwner.CAPITAL,
        target=AccountOwner.CYCLE,
    )
    booking.post(f"coins:{row.code}", PostingKind.FILL, lines, cycle=row)
    return row


def make_due(row: Cycle) -> None:
    """Let a cycle's wake-up be now."""
    Cycle.objects.filter(pk=row.pk).update(wake_at=Now())
    row.refresh_from_db()


def age(row: Cycle, seconds: int) -> None:
    """Make the cycle's open call known as unknown for longer."""
    longer = timedelta(seconds=seconds)
    ExchangeCall.objects.filter(cycle=row, noted_at__isnull=False).update(
        noted_at=F("noted_at") - longer, missed_at=F("missed_at") - longer
    )


def units_until(desk: TestDesk, row: Cycle, kind: str, venue: str = "binance") -> Lease:
    """Drive unit by unit until the cycle's step of a kind at a venue is done; gives the lease that it has then."""
    lease = desk.lease(row)
    for _ in range(UNITS):
        if Step.objects.filter(cycle=row, kind=kind, venue=venue, state="DONE").exists():
            row.refresh_from_db()
            return lease
        progress: Progress = desk.unit(lease)
        assert progress.turn in {Turn.GO_ON, Turn.WAIT}, f"{progress.reason}: {why(row)}"
        if progress.is_handed_back:
            lease = desk.lease(row)
    raise AssertionError(f"no {kind} at {venue}: {why(row)}")


def lose_worker(row: Cycle) -> None:
    """Let the lease of a cycle run out, as if its worker had died; what has none stays as it is."""
    Cycle.objects.filter(pk=row.pk).exclude(lease_owner="").update(lease_expires_at=Now())


def give_back(lease: Lease) -> None:
    """Hand a lease back, due at once."""
    leasing.release(lease, wake_in=timedelta(0))


def set_policy(**changes: object) -> None:
    """Write a new version of the policy, unless it says so already."""
    now = desk_services.current_policy()
    if any(getattr(now, name) != value for name, value in changes.items()):
        desk_services.set_policy(
            changes,
            actor=operator("root", "administrator"),
            reason="a test",
            seen_number=now.number,
        )


def accepted(desk: TestDesk, venue: str) -> Counter[str]:
    """Count what a venue accepted, by client order id."""
    return Counter(
        row["client_order_id"]
        for row in desk.control("/control/orders")
        if row["venue"] == venue
        for _ in range(row["acceptances"])
    )


def withdrawals(desk: TestDesk, venue: str) -> list[dict[str, Any]]:
    """List what a venue accepted to send."""
    rows = desk.control("/control/transfers")["withdrawals"]
    return [row for row in rows if row["venue"] == venue]


def balance(venue: str, asset: str, owner: str = "DESK", row: Cycle | None = None) -> Decimal:
    """Give what an account of the ledger holds."""
    account = Account.objects.filter(venue=venue, asset=asset, owner=owner, cycle=row).first()
    return account.balance if account else Decimal(0)


def sent_ids(desk: TestDesk) -> Counter[str]:
    """Count the POSTs that moved money by the client id in them, as the venues' logs have them.

    A withdrawal at Upbit carries none; it stands under its path.
    """
    rows = desk.control("/control/requests")
    moving = [row for row in rows if row["method"] == "POST" and MONEY.search(row["path"])]
    texts = [(row["path"], f"{row['query']}&{row['body']}") for row in moving]
    return Counter(found[1] if (found := CLIENT_ID.search(text)) else path for path, text in texts)


def each_was_sent_once(desk: TestDesk) -> None:
    """Check that no id went out twice, and no withdrawal that the journal does not know."""
    sent = sent_ids(desk)
    assert sent
    nameless = sent.pop("/v1/withdraws/coin", 0)
    assert set(sent.values()) <= {1}, sent
    known = ExchangeCall.objects.filter(venue="upbit", operation=Operation.WITHDRAW)
    assert nameless <= known.count()


def outcomes(row: Cycle) -> list[str]:
    """List the outcomes of a cycle's calls, oldest first."""
    calls = ExchangeCall.objects.filter(cycle=row).order_by("pk")
    return [call.outcome for call in calls]


def rows_read(table: str) -> int:
    """Count the rows of a table that this transaction has read."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = %s",
            [table],
        )
        ((rows,),) = cursor.fetchall()
    return int(rows)


def rated(korea_venue: str = "upbit") -> PremiumSample:
    """Write a sample of this moment with all its rates, where no feeder looks."""
    now = desk_services.database_now()
    return builders.sample(korea_venue=korea_venue, at=now, rate_quoted_at=now)
