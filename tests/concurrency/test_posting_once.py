"""The same fact is posted once, whoever tells it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from cycles.domain import postings
from cycles.domain.words import AccountOwner, PostingKind
from cycles.models import Posting
from cycles.services import booking
from tests.concurrency.meeting import together

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


def test_the_negative_control_under_two_keys_it_is_posted_twice() -> None:
    assert together(lambda: post("fact"), lambda: post("the same fact")) == ["posted"] * 2
    assert booking.desk_balance("binance", "USDT") == 20
