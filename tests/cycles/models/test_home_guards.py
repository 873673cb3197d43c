"""Away from home the database takes no intent, whoever writes it; what venues have done it takes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import IntegrityError, transaction

from cycles.domain.words import CallOutcome
from cycles.models import Cycle, Desk, ExchangeCall
from cycles.services import homing
from tests import builders

pytestmark = pytest.mark.django_db


def refused(write: Callable[[], object]) -> str:
    """Give the name of the guard that refused."""
    with pytest.raises(IntegrityError) as error, transaction.atomic():
        write()
    return str(getattr(getattr(error.value.__cause__, "diag", None), "constraint_name", ""))


@pytest.fixture
def cycle() -> Cycle:
    builders.desk()
    return builders.cycle()


def test_a_desk_begins_at_home() -> None:
    builders.desk()
    assert Desk.objects.get().home == homing.here()
    assert homing.is_at_home()


@pytest.mark.parametrize("home", ["", "7512546178974866274-00000001-5-16400"])
def test_no_intent_is_written_away_from_home(cycle: Cycle, home: str) -> None:
    Desk.objects.update(home=home)
    assert not homing.is_at_home()
    assert (
        refused(lambda: builders.order_call(cycle, outcome=CallOutcome.INTENDED))
        == "call_intended_at_home"
    )
    assert not ExchangeCall.objects.exists()
    homing.settle()
    builders.order_call(cycle, outcome=CallOutcome.INTENDED)


def test_what_a_venue_did_is_written_anywhere(cycle: Cycle) -> None:
    homing.leave()
    builders.order_call(cycle, outcome=CallOutcome.DONE)
    assert ExchangeCall.objects.count() == 1


def test_home_names_cluster_timeline_database_table_and_its_own_mark() -> None:
    builders.desk()
    cluster, timeline, database, table, mark = homing.here().split("-")
    assert timeline == "00000001"
    assert min(map(int, (cluster, database, table))) > 0
    assert int(mark, 16) >= 0
    homing.settle()
    assert (
        homing.here()
        == Desk.objects.get().home
        != f"{cluster}-{timeline}-{database}-{table}-{mark}"
    )
