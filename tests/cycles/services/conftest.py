"""The desk of a test of the services: books stand still and are deep, unless a test moves them."""

from __future__ import annotations

import pytest

from tests.desk import TestDesk


@pytest.fixture
def desk(desk: TestDesk) -> TestDesk:
    """Pin every book around its first price, deep enough for any size of these tests."""
    desk.stand_still()
    return desk
