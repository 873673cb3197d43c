"""A way home is looked for by what the cycle's own policy allows, and no cycle waits for one for ever, unseen."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from cycles.domain.progress import Turn
from cycles.domain.words import CycleStatus, FailureClass, Mode
from cycles.errors import PolicyDeniedError
from cycles.models import Cycle, Desk, PremiumSample
from cycles.services import desk as desk_services, feeding, opening, watching
from cycles.services.rating import Rates
from exchanges.models import RateWindow
from exchanges.values import Market
from tests import builders
from tests.cycles.services.acts import balance, set_policy
from tests.cycles.services.test_barring import ban
from tests.cycles.services.test_judged_late import silence
from tests.cycles.services.test_judging import HOME, next_units
from tests.cycles.services.test_rebalancing import at_policy_of, waiting
from tests.desk import TestDesk, operator

KRW = Decimal(2_000_000)


def krw_to_bring_home(desk: TestDesk, **policy: object) -> Cycle:
    """Open a cycle that only comes home, by XRP."""
    set_policy(allowed_assets=["XRP"], **policy)
    desk.sample()
    return opening.open_return_only(notional_krw=KRW, actor=operator(), reason="bring it home")


def waited_a_day(row: Cycle) -> None:
    """Let all that a cycle did, and the desk's last change of mode, have been a day earlier."""
    Desk.objects.update(mode_changed_at=F("mode_changed_at") - timedelta(days=1))
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")  # it is append-only
        cursor.execute(
            "UPDATE cycles_transition SET at = at - interval '1 day' WHERE cycle_id = %s", [row.pk]
        )
        cursor.execute("SET LOCAL session_replication_role = origin")


def test_a_cycle_comes_home_by_an_asset_that_the_policy_in_force_allows_no_more(
    desk: TestDesk,
) -> None:
    row = krw_to_bring_home(desk)
    set_policy(allowed_assets=["SOL"])
    silence()
    desk.sample()
    desk.drive_until(row, "COMPLETED")
    assert row.return_asset == "XRP"


def test_what_only_an_older_policy_allows_is_measured_and_opens_nothing(desk: TestDesk) -> None:
    krw_to_bring_home(desk)
    set_policy(allowed_assets=["SOL"], min_open_edge_bps=HOME)
    dear = {"bids": [["9000", "999999"]], "asks": [["9001", "999999"]]}
    desk.control("/control/book", {"venue": "upbit", "symbol": "KRW-XRP"} | dear)
    set_policy(max_book_jump_bps=Decimal(1_000_000))
    silence()
    desk.sample()
    xrp, sol = (PremiumSample.objects.filter(asset=asset).latest("at") for asset in ("XRP", "SOL"))
    assert xrp.at == sol.at
    assert xrp.outbound_official_bps > sol.outbound_official_bps
    row = opening.open_if_decided(actor="initiator:1")
    assert row is not None
    assert row.outbound_asset == "SOL"
    with pytest.raises(PolicyDeniedError, match="does not allow XRP"):
        desk.open("XRP")


def test_books_are_streamed_by_which_open_cycles_may_come_home(desk: TestDesk) -> None:
    row = builders.cycle(policy=builders.policy(allowed_assets=["XRP"]))
    new = builders.policy(allowed_assets=["SOL"])
    assert feeding.watched(new)["binance"] == [Market("SOL", "USDT"), Market("XRP", "USDT")]
    at_policy_of(row)
    assert feeding.watched(new)["binance"] == [Market("SOL", "USDT")]


def test_a_tick_takes_no_more_queries_for_many_open_cycles_than_for_one(desk: TestDesk) -> None:
    counts: list[int] = []
    set_policy(allowed_assets=["XRP"])
    for _ in range(3):
        builders.cycle(policy=builders.policy(allowed_assets=["XRP"]))
        watching.tick(Rates())  # reads what is remembered
        with CaptureQueriesContext(connection) as made:
            watching.tick(Rates())
        counts.append(len(made))
    assert len(set(counts)) == 1


def test_krw_that_no_asset_brings_home_is_a_dead_letter_after_the_longest_wait(
    desk: TestDesk,
) -> None:
    row = krw_to_bring_home(desk, longest_wait_seconds=86400)
    silence()
    next_units(desk, row)
    assert row.status == CycleStatus.AWAITING_REBALANCE
    waited_a_day(row)
    progress = next_units(desk, row)
    assert (progress.turn, progress.failure) == (Turn.FAIL, FailureClass.POLICY_DENIED)
    assert "longest wait: no fresh way back" in progress.reason
    assert balance("upbit", "KRW", "CYCLE", row) == KRW


@pytest.mark.parametrize("kind", ["RETURN_ONLY", "ROUND_TRIP"])
def test_a_way_back_that_clears_is_taken_however_long_it_was_waited_for(
    desk: TestDesk, kind: str
) -> None:
    row = krw_to_bring_home(desk) if kind == "RETURN_ONLY" else waiting(desk)
    at_policy_of(row, min_rebalance_edge_bps=HOME, longest_wait_seconds=0)
    desk.drive_until(row, "COMPLETED")


def test_no_cycle_tires_of_waiting_for_a_halted_desk(desk: TestDesk) -> None:
    row = waiting(desk)
    at_policy_of(row, longest_wait_seconds=0)
    desk_services.set_mode(Mode.HALT, actor=operator(), reason="wait")
    assert desk.step(row).status == CycleStatus.AWAITING_REBALANCE


def test_no_cycle_tires_of_waiting_for_a_venue_that_has_banned_us(desk: TestDesk) -> None:
    row = waiting(desk)
    at_policy_of(row, longest_wait_seconds=0)
    ban("upbit")
    progress = next_units(desk, row, units=1)
    RateWindow.objects.all().delete()
    assert (progress.turn, row.status) == (Turn.WAIT, CycleStatus.AWAITING_REBALANCE)


def test_the_longest_wait_begins_anew_when_a_halted_desk_goes_on(desk: TestDesk) -> None:
    row = waiting(desk)
    at_policy_of(row, longest_wait_seconds=86400)
    desk_services.set_mode(Mode.HALT, actor=operator(), reason="over the weekend")
    waited_a_day(row)
    seen = desk_services.current().version
    desk_services.set_mode(Mode.RUN, actor=operator(), reason="monday", seen_version=seen)
    assert desk.step(row).status == CycleStatus.AWAITING_REBALANCE
    at_policy_of(row, longest_wait_seconds=0)
    assert desk.step(row).status == CycleStatus.DEAD_LETTER
