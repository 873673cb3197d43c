"""What docs/scaling.md says that venues allow is what the pacing gives, and what cycles draw."""

from __future__ import annotations

import pytest

from exchanges import registry
from exchanges.transport import shares
from exchanges.transport.limits import Priority, Scope, Window
from exchanges.transport.windows import Ask, MemoryStore
from kimp.documents import venue_limits

WINDOW = Window(group="order", scope=Scope.ACCOUNT, limit=16, span_seconds=8)
SECONDS = 1000


def test_a_stream_without_a_pause_gets_the_share_that_is_told() -> None:
    """A look each tenth of a second takes whatever there is."""
    now = [0.0]
    store = MemoryStore(monotonic=lambda: now[0])
    ask = Ask(window=WINDOW, priority=Priority.MONEY, least=1, needed=WINDOW.limit, wanted=1)
    got = 0
    for tenth in range(10 * SECONDS):
        now[0] = tenth / 10
        got += sum(grant.tokens for grant in store.take("upbit", [ask]))
    told = WINDOW.limit * shares.STEADY * SECONDS / WINDOW.span_seconds
    assert told <= got <= told + WINDOW.limit


def test_look_ups_leave_what_is_kept_for_money() -> None:
    window = Window(group="default", scope=Scope.ACCOUNT, limit=30, reserve=6)
    assert shares.units_a_minute(window, ["place_order"]) == 30 * 60 * shares.STEADY
    assert shares.units_a_minute(window, ["place_order", "order"]) == 27 * 60 * shares.STEADY


@pytest.mark.parametrize("venue", registry.VENUES)
def test_every_venue_has_a_window_that_binds_it(venue: str) -> None:
    bound = venue_limits.least(venue)
    assert bound.times_a_minute > 0
    assert bound.window.limit > 0
