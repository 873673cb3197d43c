"""People with tokens, and a client that speaks as they do."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client

from cycles.services import tokens
from cycles.services.tokens import Scope
from tests import builders

KEYS = itertools.count(1)


class Speaker:
    """Sends JSON with a token; acts get a fresh Idempotency-Key unless one is given."""

    def __init__(self, plain: str = "") -> None:
        self.client = Client(raise_request_exception=False)
        self.headers = {"Authorization": f"Bearer {plain}"} if plain else {}

    def get(self, path: str, **headers: str) -> Any:
        return self.client.get(path, headers=self.headers | _named(headers))

    def post(self, path: str, body: Any, *, key: str | None = None, **headers: str) -> Any:
        sent = self.headers | {"Idempotency-Key": key or f"key-{next(KEYS)}"} | _named(headers)
        sent = {name: text for name, text in sent.items() if text}
        return self.client.post(
            path, data=json.dumps(body), content_type="application/json", headers=sent
        )


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): text for name, text in headers.items()}


Speaks = Callable[..., Speaker]


@pytest.fixture
def speaks(db: None) -> Speaks:
    """Make a speaker for a member of a group, with a token of some scopes (all by default)."""

    def make(group: str = "administrator", *scopes: str, name: str = "alice") -> Speaker:
        user = User.objects.filter(username=name).first() or builders.person(name, group)
        _, plain = tokens.issue(user, "test", scopes or list(Scope), None)
        return Speaker(plain)

    return make


@pytest.fixture(autouse=True)
def _counters_start_anew() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()
