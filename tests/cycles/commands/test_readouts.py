"""What commands print can be read alone: nothing left off in silence, one zone, differences explained."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.contrib.auth.models import User

from cycles.domain.words import CycleStatus, Mode
from cycles.services.verifying import explanation
from tests import builders
from tests.cycles.commands.saying import Said

pytestmark = pytest.mark.django_db


def test_a_list_that_leaves_cycles_off_says_so_and_how_to_see_them() -> None:
    for _ in range(3):
        builders.cycle()
    said = Said("cycles", "--limit", "2")
    assert (len(said.out.splitlines()), "--limit" in said.err) == (3, True)
    assert Said("cycles", "--limit", "2", "--json").json["has_more"] is True


def test_a_list_that_leaves_nothing_off_says_nothing() -> None:
    for _ in range(2):
        builders.cycle()
    said = Said("cycles", "--limit", "2")
    assert (len(said.out.splitlines()), said.err) == (3, "")
    assert Said("cycles", "--limit", "2", "--json").json["has_more"] is False


def test_the_mode_is_told_in_the_zone_of_the_table_below_it() -> None:
    builders.desk(Mode.HALT)
    builders.order_call(builders.cycle())
    text = Said("resume").out
    assert (" KST: " in text, "UTC" in text) == (True, False)


def test_a_way_out_in_usdt_alone_shows_no_won() -> None:
    text = Said("cycle", builders.cycle(notional_krw=0).code).out
    assert ("5,000 USDT" in text or "5000 USDT" in text, "USDT, ₩0" in text) == (True, False)


def test_money_at_risk_is_told_as_of_the_failure() -> None:
    row = builders.dead_letter(at_risk_krw=6_827_842)
    assert "₩6,827,842 when it last failed" in Said("cycle", row.code).out


def test_of_a_cycle_that_never_failed_no_money_at_risk_is_counted() -> None:
    row = builders.cycle(money_at_risk_krw=0)
    assert "none counted: it has not failed" in Said("cycle", row.code).out
    assert "₩0" not in Said("cycles").out


def test_a_dead_letter_that_owned_nothing_is_listed_with_no_won_at_risk() -> None:
    builders.dead_letter(at_risk_krw=0)
    assert "₩0" in Said("cycles", "--status", CycleStatus.DEAD_LETTER.value).out


@pytest.mark.parametrize(("days", "warned"), [("0", True), ("1", False)])
@pytest.mark.parametrize("yes", [True, False])
def test_a_token_without_an_end_is_warned_of(
    alice: User, days: str, warned: bool, yes: bool
) -> None:
    words = ("api_token", "issue", "--user", "alice", "--name", "t", "--days", days)
    run = (*words, "--yes", "--as", "alice") if yes else words
    assert ("never expires" in Said(*run).err) is warned


def test_an_explained_difference_names_what_explains_it() -> None:
    coins = (Decimal("22.77191829"), "in flight")
    other = (Decimal(5), "written off")
    assert explanation(Decimal("22.77191829"), [other, coins]) == "in flight"
    assert explanation(Decimal("27.77191829"), [other, coins]) == "in flight, written off"
    assert explanation(Decimal(0), [coins]) == ""
    assert explanation(Decimal(1), [coins]) is None
