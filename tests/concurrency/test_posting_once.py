"""The same fact is posted once, whoever tells it, and two postings do not wait for each other."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction

from cycles.domain import postings
from cycles.domain.words import AccountOwner, PostingKind
from cycles.models import Account, Posting
from cycles.services import booking
from tests.concurrency.meeting import SECONDS, Meeting, together, until_somebody_waits
from tests.concurrency.unguarded import table_without

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]


def post(key: str) -> str:
    """Post ten USDT for the desk, as a fact with a key; says what became of it."""
    lines = postings.moved(
        "binance", "USDT", Decimal(10), origin=AccountOwner.CAPITAL, target=AccountOwner.DESK
    )
    try:
        with transaction.atomic():
            return "posted" if booking.post(key, PostingKind.CAPITAL, lines) else "known"
    except IntegrityError as error:
        return "known" if "cycles_posting_key_key" in str(error) else str(error)


def test_one_key_is_posted_once() -> None:
    told = together(*[lambda: post("fact") for _ in range(4)])
    assert sorted(map(str, told)) == ["known"] * 3 + ["posted"]
    assert booking.desk_balance("binance", "USDT") == 10
    assert Posting.objects.count() == 1


def of_two_who_tell_it() -> list[str]:
    """Let two post a fact, each having seen that it is not posted yet; its accounts are open and empty."""
    Account.objects.bulk_create(
        Account(venue="binance", asset="USDT", owner=owner) for owner in ("CAPITAL", "DESK")
    )
    looked = Meeting()

    def post_when_both_have_looked() -> str:
        with looked.before('INSERT INTO "cycles_posting"'):
            return post("fact")

    return sorted(map(str, together(post_when_both_have_looked, post_when_both_have_looked)))


def test_of_two_who_saw_it_missing_one_posts_it() -> None:
    assert of_two_who_tell_it() == ["known", "posted"]
    assert booking.desk_balance("binance", "USDT") == 10


def test_the_negative_control_where_keys_may_come_twice_it_is_posted_twice() -> None:
    with table_without("cycles_posting", "cycles_posting_key_key"):
        assert of_two_who_tell_it() == ["posted", "posted"]
        assert booking.desk_balance("binance", "USDT") == 20


USDT, KRW = ("binance", "USDT"), ("upbit", "KRW")


def credit(key: str, places: Iterable[tuple[str, str]]) -> bool:
    """Post ten of each asset for the desk, in this order, in a transaction of one's own or the caller's."""
    lines = [
        line
        for venue, asset in places
        for line in postings.moved(
            venue, asset, Decimal(10), origin=AccountOwner.CAPITAL, target=AccountOwner.DESK
        )
    ]
    with transaction.atomic():
        return booking.post(key, PostingKind.CAPITAL, lines)


def test_two_postings_that_name_their_accounts_in_opposite_orders_end_both() -> None:
    """Accounts are locked in order of id: the second has nothing that the first needs while it waits."""
    credit("opened", [USDT, KRW])

    def second() -> bool:
        try:
            return credit("second", [KRW, USDT])
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            assert credit("first, half", [USDT])
            waiting = pool.submit(second)
            until_somebody_waits("transactionid")
            assert credit("first, whole", [KRW])
        assert waiting.result(timeout=SECONDS)
    assert booking.desk_balance(*USDT) == booking.desk_balance(*KRW) == 30
