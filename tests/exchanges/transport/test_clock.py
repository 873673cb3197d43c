"""The bounds of a venue's clock: they hold the truth whatever the delays, and survive steps of ours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from exchanges.transport import clock as clocks
from exchanges.transport.clock import VenueClock
from exchanges.transport.wire import Reply

START = datetime(2026, 11, 26, 3, tzinfo=UTC)


class World:
    """Two clocks of ours and one of theirs; `ahead` is how far theirs is before our wall clock."""

    def __init__(self, ahead: float) -> None:
        self.now = 1000.0
        self.step = 0.0
        self.ahead = ahead
        self.clock = VenueClock("binance", wall=self.wall, monotonic=lambda: self.now)

    def wall(self) -> datetime:
        return START + timedelta(seconds=self.now - 1000 + self.step)

    def theirs(self) -> datetime:
        return START + timedelta(seconds=self.now - 1000 + self.ahead)

    def look(self, there: float, back: float) -> None:
        """Let a look take so long on its way there and back."""
        began = self.now
        self.now += there
        at = self.theirs()
        self.now += back
        self.clock.note(at, at, began_at=began, ended_at=self.now)


delays = st.floats(0, 3, allow_nan=False)


@given(
    ahead=st.floats(-7200, 7200, allow_nan=False),
    looks=st.lists(st.tuples(delays, delays, delays), min_size=1, max_size=8),
)
def test_the_truth_lies_within_the_bounds_and_no_stamp_is_ahead_of_it(
    ahead: float, looks: list[tuple[float, float, float]]
) -> None:
    world = World(ahead)
    for there, back, pause in looks:
        world.look(there, back)
        world.now += pause
        state = world.clock.state()
        assert state.ahead_seconds is not None
        assert abs(state.ahead_seconds - ahead) <= state.doubt_seconds + 1e-4
        assert world.clock.stamp() <= world.theirs() + timedelta(milliseconds=1)
        behind = world.theirs() - world.clock.stamp()
        assert behind.total_seconds() <= 2 * state.doubt_seconds + 1e-3


def test_the_quickest_look_bounds_best_and_a_slow_one_takes_nothing_from_it() -> None:
    world = World(2)
    world.look(0.9, 0.1)
    assert world.clock.state().doubt_seconds == pytest.approx(0.5, abs=0.001)
    world.look(0.01, 0.01)
    quick = world.clock.state().doubt_seconds
    world.look(1.5, 0.2)
    assert world.clock.state().doubt_seconds < quick + 0.001


def test_bounds_widen_with_time() -> None:
    world = World(0)
    world.look(0.01, 0.01)
    before = world.clock.state().doubt_seconds
    world.now += 3600
    assert world.clock.state().doubt_seconds == pytest.approx(before + 3600 * clocks.DRIFT)


def test_a_step_of_our_wall_clock_changes_the_difference_and_not_what_we_sign() -> None:
    world = World(1)
    world.look(0.01, 0.01)
    world.step = -30
    state = world.clock.state()
    assert state.ahead_seconds == pytest.approx(31, abs=0.02)
    assert abs((world.clock.stamp() - world.theirs()).total_seconds()) < 0.03
    assert "31.0 s ahead of ours" in state.objection


def test_a_step_of_their_clock_is_believed_at_the_next_look() -> None:
    world = World(0)
    world.look(0.01, 0.01)
    world.ahead = 8
    world.look(0.2, 0.01)
    assert world.clock.state().ahead_seconds == pytest.approx(8, abs=0.11)


def test_before_the_first_look_our_own_clock_signs_and_nothing_is_traded() -> None:
    world = World(3)
    assert world.clock.stamp() == world.wall()
    assert "could not be measured" in world.clock.state().objection


@pytest.mark.parametrize(
    ("ahead", "delay", "told"),
    [
        (0.4, 0.1, ""),
        (4.9, 0.05, ""),
        (5.2, 0.05, "5.2 s ahead of ours (limit 5 s)"),
        (-9, 0.05, "9.0 s behind ours"),
        (0, 2.4, "known to 1.2 s only"),
    ],
)
def test_trading_stops_on_a_clock_that_is_far_off_or_hardly_known(
    ahead: float, delay: float, told: str
) -> None:
    world = World(ahead)
    world.look(delay / 2, delay / 2)
    objection = world.clock.state().objection
    assert told in objection
    assert bool(objection) == bool(told)


def test_a_clock_is_looked_at_once_a_minute_and_every_few_seconds_while_it_stops_trading() -> None:
    world = World(0)
    world.clock.look_failed()
    assert world.clock.wants_look()  # nothing is known: whoever asks looks
    world.look(0.01, 0.01)
    world.now += clocks.FRESH_SECONDS - 1
    assert not world.clock.wants_look()
    world.now += 1
    assert world.clock.wants_look()
    world.clock.look_failed()
    assert not world.clock.wants_look()
    world.ahead = 30
    world.look(0.01, 0.01)
    assert world.clock.state().objection
    world.now += clocks.STOPPED_SECONDS
    assert world.clock.wants_look()


def test_a_refused_stamp_is_measured_for_at_once_and_then_every_half_minute() -> None:
    world = World(0)
    assert world.clock.refused()
    assert not world.clock.state().is_refused  # measured anew, it may be right
    assert not world.clock.refused()
    assert world.clock.state().is_refused
    assert not world.clock.may_probe()
    world.now += clocks.REMEASURE_SECONDS
    assert world.clock.may_probe()
    assert world.clock.refused()
    world.clock.accepted()
    assert not world.clock.state().is_refused


def test_a_date_header_tells_the_second_it_names() -> None:
    clock = VenueClock("upbit", wall=lambda: START, monotonic=lambda: 50.1, reads_dates=True)
    headers = {"date": "Thu, 26 Nov 2026 03:00:02 GMT"}
    clock.look(Reply(status=200, headers=headers, body=b"", began_at=50.0, ended_at=50.1))
    state = clock.state()
    assert state.ahead_seconds == pytest.approx(2.55, abs=0.001)
    assert state.doubt_seconds == pytest.approx(0.55, abs=0.001)


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "Thu, 26 Foo 2026 03:00:02 GMT", "Thu, 26 Nov 99999999999 03:00:02 GMT"],
)
def test_a_date_header_that_says_nothing_is_left_alone(text: str) -> None:
    clock = VenueClock("upbit", wall=lambda: START, reads_dates=True)
    clock.look(Reply(status=200, headers={"date": text}, body=b""))
    assert clock.state().ahead_seconds is None
