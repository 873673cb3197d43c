"""What a venue says otherwise of many names is written in as many statements as of few."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from exchanges import answers, identity_sync, market_sync, naming
from exchanges.identity.known import TITLES
from exchanges.models import AssetIdentity, RuleChange
from exchanges.notices import Notice
from exchanges.values import Listing
from tests import builders

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 7, tzinfo=UTC)
FEW, MANY = 2, 12
Story = Callable[[int], list[Listing]]


def listed(symbol: str, title: str) -> Listing:
    """Give a name that no shipped fact proves."""
    return Listing(
        venue="binance", symbol=symbol, network="N", title=title, network_title="", contract=None
    )


def coins(number: int, *, title: str) -> list[Listing]:
    return [listed(f"C{one}", title) for one in range(number)]


def prove(number: int) -> None:
    """Let people have proven what the venue has listed so far, and one that it always lists."""
    for one in coins(number, title="a coin"):
        builders.proven("binance", one.symbol, "N", title=one.title, contract=one.symbol)


def keep(told: list[Listing]) -> list[Notice]:
    """Keep what a venue lists; gives what people are told."""
    notices: list[Notice] = []
    asked = answers.asking(NOW)
    identity_sync.keep_listings("binance", told, [], asked=asked, tell=notices.append)
    return notices


def proven_and_called_otherwise(number: int) -> list[Listing]:
    prove(number)
    return coins(number, title="another coin")


def proven_and_listed_no_more(number: int) -> list[Listing]:
    prove(number + 1)
    return coins(number + 1, title="a coin")[number:]


def undecided_and_called_otherwise(number: int) -> list[Listing]:
    prove(number)
    keep(coins(number, title="another coin"))
    return coins(number, title="a third coin")


STORIES: dict[Story, tuple[str, int]] = {  # what names are called then, who is told of each
    proven_and_called_otherwise: ("another coin", 1),
    proven_and_listed_no_more: ("a coin", 1),
    undecided_and_called_otherwise: ("a third coin", 0),
}


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_a_change_of_twelve_names_takes_no_more_statements_than_of_two(story: Story) -> None:
    title, told_of_each = STORIES[story]
    counts = []
    for number in (FEW, FEW, MANY):  # the first also fills caches
        with transaction.atomic():
            told = story(number)
            before = RuleChange.objects.count()
            with CaptureQueriesContext(connection) as made:
                notices = keep(told)
            rows = AssetIdentity.objects.filter(title=title, state="UNPROVEN")
            assert rows.count() == number
            assert len({one.key for one in notices}) == number * told_of_each
            assert RuleChange.objects.count() - before == number * told_of_each
            transaction.set_rollback(True)
        naming.forget()
        counts.append(len(made))
    assert counts[1] == counts[2]


def test_a_name_that_no_column_takes_keeps_no_proof_alive_its_own_neither() -> None:
    prove(3)
    told = coins(3, title="another coin")
    notices: list[Notice] = []
    with pytest.raises(ValidationError):
        identity_sync.keep_listings(
            "binance", [listed("C0", "x" * 81), *told[1:]], [], asked=answers.asking(NOW), tell=notices.append
        )  # fmt: skip
    states = AssetIdentity.objects.order_by("venue_symbol").values_list("state", flat=True)
    assert list(states) == ["UNPROVEN"] * 3
    assert len({one.key for one in notices}) == len(notices) == 3


def test_a_name_that_the_database_keeps_from_its_proof_takes_its_own_statements_and_nothing_else() -> (
    None
):
    """Which of many it is tells only the refusal of each by itself: the others are proven all the same."""
    own = 4  # a savepoint, the proof that is refused, back to there, and its end
    counts = []
    for number in (2, 2, 5):  # the first also fills caches
        with transaction.atomic():
            told = []
            for asset in market_sync.ASSETS[:number]:
                network, title = market_sync.NETWORK_OF[asset], min(TITLES[asset])
                builders.proven("binance", asset, network, contract=f"another than {asset}")
                told.append(replace(listed(asset, title), venue="upbit", network=network))
            with CaptureQueriesContext(connection) as made:
                asked = answers.asking(NOW)
                identity_sync.keep_listings(
                    "upbit", told, market_sync.ASSETS, asked=asked, tell=lambda _: None
                )
            refused = AssetIdentity.objects.filter(venue="upbit", because__contains="another name")
            assert refused.count() == number
            transaction.set_rollback(True)
        naming.forget()
        counts.append(len(made))
    assert counts[2] - counts[1] == 3 * own
