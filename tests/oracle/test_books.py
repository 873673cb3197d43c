"""ccxt pro, fed with the same frames, shows the same books as our keepers do."""

from __future__ import annotations

from tests.benchmarks.frames import made
from tests.benchmarks.streaming import by_ccxt, same, to_books
from tests.oracle.talking import READY, demand_oracle


def test_the_same_frames_give_the_same_best_prices_at_all_venues() -> None:
    demand_oracle(READY)
    frames = made(rounds=5)
    (theirs,) = by_ccxt(frames, repeats=1)
    assert same(to_books(frames).best, theirs["best"])
    assert sum(theirs["frames"].values()) == len(frames.frames)
