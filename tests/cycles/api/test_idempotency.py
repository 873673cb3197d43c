"""Idempotency keys: one act per key, whoever asks and however often."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db.models import F

from cycles.errors import InvalidInputError
from cycles.models import IdempotencyRecord
from cycles.services import idempotency
from cycles.services.idempotency import (
    AnswerUnknownError,
    Begun,
    InFlightError,
    KeyReusedError,
    Remembered,
)


@pytest.fixture
def user(db: None) -> User:
    return User.objects.create_user("alice")


def begun(user: User, key: str = "k1", asked: str = "a") -> Begun:
    found = idempotency.begin(user, key, asked)
    assert isinstance(found, Begun)
    return found


def age(by: timedelta) -> None:
    IdempotencyRecord.objects.update(created_at=F("created_at") - by)


def test_the_answer_is_given_again(user: User) -> None:
    idempotency.remember(begun(user), status=200, body={"n": "1"}, headers={"ETag": '"2"'})
    again = idempotency.begin(user, "k1", "a")
    assert again == Remembered(status=200, body={"n": "1"}, headers={"ETag": '"2"'})


def test_another_request_under_the_key_is_refused(user: User) -> None:
    begun(user)
    with pytest.raises(KeyReusedError):
        idempotency.begin(user, "k1", "b")


def test_a_request_that_still_runs_is_in_flight(user: User) -> None:
    begun(user)
    with pytest.raises(InFlightError):
        idempotency.begin(user, "k1", "a")


def test_a_request_that_died_has_an_unknown_answer_and_keeps_its_key(user: User) -> None:
    begun(user)
    age(idempotency.LONGEST_ACT + timedelta(seconds=1))
    with pytest.raises(AnswerUnknownError):
        idempotency.begin(user, "k1", "a")


def test_a_key_given_back_may_be_taken_again(user: User) -> None:
    first = begun(user)
    idempotency.forget(first)
    assert begun(user) != first


def test_an_answer_on_record_cannot_be_forgotten_or_changed(user: User) -> None:
    first = begun(user)
    idempotency.remember(first, status=200, body={}, headers={})
    idempotency.remember(first, status=404, body={}, headers={})
    idempotency.forget(first)
    assert IdempotencyRecord.objects.get().status == 200


def test_keys_of_two_users_are_two_keys(user: User) -> None:
    first = begun(user)
    assert begun(User.objects.create_user("bob"), asked="b") != first


def test_an_answer_is_kept_for_72_hours(user: User) -> None:
    idempotency.remember(begun(user), status=200, body={}, headers={})
    age(timedelta(hours=71))
    assert isinstance(idempotency.begin(user, "k1", "a"), Remembered)


def test_an_expired_key_may_be_taken_for_another_request(user: User) -> None:
    first = begun(user)
    idempotency.remember(first, status=200, body={}, headers={})
    age(timedelta(hours=73))
    assert begun(user, asked="b") != first


@pytest.mark.parametrize("key", ["", "k" * 129, "k\n", "ké"])
def test_a_malformed_key_is_refused(user: User, key: str) -> None:
    with pytest.raises(InvalidInputError):
        idempotency.begin(user, key, "a")
