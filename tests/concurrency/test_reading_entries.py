"""The ledger's mark never passes an entry that is still to come: ids are given before their rows are committed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from django.db import connection, transaction

from cycles.domain import postings
from cycles.domain.words import AccountOwner, PostingKind
from cycles.models import Alert, Entry, LedgerMark, LedgerSum, Posting, SweepMark
from cycles.services import booking, desk as desks, proving, verifying
from tests import builders
from tests.concurrency.meeting import SECONDS, Meeting, together, told
from tests.concurrency.unguarded import database_without
from tests.desk import TestDesk, eventually

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]
OTHERS_SECONDS = 90.0  # longer than any other test keeps a transaction open
WAITS = "\n       OR pg_snapshot_xmin(pg_current_snapshot()) < mark.seen_xid::text::xid8"


def give(key: str) -> None:
    """Post a USDT of capital, at a venue of its own: who posts to the same account waits for the other."""
    lines = postings.moved(
        key, "USDT", Decimal(1), origin=AccountOwner.CAPITAL, target=AccountOwner.DESK
    )
    with transaction.atomic():
        booking.post(key, PostingKind.CAPITAL, lines)


def read_all() -> None:
    """Read on until nothing is unread: other tests write on the same server, and are waited for as well."""

    def is_read() -> bool:
        proving.read_on(lambda: True)
        return proving._unread() == 0

    eventually(is_read, seconds=OTHERS_SECONDS)


class Late:
    """Whoever has an entry's id before others do, and commits after them."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.wrote, self.ends = Meeting(), Meeting()
        self.task = pool.submit(told, self._post)

    def _post(self) -> None:
        with transaction.atomic():
            give("late")
            self.wrote.wait()
            self.ends.wait()

    def commit(self) -> None:
        """Let it commit."""
        self.ends.wait()
        self.task.result(timeout=SECONDS)


def pass_by(early: str) -> None:
    """Let somebody else commit while an id is out, and a run read as far as it may; then let that one commit."""
    builders.desk()
    give("before")
    read_all()
    with ThreadPoolExecutor(1) as pool:
        if early == "begins first":
            with transaction.atomic():
                Posting.objects.create(key="began", kind="CAPITAL", at=desks.database_now())
                late = Late(pool)
                late.wrote.wait()
                give("early")
        else:
            late = Late(pool)
            late.wrote.wait()
            give("early")
        for _ in range(2):
            proving.read_on(lambda: True)
        during = proving.proof()
        late.commit()
    assert during == proving.Proof()
    first, second = (Entry.objects.filter(posting__key=key).first() for key in ("late", "early"))
    assert first is not None
    assert second is not None
    assert first.pk < second.pk


@pytest.mark.parametrize("early", ["begins first", "begins second"])
def test_an_entry_that_comes_after_a_later_one_is_read(early: str) -> None:
    pass_by(early)
    assert proving.proof() == proving.Proof()
    read_all()
    assert proving.proof() == proving.Proof()
    assert LedgerSum.objects.count() == 2 * 3


def test_the_negative_control_that_waits_for_nobody_passes_it_by() -> None:
    with database_without("kimp_sum_entries_v1", WAITS):
        pass_by("begins second")
        assert proving.proof().problems == ("account late USDT DESK: balance 1, entries 0",)


def test_runs_at_the_same_moment_read_each_entry_once() -> None:
    builders.desk()
    for number in range(5):
        give(f"v{number}")
    eventually(
        lambda: together(*[lambda: proving.read_on(lambda: True)] * 3) and is_at_the_end(),
        seconds=OTHERS_SECONDS,
    )
    assert {abs(total) for total in LedgerSum.objects.values_list("total", flat=True)} == {1}
    assert proving.proof() == proving.Proof()


def is_at_the_end() -> bool:
    """Say whether all is read."""
    return LedgerMark.objects.get().read_to == Entry.objects.latest("pk").pk


def test_people_are_told_of_a_ledger_that_is_unproven_also_where_no_piece_can_be_read(
    committed_desk: TestDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert verifying.verify_ledger_job()
    long_ago = desks.database_now() - verifying.UNPROVEN_AFTER
    SweepMark.objects.filter(sweep=verifying.PROVEN).update(last=long_ago.isoformat())
    monkeypatch.setattr(proving, "MOST_UNREAD", 0)
    give("binance")
    committed_desk.control(
        "/control/balances", {"venue": "binance", "asset": "USDT", "credit": "1"}
    )
    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        LedgerMark.objects.update(seen_to=0)

        def run() -> bool:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '100ms'")
            return verifying.verify_ledger_job()

        assert pool.submit(told, run).result(timeout=SECONDS) is False
    assert Alert.objects.filter(key__startswith="ledger_unproven:").exists()
