"""People who log in to the admin, and a client for each."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from cycles.models import Cycle
from tests import builders

Login = Callable[..., Client]


@pytest.fixture
def login(db: None) -> Login:
    """Give a function that logs a new person in, by groups."""

    def as_member_of(*groups: str, name: str = "alice") -> Client:
        client = Client()
        client.force_login(builders.person(name, *groups))
        return client

    return as_member_of


@pytest.fixture
def dead(db: None) -> Cycle:
    """Give a dead letter on a desk that runs."""
    builders.desk()
    return builders.dead_letter()
