"""Tokens: shown once, kept as a hash, refused once ended, revoked or altered."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from cycles.errors import InvalidInputError, NotFoundError
from cycles.models import ApiToken
from cycles.services import tokens
from cycles.services.tokens import Scope

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    return User.objects.create_user("alice")


def test_the_plain_text_opens_the_door_and_is_not_kept(user: User) -> None:
    token, plain = tokens.issue(user, "desk", [Scope.CYCLES_READ], None)
    found = tokens.token_of(plain)
    assert found == token
    kept = ApiToken.objects.values_list().get()
    assert plain.rsplit("_", 1)[1] not in str(kept)


def test_an_altered_secret_is_refused(user: User) -> None:
    _, plain = tokens.issue(user, "desk", [Scope.CYCLES_READ], None)
    last = "0" if plain[-1] != "0" else "1"
    assert tokens.token_of(plain[:-1] + last) is None


@pytest.mark.parametrize("plain", ["", "kimp_", "kimp_x_y", "Bearer", "kimp_" + "0" * 75])
def test_what_is_not_a_token_is_refused(plain: str) -> None:
    assert tokens.token_of(plain) is None


def test_a_token_ends_when_it_expires(user: User) -> None:
    ended, past = tokens.issue(user, "a", [Scope.DLQ_ACT], timezone.now() - timedelta(seconds=1))
    _, future = tokens.issue(user, "b", [Scope.DLQ_ACT], timezone.now() + timedelta(hours=1))
    assert tokens.token_of(past) is None
    assert tokens.token_of(future) is not None
    assert ended.expires_at is not None


def test_a_revoked_token_is_refused_and_revoking_twice_keeps_the_first_instant(user: User) -> None:
    token, plain = tokens.issue(user, "desk", [Scope.CYCLES_READ], None)
    first = tokens.revoke(token.prefix).revoked_at
    assert tokens.token_of(plain) is None
    assert tokens.revoke(token.prefix).revoked_at == first


def test_revoking_what_is_not_there_is_not_found() -> None:
    with pytest.raises(NotFoundError):
        tokens.revoke("0123456789")


def test_a_token_of_a_disabled_user_is_refused(user: User) -> None:
    _, plain = tokens.issue(user, "desk", [Scope.CYCLES_READ], None)
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert tokens.token_of(plain) is None


@pytest.mark.parametrize("scopes", [[], ["everything"], [Scope.CYCLES_READ, "dlq:approve"]])
def test_an_unknown_or_empty_scope_is_refused(user: User, scopes: list[str]) -> None:
    with pytest.raises(InvalidInputError, match="scopes"):
        tokens.issue(user, "desk", scopes, None)


def test_use_is_noted_at_most_once_a_minute(user: User) -> None:
    token, plain = tokens.issue(user, "desk", [Scope.CYCLES_READ], None)
    tokens.token_of(plain)
    token.refresh_from_db()
    first = token.last_used_at
    tokens.token_of(plain)
    token.refresh_from_db()
    assert first is not None
    assert token.last_used_at == first
    ApiToken.objects.update(last_used_at=first - timedelta(minutes=2))
    tokens.token_of(plain)
    token.refresh_from_db()
    assert token.last_used_at is not None
    assert token.last_used_at >= first
