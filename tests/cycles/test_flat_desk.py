"""What the desk page and `/metrics` read does not grow with what has ended."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.db.models import Value
from django.test import Client

from cycles import selectors
from cycles.models import Cycle, Desk
from cycles.selectors.sums import midnight
from cycles.services import opening, rolling_up
from tests import builders, ended

pytestmark = pytest.mark.django_db
FEW, MANY = 600, 6000
MORE = 6  # pages: an index that is a level deeper, here and there


def scrape() -> None:
    assert Client().get("/metrics").status_code == 200


def balances() -> None:
    list(selectors.balances())


@pytest.mark.parametrize("read", [scrape, selectors.desk_summary, opening.exposure])
def test_as_many_pages_are_read_with_many_ended_cycles_as_with_few(
    read: Callable[[], object],
) -> None:
    builders.desk()
    found = []
    for number in (FEW, MANY):
        ended.plant(number, "26 hours")
        rolling_up.roll_up()
        ended.settle()
        pages, whole = ended.pages(read)
        assert "cycles_cycle" not in whole
        found.append(pages)
    assert found[1] <= found[0] + MORE, found


@pytest.mark.parametrize("read", [selectors.desk_summary, balances])
def test_what_ended_cycles_have_left_is_not_read(read: Callable[[], object]) -> None:
    builders.desk()
    template = builders.dead_letter()
    builders.order_call(template, is_settled=True)
    found: list[int] = []
    whole: set[str] = set()
    for number in (300, 3000):
        ended.plant_whole(template, number)
        rolling_up.roll_up()
        ended.settle()
        pages, whole = ended.pages(read)
        found.append(pages)
    assert not whole & {"cycles_cycle", "cycles_account", "cycles_exchangecall"}
    assert found[1] <= found[0] + MORE, found


@pytest.mark.parametrize(
    ("at", "began"),
    [
        (datetime(2026, 11, 28, 14, 59, tzinfo=UTC), datetime(2026, 11, 27, 15, tzinfo=UTC)),
        (datetime(2026, 11, 28, 15, tzinfo=UTC), datetime(2026, 11, 28, 15, tzinfo=UTC)),
        (datetime(2026, 11, 29, 5, tzinfo=UTC), datetime(2026, 11, 28, 15, tzinfo=UTC)),
    ],
)
def test_a_day_begins_at_midnight_in_seoul(at: datetime, began: datetime) -> None:
    builders.desk()
    (found,) = Desk.objects.annotate(day=midnight(Value(at))).values_list("day", flat=True)
    assert found == began


def test_what_today_earned_counts_from_midnight_in_seoul_on_the_page_and_for_the_days_limit() -> (
    None
):
    builders.desk()
    ended.plant(2, "0 seconds", pnl_usdt=-5)
    begun = Desk.objects.annotate(day=midnight()).values_list("day", flat=True).get()
    just_before, first = Cycle.objects.filter(ended_at__isnull=False).order_by("ended_at")
    place(just_before, begun, "- interval '1 ms'")
    place(first, begun, "")
    assert opening.exposure().pnl_today_usdt == -5
    assert selectors.desk_summary().realised_pnl_today_usdt == -5
    assert selectors.desk_summary().realised_pnl_usdt == -10


def place(row: Cycle, at: datetime, off: str) -> None:
    """Let a planted cycle have ended at an instant, which the database lets nobody write twice."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(f"UPDATE cycles_cycle SET ended_at = %s {off} WHERE id = %s", [at, row.pk])
        cursor.execute("SET LOCAL session_replication_role = origin")
