"""Who gives the commands."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from tests import builders


@pytest.fixture
def alice(db: None) -> User:
    return builders.person("alice", "administrator")
