"""Control of what an account's API key may do, from where, and until when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchanges.simulator.core.world import Key

if TYPE_CHECKING:
    from exchanges.simulator.core.simulator import Simulator

SETS = ("permissions", "withheld", "extras", "addresses")
FLAGS = ("has_allow_list", "has_withdrawal_block")


def change(simulator: Simulator, spec: dict[str, object]) -> object:
    """Change a venue's key as it is named: sets, flags, and `expires_in_ms` from now (negative: it has).

    `permissions` are read, trade, withdraw; `withheld` is what a Korean venue's key may not look at
    (assets, orders, withdrawals, deposits); `extras` are Binance's flags of what it may do besides.
    """
    world = simulator.world
    key = next(key for key in world.keys.values() if key.venue == spec["venue"])
    changes = {name: _names(spec[name]) for name in SETS if name in spec}
    flags = {name: spec[name] is True for name in FLAGS if name in spec}
    for name, value in {**changes, **flags}.items():
        setattr(key, name, value)
    if "expires_in_ms" in spec:
        key.expires_ms = world.wall_ms + int(str(spec["expires_in_ms"]))
    world.fact(
        "key_changed", venue=key.venue, change=sorted(name for name in spec if name != "venue")
    )
    return _shown(key)


def _names(value: object) -> frozenset[str]:
    if not isinstance(value, list):
        raise TypeError("a list of names")
    return frozenset(str(one) for one in value)


def _shown(key: Key) -> dict[str, object]:
    sets = {name: sorted(getattr(key, name)) for name in SETS}
    return {**sets, **{name: getattr(key, name) for name in FLAGS}, "expires_ms": key.expires_ms}
