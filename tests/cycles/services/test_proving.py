"""The ledger's proof by itself: what was read once is not read again, and whatever does not add up is found all the same."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from decimal import Decimal
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.db.models import Sum
from django.db.models.functions import Now

from cycles.domain import postings
from cycles.domain.words import AccountOwner, PostingKind
from cycles.models import (
    Account,
    Alert,
    Desk,
    Entry,
    LedgerMark,
    LedgerSum,
    Posting,
    SweepMark,
)
from cycles.services import booking, desk as desks, proving, verifying
from tests import builders
from tests.benchmarks import copying
from tests.benchmarks.explaining import Plan, undone
from tests.cycles.commands.saying import Said
from tests.cycles.services.acts import rows_read
from tests.desk import TestDesk
from tests.ended import settle
from tests.planting import planted

pytestmark = pytest.mark.django_db
HELD_AGAINST = ("cycles_account", "cycles_entry")
PROOF = "SELECT * FROM kimp_ledger_problems_v1()"


def read_all() -> None:
    """Read every entry that this transaction has written: others, in other tests' databases, may be writing."""
    LedgerMark.objects.all().delete()
    LedgerSum.objects.all().delete()
    proving._see_newest()
    LedgerMark.objects.update(seen_xid=0)
    proving.read_on(lambda: True)
    assert LedgerMark.objects.get().read_to == Entry.objects.latest("pk").pk


def stray(sql: str, *values: int | UUID) -> None:
    """Write past the database's guards, as its superuser can."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(sql, values)
        cursor.execute("SET LOCAL session_replication_role = origin")


def a_ledger() -> None:
    """Make a desk with an open cycle and one that has ended."""
    builders.desk()
    builders.capital("binance", "USDT", 20_000)
    builders.cycle()
    builders.finished("SOL")


def give(quantity: int, key: str = "more") -> None:
    """Post capital."""
    lines = postings.moved(
        "binance", "USDT", Decimal(quantity), origin=AccountOwner.CAPITAL, target=AccountOwner.DESK
    )
    booking.post(key, PostingKind.CAPITAL, lines)


def the(owner: str, status: str = "") -> Account:
    """Give the account of an owner; a cycle's by how that stands."""
    of = {"cycle__status": status} if status else {}
    return Account.objects.get(venue="binance", asset="USDT", owner=owner, **of)


def entry_alone(account: Account, quantity: int) -> None:
    """Write an entry that nothing balances."""
    posting = Posting.objects.create(key=f"alone:{quantity}", kind="CAPITAL", at=Now())
    stray(
        "INSERT INTO cycles_entry (posting_id, account_id, quantity) VALUES (%s, %s, %s)",
        posting.pk, account.pk, quantity,
    )  # fmt: skip


def test_the_sums_are_what_the_accounts_have() -> None:
    a_ledger()
    read_all()
    sums = dict(LedgerSum.objects.values_list("account_id", "total"))
    totals = Entry.objects.values("account").annotate(total=Sum("quantity"))
    assert sums == {row["account"]: row["total"] for row in totals if row["total"]}
    assert len(sums) < len(totals)  # what has ended has none
    assert proving.proof() == proving.Proof()


def test_what_came_after_the_mark_is_held_together_with_the_sums() -> None:
    a_ledger()
    read_all()
    give(7)
    builders.finished("ADA")
    before = LedgerMark.objects.get().read_to
    assert before < Entry.objects.latest("pk").pk
    assert proving.proof() == proving.Proof()


STRAYS: dict[str, Callable[[], Account]] = {
    "the desk's": lambda: the("DESK"),
    "an open cycle's": lambda: the("CYCLE", "STARTED"),
    "an ended cycle's": lambda: the("CYCLE", "COMPLETED"),
}


@pytest.mark.parametrize("is_read", [False, True])
@pytest.mark.parametrize("whose", STRAYS)
def test_a_balance_that_moved_without_an_entry_is_found_whosever_it_is(
    whose: str, is_read: bool
) -> None:
    a_ledger()
    if is_read:
        read_all()
    row = STRAYS[whose]()
    had = row.balance
    stray("UPDATE cycles_account SET balance = balance + 1 WHERE id = %s", row.pk)
    if is_read:
        proving.read_on(lambda: True)
    told = f"account {row}: balance {int(had) + 1}, entries {int(had)}"
    assert proving.proof().problems == (told,)
    assert proving.proof_of_all().problems == (told,)


@pytest.mark.parametrize("owner", ["DESK", "CYCLE"])
def test_a_balance_that_was_emptied_without_an_entry_is_found_behind_the_mark(owner: str) -> None:
    a_ledger()
    read_all()
    row = the(owner, "STARTED" if owner == "CYCLE" else "")
    stray("UPDATE cycles_account SET balance = 0 WHERE id = %s", row.pk)
    assert proving.proof().problems == (f"account {row}: balance 0, entries {int(row.balance)}",)


@pytest.mark.parametrize("is_read", [False, True])
def test_an_entry_that_nothing_balances_is_found_before_it_is_read_and_ever_after(
    is_read: bool,
) -> None:
    a_ledger()
    read_all()
    entry_alone(the("DESK"), 3)
    if is_read:
        read_all()
    had = int(the("DESK").balance)
    problems = proving.proof().problems
    assert problems == (
        "entries in USDT sum to 3, not zero",
        f"account binance USDT DESK: balance {had}, entries {had + 3}",
    )
    assert set(proving.proof_of_all().problems) == set(problems)


def test_an_entry_of_no_holding_account_is_held_against_zero_as_well() -> None:
    a_ledger()
    read_all()
    entry_alone(the("CAPITAL"), 3)
    assert proving.proof().problems == ("entries in USDT sum to 3, not zero",)


def test_an_entry_that_changed_after_it_was_read_is_found_by_reading_all_anew(
    desk: TestDesk,
) -> None:
    read_all()
    stray("UPDATE cycles_entry SET quantity = quantity + 1 WHERE account_id = %s", the("DESK").pk)
    assert Said("verify_ledger").exit == 0
    said = Said("verify_ledger", "--all")
    assert said.exit == 1
    assert "entries in USDT sum to 1, not zero" in said.err


def ended_cycles(number: int) -> None:
    """Make cycles that have come and gone, each with its accounts and entries."""
    row = builders.cycle()
    builders.hand_over(row)
    with planted():
        copying.copy_whole(row.pk, number)
    stray(
        "UPDATE cycles_cycle SET status = 'FAILED', ended_at = now(), wake_at = NULL "
        "WHERE code LIKE 'B-%%' OR id = %s",
        row.pk,
    )


def _beside(ended: int) -> tuple[Plan, int]:
    """Give what a proof takes beside some more ended cycles whose entries were read."""
    ended_cycles(ended)
    read_all()
    settle()
    before = rows_read("cycles_entry") + rows_read("cycles_account")
    plan = undone(PROOF)
    assert proving.proof() == proving.Proof()
    return plan, rows_read("cycles_entry") + rows_read("cycles_account") - before


def test_what_a_proof_reads_does_not_grow_with_cycles_that_have_ended() -> None:
    a_ledger()
    few, few_rows = _beside(20)
    many, many_rows = _beside(600)
    assert many_rows == few_rows
    assert many.buffers <= few.buffers * 1.2 + 10


def test_what_the_venues_are_held_against_does_not_grow_with_cycles_that_have_ended(
    desk: TestDesk,
) -> None:
    reads = []
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    for ended in (20, 400):
        ended_cycles(ended)
        settle()
        before = sum(map(rows_read, HELD_AGAINST))
        verifying.venues()
        verifying.venue_lines("binance", {})
        reads.append(sum(map(rows_read, HELD_AGAINST)) - before)
    assert reads[1] <= reads[0] + 10, reads


def test_withdrawals_that_have_arrived_are_not_read_again() -> None:
    call = builders.withdrawal_call(builders.cycle())
    reads = []
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    for first, last in ((1, 20), (21, 420)):
        arrived = {
            "id": "DEFAULT", "attempt": "g + 1", "client_order_id": "'w' || g", "is_settled": "true",
            "report": """t.report || '{"status": "done"}'""",
        }  # fmt: skip
        copying.copy(
            "cycles_exchangecall", last, arrived,
            where=f"t.id = {call.pk}", beside=f"generate_series({first}, %s) g",
        )  # fmt: skip
        settle()
        before = rows_read("cycles_exchangecall")
        assert verifying._may_come_back("binance") == {}
        reads.append(rows_read("cycles_exchangecall") - before)
    assert reads[1] <= reads[0] + 10, reads


def test_a_large_ledger_is_read_in_pieces_each_with_its_mark(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    a_ledger()
    proving._see_newest()
    LedgerMark.objects.update(seen_xid=0)
    monkeypatch.setattr(proving, "AT_ONCE", 3)
    marks = [0]
    while proving._sum_piece():
        marks.append(LedgerMark.objects.get().read_to)
    pieces = [
        Entry.objects.filter(pk__gt=after, pk__lte=to).count()
        for after, to in itertools.pairwise(marks)
    ]
    assert pieces[:-1] == [3] * (len(pieces) - 1)
    assert sum(pieces) == Entry.objects.count()
    assert proving.proof() == proving.Proof()
    sums = LedgerSum.objects.filter(account_id=the("DESK").pk)
    assert sums.get().total == the("DESK").balance


def test_a_run_without_time_reads_nothing_and_the_next_goes_on() -> None:
    a_ledger()
    proving.read_on(lambda: False)
    mark = LedgerMark.objects.get()
    assert (mark.read_to, mark.seen_to) == (0, Entry.objects.latest("pk").pk)
    LedgerMark.objects.update(seen_xid=0)
    proving.read_on(lambda: True)
    assert LedgerMark.objects.get().read_to == mark.seen_to


def test_a_piece_that_is_taken_back_leaves_the_mark_where_it_was() -> None:
    a_ledger()
    proving._see_newest()
    LedgerMark.objects.update(seen_xid=0)
    with transaction.atomic():
        assert proving._sum_piece()
        transaction.set_rollback(True)
    assert (LedgerMark.objects.get().read_to, LedgerSum.objects.count()) == (0, 0)
    proving.read_on(lambda: True)
    assert proving.proof() == proving.Proof()


def test_a_restored_mark_that_waits_for_another_servers_transactions_sees_anew() -> None:
    a_ledger()
    proving._see_newest()
    LedgerMark.objects.update(seen_xid=2**62)
    assert not proving._sum_piece()
    proving._see_newest()
    assert LedgerMark.objects.get().seen_xid < 2**62


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the ledger be too large for a proof that begins at its first entry, and no run have time to read."""
    monkeypatch.setattr(proving, "MOST_UNREAD", 1)
    monkeypatch.setattr(proving, "READ_SECONDS", 0.0)


def test_a_ledger_that_is_unread_is_held_against_the_venues_and_people_are_told_that_it_is_unproven(
    desk: TestDesk, unread: None
) -> None:
    assert verifying.verify_ledger_job() is False
    assert Desk.objects.get().mode == "RUN"
    assert not Alert.objects.exists()
    long_ago = desks.database_now() - verifying.UNPROVEN_AFTER
    SweepMark.objects.filter(sweep=verifying.PROVEN).update(last=long_ago.isoformat())
    assert verifying.verify_ledger_job() is False
    assert "has not read yet" in Alert.objects.get(key__startswith="ledger_unproven:").body
    said = Said("verify_ledger")
    assert said.exit == 75
    assert "entries are unread" in said.out
    assert Said("verify_ledger", "--all").exit == 0


def test_an_unread_ledger_that_its_venues_do_not_match_halts_the_desk(
    desk: TestDesk, unread: None
) -> None:
    desk.control("/control/balances", {"venue": "binance", "asset": "USDT", "credit": "7"})
    assert verifying.verify_ledger_job() is False
    assert Desk.objects.get().mode == "HALT"
