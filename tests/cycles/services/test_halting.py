"""The desk's mode and pauses: what they stop, what goes on, and who may lift them."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission
from django.db import connection

from cycles.domain.words import CycleStatus, Mode, Operation, PauseScope, Role, Verb
from cycles.errors import (
    HaltedError,
    InvalidInputError,
    NotAllowedNowError,
    NotFoundError,
    PermissionDeniedError,
    PolicyDeniedError,
    StaleVersionError,
    UnseenVersionError,
)
from cycles.models import Cycle, Desk, ExchangeCall, Intervention, Pause, Step
from cycles.services import calling, desk as desk_services, homing, opening
from cycles.services.advancing import advance, one_unit
from cycles.services.intents import Intent
from cycles.services.intervening import Actor
from tests import builders
from tests.cycles.services.acts import claimed, set_policy
from tests.desk import TestDesk, operator

pytestmark = pytest.mark.django_db


def halt(actor: Actor | None = None) -> None:
    """Halt the desk."""
    desk_services.set_mode(Mode.HALT, actor=actor or operator(), reason="smoke")


def resume(mode: Mode = Mode.RUN, actor: Actor | None = None) -> None:
    """Leave a mode for another."""
    desk_services.set_mode(
        mode,
        actor=actor or operator(),
        reason="no fire",
        seen_version=Desk.objects.get().version,
    )


def test_letting_more_happen_needs_the_version_that_was_seen() -> None:
    builders.desk(Mode.HALT)
    with pytest.raises(UnseenVersionError):
        desk_services.set_mode(Mode.RUN, actor=operator(), reason="r")
    with pytest.raises(StaleVersionError, match="the desk has changed"):
        desk_services.set_mode(Mode.RUN, actor=operator(), reason="r", seen_version=99)
    assert Desk.objects.get().mode == Mode.HALT


def test_a_halt_is_done_whatever_was_seen() -> None:
    builders.desk()
    desk_services.set_mode(Mode.HALT, actor=operator(), reason="r", seen_version=99)
    assert Desk.objects.get().mode == Mode.HALT


@pytest.mark.parametrize("mode", [Mode.RUN, Mode.FINALIZE_ONLY])
def test_a_mode_that_the_desk_has_already_is_refused_and_not_written_down(mode: Mode) -> None:
    before = builders.desk(mode)
    with pytest.raises(NotAllowedNowError, match="already: nothing would change"):
        resume(mode)
    assert Desk.objects.get().version == before.version
    assert not Intervention.objects.exists()


def test_a_halt_is_written_with_who_why_and_when() -> None:
    before = builders.desk()
    halt()
    row = Desk.objects.get()
    assert (row.mode, row.mode_reason, row.mode_changed_by) == ("HALT", "smoke", "alice")
    assert row.version == before.version + 1
    assert Intervention.objects.get().payload == {"from": "RUN", "to": "HALT"}


def test_no_intent_commits_after_a_halt() -> None:
    builders.desk()
    builders.right_clocks()
    row = builders.cycle()
    lease = claimed(row)
    halt()
    step = Step.objects.filter(cycle=row)[0]
    with pytest.raises(HaltedError, match="smoke"):
        calling.intend(
            lease,
            step,
            Intent(operation=Operation.PLACE_ORDER, payload={}, client_order_id="k"),
        )
    assert not ExchangeCall.objects.exists()


def test_a_halted_cycle_waits_and_does_not_fail(desk: TestDesk) -> None:
    row = desk.open()
    halt()
    advance(desk.lease(row))
    row.refresh_from_db()
    assert (row.status, row.retry_count, row.lease_owner) == (CycleStatus.STARTED, 0, "")
    assert desk.posts("binance", "/api/v3/order") == 0
    resume()
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED", "AWAITING_REBALANCE", "COMPLETED")


def test_calls_already_intended_are_still_settled_under_a_halt(desk: TestDesk) -> None:
    row = desk.open()
    lease = desk.lease(row)
    one_unit(lease)
    halt()
    one_unit(lease)
    assert not ExchangeCall.objects.filter(cycle=row, outcome="DONE", is_settled=False).exists()


@pytest.mark.parametrize("mode", [Mode.HALT, Mode.FINALIZE_ONLY])
def test_nothing_is_opened_unless_the_desk_runs(desk: TestDesk, mode: Mode) -> None:
    desk.sample()
    desk_services.set_mode(mode, actor=operator(), reason="r")
    assert opening.open_if_decided(actor="tester") is None
    with pytest.raises(PolicyDeniedError, match=mode.value):
        opening.open_by_hand(asset="XRP", notional_usdt=Decimal(2000), actor=operator(), reason="r")
    assert not Cycle.objects.exists()


def test_money_may_still_come_home_when_the_desk_only_finalizes(desk: TestDesk) -> None:
    desk.sample()
    desk_services.set_mode(Mode.FINALIZE_ONLY, actor=operator(), reason="r")
    opened = opening.open_return_only(notional_krw=Decimal(1_000_000), actor=operator(), reason="r")
    assert opened.status == CycleStatus.INITIAL_TRADE_COMPLETED
    halt()
    with pytest.raises(PolicyDeniedError, match="halted"):
        opening.open_return_only(notional_krw=Decimal(1_000_000), actor=operator(), reason="r")


@pytest.mark.parametrize("target", [Mode.RUN, Mode.FINALIZE_ONLY])
def test_leaving_a_halt_needs_its_own_permission(target: Mode) -> None:
    builders.desk(Mode.HALT)
    clerk = operator("clerk", "viewer")
    assert clerk.user is not None
    clerk.user.user_permissions.add(Permission.objects.get(codename="halt_desk"))
    may_halt = operator("clerk", "viewer")
    with pytest.raises(PermissionDeniedError):
        resume(target, may_halt)
    assert Desk.objects.get().mode == Mode.HALT
    halt(may_halt)
    resume(target)
    assert Desk.objects.get().mode == target


def test_a_halt_by_the_system_is_left_by_a_person_only() -> None:
    builders.desk()
    desk_services.halt_by_system("the ledger cannot be explained")
    desk_services.halt_by_system("the ledger cannot be explained")
    row = Desk.objects.get()
    assert (row.mode, row.mode_changed_by) == ("HALT", "system")
    assert row.mode_reason == "the ledger cannot be explained"


def by_system(reason: str) -> None:
    desk_services.halt_by_system(reason)


def by_bob(reason: str) -> None:
    desk_services.set_mode(Mode.HALT, actor=operator("bob", "operator"), reason=reason)


def away_from_home(_reason: str) -> None:
    """So it is where nobody can vouch for a server that broke off, until the desk has caught up."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM kimp_unbroken")
    assert desk_services.halt_away_from_home()
    homing.settle()


AGAIN = [by_system, by_bob, away_from_home]


@pytest.mark.parametrize("halt_again", AGAIN)
def test_who_saw_a_halt_before_a_new_reason_came_does_not_resume_over_it(
    halt_again: Callable[[str], None],
) -> None:
    builders.desk()
    halt()
    seen = Desk.objects.get().version
    halt_again("coins are missing")
    with pytest.raises(StaleVersionError):
        desk_services.set_mode(Mode.RUN, actor=operator(), reason="done", seen_version=seen)
    assert Desk.objects.get().mode == Mode.HALT
    resume()
    assert Desk.objects.get().mode_reason == "no fire"


@pytest.mark.parametrize("halt_again", AGAIN[:2])
def test_a_halted_desk_shows_the_newest_reason_first_and_keeps_the_one_before(
    halt_again: Callable[[str], None],
) -> None:
    builders.desk()
    halt()
    halt_again("coins are missing")
    row = Desk.objects.get()
    assert row.mode_reason == "coins are missing; earlier, by alice: smoke"
    assert row.mode_changed_by == ("system" if halt_again is by_system else "bob")


@pytest.mark.parametrize("halt_again", AGAIN)
def test_the_same_reason_again_leaves_the_version_that_people_have_seen(
    halt_again: Callable[[str], None],
) -> None:
    builders.desk()
    halt_again("coins are missing")
    halt()
    seen = Desk.objects.get()
    halt_again("coins are missing")
    halt()
    now = Desk.objects.get()
    assert (now.version, now.mode_reason) == (seen.version, seen.mode_reason)
    desk_services.set_mode(Mode.RUN, actor=operator(), reason="r", seen_version=seen.version)
    assert Desk.objects.get().mode == Mode.RUN


def test_a_persons_every_halt_is_kept_with_its_words_also_where_nothing_is_new() -> None:
    builders.desk()
    for _ in range(2):
        by_bob("coins are missing")
    assert [(one.verb, one.reason) for one in Intervention.objects.all()] == [
        ("halt", "coins are missing")
    ] * 2


def test_a_halt_after_a_run_tells_nothing_of_the_halts_before_it() -> None:
    builders.desk()
    by_bob("coins are missing")
    resume()
    halt()
    assert Desk.objects.get().mode_reason == "smoke"


def test_an_intent_under_a_halt_is_told_every_reason() -> None:
    builders.desk()
    halt()
    by_system("coins are missing")
    with pytest.raises(HaltedError, match="coins are missing; earlier, by alice: smoke"):
        desk_services.refuse_if_halted()


@pytest.mark.parametrize("reason", ["", " "])
def test_a_change_of_mode_needs_a_reason(reason: str) -> None:
    builders.desk()
    with pytest.raises(InvalidInputError):
        desk_services.set_mode(Mode.HALT, actor=operator(), reason=reason)
    assert Desk.objects.get().mode == Mode.RUN


@pytest.mark.parametrize(
    ("scope", "key", "paused"),
    [
        (PauseScope.ASSET, "XRP", {"XRP"}),
        (PauseScope.ROUTE, "XRP:binance>upbit", {"XRP"}),
        (PauseScope.ROUTE, "XRP:upbit>binance", set()),
        (PauseScope.VENUE, "upbit", {"BTC", "ETH", "SOL", "USDT", "XRP"}),
        (PauseScope.VENUE, " Upbit ", {"BTC", "ETH", "SOL", "USDT", "XRP"}),
        (PauseScope.ASSET, "xrp", {"XRP"}),
        (PauseScope.ROUTE, "xrp: Binance > UPBIT", {"XRP"}),
    ],
)
def test_a_pause_stops_new_beginnings_where_it_says(
    scope: PauseScope, key: str, paused: set[str]
) -> None:
    builders.desk()
    builders.policy()
    desk_services.pause(scope, key, actor=operator(), reason="r")
    assert desk_services.paused_assets("binance", "upbit") == paused


@pytest.mark.parametrize(
    ("scope", "key", "told"),
    [
        (PauseScope.VENUE, "nonsense", "there is no venue 'nonsense' here: binance, upbit"),
        (PauseScope.VENUE, "XRP", "no venue 'xrp'"),
        (PauseScope.ASSET, "XRPP", "no asset 'XRPP'"),
        (PauseScope.ROUTE, "XRP:binance->upbit", "no venue 'binance-'"),
        (PauseScope.ROUTE, "XRP", "write ASSET:from>to"),
        (PauseScope.ROUTE, "XRP:upbit>upbit", "from one venue to another"),
    ],
)
def test_a_pause_of_what_the_desk_does_not_know_is_refused_with_what_it_knows(
    scope: PauseScope, key: str, told: str
) -> None:
    builders.desk()
    builders.policy()
    with pytest.raises(InvalidInputError, match=told):
        desk_services.pause(scope, key, actor=operator(), reason="r")
    assert not Pause.objects.exists()
    assert not Intervention.objects.filter(verb=Verb.PAUSE).exists()


def test_a_paused_asset_is_not_opened_by_hand_and_is_again_once_lifted(desk: TestDesk) -> None:
    pause = desk_services.pause(PauseScope.ASSET, "XRP", actor=operator(), reason="r")
    with pytest.raises(PolicyDeniedError, match="paused"):
        desk.open("XRP")
    desk_services.unpause(pause.pk, actor=operator(), reason="over")
    assert desk.open("XRP").status == CycleStatus.STARTED


def test_the_initiator_passes_a_paused_asset_over(desk: TestDesk) -> None:
    set_policy(min_open_edge_bps=Decimal(-1000), allowed_assets=["XRP", "USDT"])
    desk_services.pause(PauseScope.ASSET, "XRP", actor=operator(), reason="r")
    desk_services.pause(PauseScope.ASSET, "USDT", actor=operator(), reason="r")
    desk.sample()
    assert opening.open_if_decided(actor="tester") is None


def test_a_pause_is_made_and_lifted_once_each() -> None:
    builders.desk()
    builders.policy()
    pause = desk_services.pause(PauseScope.ASSET, "XRP", actor=operator(), reason="r")
    with pytest.raises(NotAllowedNowError, match="already"):
        desk_services.pause(PauseScope.ASSET, "xrp", actor=operator(), reason="r")
    desk_services.unpause(pause.pk, actor=operator(), reason="r")
    with pytest.raises(NotFoundError):
        desk_services.unpause(pause.pk, actor=operator(), reason="r")
    verbs = Intervention.objects.order_by("pk").values_list("verb", flat=True)
    assert list(verbs) == [Verb.PAUSE, Verb.UNPAUSE]


def test_who_may_not_halt_may_not_pause() -> None:
    builders.desk()
    builders.policy()
    with pytest.raises(PermissionDeniedError):
        desk_services.pause(PauseScope.ASSET, "XRP", actor=operator("vera", "viewer"), reason="r")
    assert not Pause.objects.exists()


def test_a_halt_stops_no_claim_but_every_role_only_looks(desk: TestDesk) -> None:
    row = desk.open()
    halt()
    lease = claimed(row, Role.INITIATOR)
    assert one_unit(lease).turn.value == "wait"


def test_an_asset_travels_only_on_a_network_that_the_policy_allows(desk: TestDesk) -> None:
    assert desk_services.paused_assets("binance", "upbit") == frozenset()
    set_policy(allowed_networks=["XRP", "TRX"])
    desk.sample()
    assert desk_services.paused_assets("binance", "upbit") == {"BTC", "ETH", "SOL"}
    with pytest.raises(PolicyDeniedError, match="network"):
        opening.open_by_hand(asset="SOL", notional_usdt=Decimal(2000), actor=operator(), reason="r")
