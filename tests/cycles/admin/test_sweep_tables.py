"""Where each sweep stands: shown to all who may see the desk, with the way to the row."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from cycles.domain.words import CallOutcome
from cycles.models import SweepMark
from cycles.services import reconciling, rotating
from tests import builders

pytestmark = pytest.mark.django_db
Login = Callable[..., Client]
PAGE = "/admin/cycles/sweepmark/"


@pytest.mark.parametrize("group", ["viewer", "operator", "approver", "administrator"])
def test_every_group_sees_the_call_that_a_sweep_looked_at_last(login: Login, group: str) -> None:
    builders.desk()
    call = builders.order_call(builders.dead_letter(), CallOutcome.UNKNOWN)
    rotating.each_in_turn(reconciling.SWEEP, [call], lambda _call: False)
    text = login(group).get(PAGE).content.decode()
    assert f'<a href="/admin/cycles/exchangecall/{call.pk}/change/">{call.pk}</a>' in text


def test_a_mark_of_a_sweep_that_this_release_does_not_know_is_shown_as_it_is(login: Login) -> None:
    builders.desk()
    SweepMark.objects.create(sweep="of_another_release", last="17")
    assert ">17<" in login("viewer").get(PAGE).content.decode()
