"""Whether a cycle ended as undisturbed ones, and moved as much at the venues as they, for its notional.

Books stand still, and fees are shares of what is moved or fixed: every amount lies on a straight line over the notional.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

Shape = Mapping[str, Any]  # see `World.shape`
SAME = ("status", "accepted")

# What an order at a market is rounded down to; elsewhere the digits of a network are the coarsest.
STEPS = {"XRPUSDT": Decimal("0.1"), "SOLUSDT": Decimal("0.001")}
FINEST = Decimal("0.000001")
ROUNDED = 2  # steps: its own, and what was rounded before it


def assert_same_end(found: Shape, wanted: Shape, far: Shape | None = None, *, at: object) -> None:
    """Fail unless a cycle that died `at` a place ended as `wanted`: status, orders, withdrawals, and their amounts.

    Without a `far` one, whose notional is another, both have the same notional: the same amounts, to the digit.
    """
    assert {key: found[key] for key in SAME} == {key: wanted[key] for key in SAME}, (at, found)
    wrong = list(_wrong(found, wanted, far))
    assert not wrong, (at, wrong, found)


def _wrong(found: Shape, wanted: Shape, far: Shape | None) -> Iterator[str]:
    if far is None:
        assert found["notional"] == wanted["notional"]
    for key, amounts in found["amounts"].items():
        for turn, amount in enumerate(amounts):
            near = wanted["amounts"][key][turn]
            due = (
                near
                if far is None
                else near + _share(found, wanted, far) * (far["amounts"][key][turn] - near)
            )
            if abs(amount - due) > (0 if far is None else ROUNDED * STEPS.get(key[1], FINEST)):
                yield f"{' '.join(key)}: {amount}, not {due}"


def _share(found: Shape, wanted: Shape, far: Shape) -> Decimal:
    """Say how far a notional is on the way from one to the other."""
    begins, ends = wanted["notional"], far["notional"]
    share: Decimal = (found["notional"] - begins) / (ends - begins)
    return share
