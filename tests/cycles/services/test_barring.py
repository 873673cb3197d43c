"""A venue that has banned us: nothing begins that would end there, and people read until when."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from cycles import conf
from cycles.errors import PolicyDeniedError
from cycles.models import Cycle
from cycles.services import barring, desk as desk_services, opening
from exchanges import registry
from exchanges.errors import VenueError
from exchanges.models import RateWindow
from tests.cycles.services.acts import give_back
from tests.cycles.services.test_rebalancing import at_policy_of, waiting
from tests.desk import TestDesk

SAID = "lets none of our calls through until "


@pytest.fixture(autouse=True)
def _no_other_bans(desk: TestDesk) -> None:
    RateWindow.objects.all().delete()  # other tests' calls leave theirs: written by a connection apart


def ban(venue: str, *, seconds: int = 7200) -> datetime:
    """Let another process of the desk have been banned by a venue."""
    until = desk_services.database_now() + timedelta(seconds=seconds)
    facts = {"span_ms": 1000, "most": 0, "used": [0] * 10, "held_because": "banned"}
    for scope in ("account", "ip"):
        RateWindow.objects.create(venue=venue, name="*", scope=scope, held_until=until, **facts)
    return until


@pytest.mark.parametrize("venue", ["upbit", "binance"])
def test_no_cycle_begins_whose_coins_would_come_to_a_venue_that_has_banned_us(
    desk: TestDesk, venue: str
) -> None:
    desk.sample()
    until = ban(venue).astimezone(conf.display_time_zone())
    decided = opening.decide()
    assert not decided.opens
    assert decided.reasons == (f"{venue} {SAID}{until:%Y-%m-%d %H:%M:%S}",)
    assert opening.open_if_decided(actor="tester") is None
    with pytest.raises(PolicyDeniedError, match=SAID):
        desk.open()
    assert not Cycle.objects.exists()


def test_a_ban_that_is_over_and_a_window_that_is_used_up_forbid_nothing(desk: TestDesk) -> None:
    desk.sample()
    ban("upbit", seconds=-1)
    ban("binance")
    RateWindow.objects.filter(venue="binance").update(name="order")
    assert opening.open_if_decided(actor="tester") is not None


def test_a_cycle_does_not_come_home_to_a_venue_that_has_banned_us(desk: TestDesk) -> None:
    row = waiting(desk)
    at_policy_of(row, min_rebalance_edge_bps=Decimal(-5000))
    desk.sample()
    ban("binance")
    lease = desk.lease(row)
    told = desk.unit(lease)
    give_back(lease)
    assert SAID in told.reason
    row.refresh_from_db()
    assert row.status == "AWAITING_REBALANCE"
    RateWindow.objects.all().delete()
    desk.step(row)
    assert row.status != "AWAITING_REBALANCE"


def test_a_ban_that_only_this_process_was_told_counts_too(desk: TestDesk) -> None:
    desk.sample()
    desk.fault(fault="F18", venue="upbit", args={"kind": "418", "seconds": 600})
    assert barring.objections(["upbit"]) == ()
    with pytest.raises(VenueError):
        registry.venue("upbit").balances()
    RateWindow.objects.all().delete()
    (told,) = barring.objections(["upbit", "binance"])
    assert told.startswith(f"upbit {SAID}")
    assert not opening.decide().opens
