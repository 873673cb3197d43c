"""What benchmarks make of what they have seen: medians, aims, enough of them."""

from __future__ import annotations

from dataclasses import fields
from uuid import uuid4

from tests.benchmarks import in_flight, waking
from tests.benchmarks.__main__ import SIZES


def test_a_flight_is_held_against_the_reference_of_its_own_round() -> None:
    flight = in_flight.FLIGHTS[1]
    rounds = [_flown(rate, reference) for rate, reference in ((10, 20), (30, 30), (20, 60))]
    rate = in_flight._figures(flight, rounds)[0]
    assert (rate.value, rate.reference_value, rate.ratio) == (20, 30, 0.5)


def _flown(rate: float, reference: float) -> in_flight.Flown:
    rest = [field.name for field in fields(in_flight.Flown) if field.name not in {"rate", "reference", "done"}]  # fmt: skip
    return in_flight.Flown(rate=rate, reference=reference, done={}, **dict.fromkeys(rest, 1.0))


def test_waking_after_a_pause_is_held_to_the_aims_of_waking() -> None:
    waits = [waking.Wait(uuid4(), claimed=1, intended=2, committed=ms) for ms in range(1, 21)]
    *soon, median, slowest = waking._waits("books read", waits, waits)
    assert [one.aim for one in (median, slowest)] == [one.aim for one in soon[:2]] == ["<= 5", "<= 25"]  # fmt: skip
    assert (median.value, slowest.value) == (10.5, 20)
    assert all(f"after a pause of {waking.PAUSE_SECONDS:.0f} s, 20 times" in one.what for one in (median, slowest))  # fmt: skip


def test_enough_is_waited_for_to_tell_a_wake_after_a_pause_and_what_is_done_once_a_minute() -> None:
    assert SIZES["waking"]["rested"] >= 20
    assert waking.PAUSE_SECONDS >= 5
    assert SIZES["waking"]["idle_seconds"] >= 120
