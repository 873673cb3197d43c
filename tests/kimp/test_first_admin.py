"""The first operator's password holds only once it was told."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model

from kimp import first_admin

pytestmark = pytest.mark.django_db


def test_the_password_that_is_told_logs_in_and_there_is_one_only() -> None:
    told = list[str]()
    assert first_admin.ensure(told.append) == told[0]
    assert get_user_model().objects.get(username=first_admin.NAME).check_password(told[0])
    assert first_admin.ensure(told.append) is None
    assert len(told) == 1


def test_whom_nobody_was_told_of_is_not_there() -> None:
    def break_off(password: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        first_admin.ensure(break_off)
    assert not get_user_model().objects.filter(is_superuser=True).exists()
