"""The newest quotes: what they cost to read."""

from __future__ import annotations

from django.db import connection
from django.test.utils import CaptureQueriesContext

from cycles.models import PremiumSample
from cycles.services import desk as desk_services, quoting
from tests.desk import TestDesk


def test_quotes_of_many_assets_take_no_more_queries_than_those_of_one(desk: TestDesk) -> None:
    desk.sample()
    policy = desk_services.current_policy()

    def read() -> tuple[int, int]:
        with CaptureQueriesContext(connection) as made:
            quotes = quoting.latest_quotes(policy, "upbit")
        return len(quotes), len(made)

    many, queries = read()
    PremiumSample.objects.exclude(asset="XRP").delete()
    assert many > 1
    assert read() == (1, queries)
