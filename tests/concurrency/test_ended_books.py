"""What belongs to a cycle that ends is empty, also where somebody posts to it at that moment, past the services' lock."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now

from cycles.domain.words import CycleStatus
from cycles.models import Account, Cycle, Entry, Posting
from tests import builders
from tests.concurrency.meeting import SECONDS, told, until_somebody_waits
from tests.concurrency.unguarded import database_without

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]


def about_to_end() -> Cycle:
    """Give a cycle that owns nothing any more, with empty accounts."""
    builders.desk()
    row = builders.cycle()
    builders.hand_over(row)
    for status in (
        CycleStatus.INITIAL_TRADE_COMPLETED,
        CycleStatus.AWAITING_REBALANCE,
    ):
        builders.moved_to(row, status)
    for owner in ("SUSPENSE", "CAPITAL"):
        of = row if owner == "SUSPENSE" else None
        Account.objects.get_or_create(venue="upbit", asset="XRP", owner=owner, cycle=of)
    return row


def post_stray(row: Cycle) -> None:
    """Post one XRP to a cycle's suspense in a posting of no cycle, without a lock of its row."""
    posting = Posting.objects.create(key="stray", kind="CAPITAL", at=Now())
    accounts = Account.objects.filter(venue="upbit", asset="XRP")
    Entry.objects.bulk_create(
        Entry(posting=posting, account=accounts.get(owner=owner), quantity=quantity)
        for owner, quantity in (("CAPITAL", -1), ("SUSPENSE", 1))
    )


def end(row: Cycle) -> str:
    """End a cycle; says which guard refused."""
    try:
        builders.moved_to(row, CycleStatus.FAILED)
    except IntegrityError as error:
        return str(error.__cause__.diag.constraint_name)  # type: ignore[union-attr]  # psycopg's
    return "ended"


def left_in(row: Cycle) -> int:
    """Give what the suspense of a cycle holds."""
    return int(Account.objects.get(owner="SUSPENSE", cycle=row).balance)


def test_who_ends_a_cycle_waits_for_whoever_posts_to_it_and_is_refused() -> None:
    row = about_to_end()
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            post_stray(row)
            ending = pool.submit(told, lambda: end(row))
            until_somebody_waits("transactionid", "tuple")
        assert ending.result(timeout=SECONDS) == "cycle_final_owns_nothing"


def test_the_negative_control_that_asks_without_a_lock_leaves_an_ended_cycle_with_something() -> (
    None
):
    row = about_to_end()
    with database_without("kimp_account_of_open_cycle", " FOR SHARE"):
        with ThreadPoolExecutor(1) as pool, transaction.atomic():
            post_stray(row)
            assert pool.submit(told, lambda: end(row)).result(timeout=SECONDS) == "ended"
        assert left_in(row) == 1


def test_who_posts_to_a_cycle_waits_for_whoever_ends_it_and_is_refused() -> None:
    row = about_to_end()

    def post() -> str:
        try:
            with transaction.atomic():
                post_stray(row)
        except IntegrityError as error:
            return str(error.__cause__.diag.constraint_name)  # type: ignore[union-attr]  # psycopg's
        return "posted"

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            assert end(row) == "ended"
            posting = pool.submit(told, post)
            until_somebody_waits("transactionid", "tuple")
        assert posting.result(timeout=SECONDS) == "account_of_open_cycle"
    assert left_in(row) == 0
    connection.close()
