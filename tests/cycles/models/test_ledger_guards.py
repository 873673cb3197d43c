"""The database keeps the books: zero sums, one insert, balances by entries, nothing overdrawn."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db.models.functions import Now

from cycles.domain import postings
from cycles.domain.postings import Line
from cycles.domain.words import AccountOwner, CycleStatus, PostingKind
from cycles.models import Account, Cycle, Entry, Posting
from cycles.services import booking
from tests import builders
from tests.cycles.models.refusing import refused

pytestmark = pytest.mark.django_db

DESK, CAPITAL = AccountOwner.DESK, AccountOwner.CAPITAL


def line(owner: AccountOwner, quantity: int, asset: str = "USDT") -> Line:
    """Give a line at Binance."""
    return Line("binance", asset, owner, Decimal(quantity))


def post(*lines: Line, key: str = "test", cycle: Cycle | None = None) -> bool:
    """Post lines as they are."""
    return booking.post(key, PostingKind.CAPITAL, lines, cycle=cycle)


def balance(owner: str = "DESK", asset: str = "USDT") -> Decimal:
    """Give what an account holds."""
    held: Decimal = Account.objects.get(owner=owner, asset=asset).balance
    return held


def test_a_posting_that_does_not_sum_to_zero_is_refused() -> None:
    with refused("posting_sums_to_zero"):
        post(line(CAPITAL, -5), line(DESK, 6))


def test_zero_is_per_asset_not_over_all() -> None:
    with refused("posting_sums_to_zero"):
        post(line(CAPITAL, -5, "USDT"), line(DESK, 5, "KRW"))


def test_a_balanced_posting_in_two_assets_stands() -> None:
    lines = [line(CAPITAL, -5), line(DESK, 5), line(CAPITAL, -7, "KRW"), line(DESK, 7, "KRW")]
    assert post(*lines)
    assert balance() == 5
    assert balance(asset="KRW") == 7


def test_a_posting_is_one_insert_also_when_the_second_balances() -> None:
    post(line(CAPITAL, -5), line(DESK, 5))
    posting = Posting.objects.get()
    with refused("posting_is_one_insert"):
        Entry.objects.bulk_create(
            Entry(posting=posting, account=Account.objects.get(owner=owner), quantity=quantity)
            for owner, quantity in (("CAPITAL", -1), ("DESK", 1))
        )


def test_a_balance_moves_by_entries_only() -> None:
    post(line(CAPITAL, -5), line(DESK, 5))
    with refused("account_kept_by_entries"):
        Account.objects.filter(owner="DESK").update(balance=6)
    assert balance() == 5


def test_an_account_opens_empty() -> None:
    with refused("account_opens_empty"):
        Account.objects.create(venue="binance", asset="USDT", owner="DESK", balance=5)


def test_the_desk_cannot_be_overdrawn() -> None:
    post(line(CAPITAL, -5), line(DESK, 5))
    with refused("account_not_overdrawn"):
        post(line(DESK, -6), line(CAPITAL, 6), key="second")
    assert balance() == 5


def test_a_cycle_cannot_spend_what_it_does_not_own() -> None:
    row = builders.cycle(usdt=100)
    with refused("account_not_overdrawn"):
        post(line(AccountOwner.CYCLE, -101), line(DESK, 101), cycle=row)


def test_suspense_alone_may_stand_below_zero() -> None:
    row = builders.cycle(usdt=100)
    assert post(line(AccountOwner.SUSPENSE, -1), line(AccountOwner.CYCLE, 1), cycle=row)
    assert balance("SUSPENSE") == -1


def test_the_same_fact_is_posted_once() -> None:
    assert post(line(CAPITAL, -5), line(DESK, 5))
    assert not post(line(CAPITAL, -5), line(DESK, 5))
    assert balance() == 5


def test_explaining_accounts_keep_no_balance_of_their_own() -> None:
    post(line(CAPITAL, -5), line(DESK, 5))
    assert balance("CAPITAL") == 0


def test_a_cycle_that_has_ended_takes_no_posting() -> None:
    row = builders.finished()
    assert row.status == CycleStatus.COMPLETED
    lines = postings.moved("binance", "USDT", Decimal(1), origin=CAPITAL, target=DESK)
    with refused("posting_needs_open_cycle"):
        booking.post("late", PostingKind.FILL, lines, cycle=row)


@pytest.mark.parametrize("owner", ["CYCLE", "IN_FLIGHT", "SUSPENSE"])
@pytest.mark.parametrize("of_another", [True, False], ids=["another's", "nobody's"])
def test_what_belongs_to_a_cycle_that_has_ended_stays_empty_whosever_posting_it_is(
    owner: str, of_another: bool
) -> None:
    ended = builders.finished()
    other = builders.cycle(usdt=100) if of_another else None
    of_ended, _ = Account.objects.get_or_create(
        venue="binance", asset="USDT", owner=owner, cycle=ended
    )
    explains, _ = Account.objects.get_or_create(venue="binance", asset="USDT", owner="CAPITAL")
    posting = Posting.objects.create(key="late", kind="CAPITAL", cycle=other, at=Now())
    lines = ((explains, -1), (of_ended, 1))
    with refused("account_of_open_cycle"):
        Entry.objects.bulk_create(
            Entry(posting=posting, account=account, quantity=quantity)
            for account, quantity in lines
        )


def test_an_entry_without_its_counterpart_is_refused_one_by_one() -> None:
    posting = Posting.objects.create(key="k", kind="CAPITAL", at=Now())
    account = Account.objects.create(venue="binance", asset="USDT", owner="DESK")
    with refused("posting_sums_to_zero"):
        Entry.objects.create(posting=posting, account=account, quantity=1)
