"""The counts of both stores: no stretch of a window's length holds more than its limit."""

from __future__ import annotations

import random
from bisect import bisect_left

import pytest

from exchanges.transport.limits import Priority, Scope, Window
from tests.exchanges.pacing.conftest import ORDERS, Clerk, wants

HASTE = 0.02
MINUTE = Window(group="weight", scope=Scope.IP, limit=600, span_seconds=60, reserve=100)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("window", [ORDERS, MINUTE], ids=["second", "minute"])
def test_no_stretch_of_a_windows_length_holds_more_than_its_limit(
    clerk: Clerk, window: Window, seed: int
) -> None:
    """Each token is spent at the last moment it is good for, or at once, as chance has it."""
    chance = random.Random(seed)
    spent: list[float] = []
    for _ in range(150):
        clerk.now += chance.choice([0, 0, 0.01, 0.1, 0.3]) * window.span_seconds * chance.random()
        (grant,) = clerk.take(
            wants(
                chance.randint(1, window.limit // 2),
                window=window,
                priority=chance.choice(list(Priority)),
                haste=chance.choice([0, HASTE]),
            )
        )
        late = chance.choice([0.0, grant.seconds])
        spent += [clerk.now + late] * grant.tokens
    spent.sort()
    # What arrives late by the rest of a slot does no harm either.
    jitter = window.span_seconds / 8 - HASTE
    stretch = window.span_seconds + jitter - 1e-6
    crowded = max(bisect_left(spent, at + stretch) - n for n, at in enumerate(spent))
    assert len(spent) > window.limit
    assert crowded <= window.limit


def test_all_tokens_come_back_when_their_time_is_over(clerk: Clerk) -> None:
    """Also those of a process that died with them."""
    (all_of_it,) = clerk.take(wants(12))
    (none,) = clerk.take(wants(1))
    assert (all_of_it.tokens, none.tokens) == (12, 0)
    assert 1.125 < none.seconds <= 1.25
    clerk.now += none.seconds
    (again,) = clerk.take(wants(12))
    assert again.tokens == 12


def test_whoever_is_told_when_to_ask_again_is_not_told_too_early(clerk: Clerk) -> None:
    clerk.take(wants(8))
    clerk.now += 0.5
    clerk.take(wants(4))
    (told,) = clerk.take(wants(5, least=5))
    clerk.now += told.seconds - 0.01
    assert clerk.take(wants(5, least=5))[0].tokens == 0
    clerk.now += 0.01
    assert clerk.take(wants(5, least=5))[0].tokens == 5


def test_tokens_are_good_until_their_slot_ends(clerk: Clerk) -> None:
    clerk.now = 1000.1
    (grant,) = clerk.take(wants(1))
    assert grant.seconds == pytest.approx(0.025, abs=0.001)


def test_near_the_end_of_a_slot_tokens_are_of_the_next_one(clerk: Clerk) -> None:
    """With a slow database they would be gone before they are there."""
    clerk.now = 1000.12
    (grant,) = clerk.take(wants(1, haste=HASTE))
    assert grant.seconds == pytest.approx(0.13, abs=0.001)
    (slowest,) = clerk.take(wants(1, haste=9))
    assert slowest.seconds == pytest.approx(0.13, abs=0.001)  # one slot further at most


def test_polling_leaves_the_reserve_and_lookups_half_of_it(clerk: Clerk) -> None:
    got = {
        priority: clerk.take(wants(600, window=MINUTE, priority=priority))[0].tokens
        for priority in (Priority.DATA, Priority.POLL, Priority.LOOKUP, Priority.MONEY)
    }
    assert list(got.values()) == [500, 0, 50, 50]


def test_less_than_the_least_is_nothing(clerk: Clerk) -> None:
    clerk.take(wants(10))
    (grant,) = clerk.take(wants(5, least=5))
    assert grant.tokens == 0
    assert clerk.take(wants(5, least=1))[0].tokens == 2


def test_a_call_dearer_than_its_ceiling_goes_alone(clerk: Clerk) -> None:
    dear = Window(group="dear", scope=Scope.ACCOUNT, limit=10, reserve=5)
    assert clerk.take(wants(8, window=dear, least=8))[0].tokens == 8
    assert clerk.take(wants(8, window=dear, least=8))[0].tokens == 0


def test_what_the_venue_says_was_used_counts_if_it_is_more(clerk: Clerk) -> None:
    """Somebody else uses the account."""
    clerk.take(wants(2))
    (grant,) = clerk.take(wants(12, seen=9))
    assert (grant.tokens, grant.used) == (3, 12)
    (none,) = clerk.take(wants(1, seen=1))  # less than we know of: old news
    assert (none.tokens, none.used) == (0, 12)
