"""Two requests under one idempotency key: one of them acts."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from cycles.models import IdempotencyRecord
from cycles.services import idempotency
from tests.concurrency.meeting import Meeting, together
from tests.concurrency.unguarded import table_without

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]


def of_two_who_take_a_key() -> list[str]:
    """Let two take a key, each having seen that nobody has it; says what each was told."""
    user = User.objects.create_user("alice")
    looked = Meeting()

    def take() -> object:
        with looked.before('INSERT INTO "cycles_idempotencyrecord"'):
            return idempotency.begin(user, "k1", "a")

    return sorted(type(one).__name__ for one in together(take, take))


def test_of_two_that_take_a_key_at_once_one_acts() -> None:
    assert of_two_who_take_a_key() == ["Begun", "InFlightError"]
    assert IdempotencyRecord.objects.count() == 1


def test_the_negative_control_where_a_key_may_be_taken_twice_both_act() -> None:
    with table_without("cycles_idempotencyrecord", "idempotency_key_once"):
        assert of_two_who_take_a_key() == ["Begun", "Begun"]
