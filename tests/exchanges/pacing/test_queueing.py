"""Several processes at one window: who was turned away comes first, money before all."""

from __future__ import annotations

from datetime import timedelta

from django.db import connection

from exchanges.models import RateWindow
from exchanges.transport.limits import Priority, Scope, Window, door
from tests.exchanges.pacing.conftest import START, DatabaseClerk, wants


def fill(desk: DatabaseClerk) -> float:
    """Use the window up; gives when there is room again."""
    desk.take(wants(12), who="somebody")
    (none,) = desk.take(wants(1), who="first")
    return desk.now + none.seconds


def test_a_process_that_was_turned_away_comes_before_one_that_asks_later(
    desk: DatabaseClerk,
) -> None:
    fill(desk)
    (none,) = desk.take(wants(12), who="second")
    desk.now += none.seconds
    assert desk.take(wants(12), who="third")[0].tokens == 0  # 1 and 12 are spoken for
    assert desk.take(wants(1), who="first")[0].tokens == 1
    assert desk.take(wants(12), who="second")[0].tokens == 11


def test_whoever_got_something_stands_behind_those_who_got_nothing(desk: DatabaseClerk) -> None:
    """A hungry process cannot take every token that falls due."""
    fill(desk)
    (none,) = desk.take(wants(6, least=6), who="second")
    desk.now += none.seconds
    got = [desk.take(wants(3), who="first")[0].tokens for _ in range(3)]
    assert got == [3, 3, 0]  # the last three of twelve would leave the second less than its six
    assert desk.take(wants(6, least=6), who="second")[0].tokens == 6


def test_money_comes_before_polling_that_has_waited_longer(desk: DatabaseClerk) -> None:
    fill(desk)
    desk.take(wants(12), who="second")
    desk.take(wants(10, priority=Priority.MONEY), who="third")
    desk.now += 1.25
    assert desk.take(wants(1), who="first")[0].tokens == 1
    assert desk.take(wants(12), who="second")[0].tokens == 1  # 12 less 1, less 10 for the money
    assert desk.take(wants(10, priority=Priority.MONEY), who="third")[0].tokens == 10


def test_a_process_that_does_not_come_back_keeps_its_place_for_a_moment_only(
    desk: DatabaseClerk,
) -> None:
    due = fill(desk)
    desk.now = due
    assert desk.take(wants(12, least=12), who="second")[0].tokens == 0
    desk.now = due + 0.26
    assert desk.take(wants(12, least=12), who="second")[0].tokens == 12


def test_a_call_keeps_its_place_though_its_process_comes_late(desk: DatabaseClerk) -> None:
    """Whoever was stopped for a moment, or lost its tokens on their way, does not begin anew."""
    desk.now = fill(desk) + 0.5  # no longer in line
    desk.take(wants(11), who="somebody")
    desk.take(wants(1, least=2), who="second")
    desk.now += 0.2
    late = wants(1, waited=1.75)
    assert desk.take(late, who="first")[0].tokens == 1


def test_without_its_wait_told_a_late_process_begins_anew(desk: DatabaseClerk) -> None:
    """The release before tells none."""
    desk.now = fill(desk) + 0.5
    desk.take(wants(11), who="somebody")
    desk.take(wants(1, least=2), who="second")
    desk.now += 0.2
    assert desk.take(wants(1), who="first")[0].tokens == 0


def test_nobody_buys_to_spare_while_others_wait(desk: DatabaseClerk) -> None:
    assert desk.take(wants(1, spare=3), who="first")[0].tokens == 4
    desk.take(wants(12, least=12), who="second")
    assert desk.take(wants(1, priority=Priority.LOOKUP, spare=3), who="first")[0].tokens == 1


def test_a_window_that_is_held_gives_nothing_and_says_for_how_long(desk: DatabaseClerk) -> None:
    desk.take(wants(1))
    held_until = START + timedelta(seconds=desk.now + 30)
    RateWindow.objects.filter(name="order").update(held_until=held_until)
    (grant,) = desk.take(wants(1, priority=Priority.MONEY))
    assert (grant.tokens, grant.held_seconds, grant.seconds) == (0, 30, 30)
    desk.now += 30
    assert desk.take(wants(1))[0].tokens == 1


def test_a_ban_closes_the_door_of_a_scope(desk: DatabaseClerk) -> None:
    at_the_door = door(Scope.ACCOUNT)
    assert desk.take(wants(0, window=at_the_door, least=0))[0].held_seconds == 0
    RateWindow.objects.create(
        venue="upbit", name="*", scope="account", span_ms=1000, most=0, used=[0] * 10,
        held_until=START + timedelta(seconds=desk.now + 60),
    )  # fmt: skip
    doors = [wants(0, window=door(scope), least=0) for scope in (Scope.ACCOUNT, Scope.IP)]
    assert [grant.held_seconds for grant in desk.take(*doors)] == [60, 0]


def test_a_limit_that_the_venue_told_counts_instead_of_ours(desk: DatabaseClerk) -> None:
    desk.take(wants(0, least=0))
    RateWindow.objects.filter(name="order").update(most=3, told_at=START)
    (grant,) = desk.take(wants(12))
    assert (grant.tokens, grant.limit) == (3, 3)


def test_a_limit_of_ours_that_changed_counts_at_once(desk: DatabaseClerk) -> None:
    """A release knows better than the row that the last one made."""
    desk.take(wants(8))
    smaller = Window(group="order", scope=Scope.ACCOUNT, limit=9)
    assert desk.take(wants(8, window=smaller))[0].tokens == 1


def test_a_database_clock_that_is_set_back_does_not_close_the_window_for_long(
    desk: DatabaseClerk,
) -> None:
    desk.take(wants(12))
    desk.now -= 3600
    (none,) = desk.take(wants(1))
    assert (none.tokens, none.seconds <= 1.25) == (0, True)
    desk.now += none.seconds
    assert desk.take(wants(12))[0].tokens == 12


def test_taking_waits_for_no_disk_and_leaves_other_transactions_as_they_are(
    desk: DatabaseClerk,
) -> None:
    desk.take(wants(1))
    with connection.cursor() as cursor:
        cursor.execute("SHOW synchronous_commit")  # of this transaction, which took
        assert cursor.fetchone() == ("off",)
        cursor.execute("SELECT setting, reset_val FROM pg_settings WHERE name = 'lock_timeout'")
        setting, reset = cursor.fetchone()
        assert setting == reset
