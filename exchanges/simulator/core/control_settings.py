"""Control of a scenario's settings one by one, and of what a network is like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from decimal import Decimal
from typing import TYPE_CHECKING

from exchanges.simulator.core import changes
from exchanges.simulator.core.numbers import plain
from exchanges.simulator.core.world import Settings

if TYPE_CHECKING:
    from exchanges.simulator.core.simulator import Simulator

Spec = dict[str, object]
_DECIMALS = {"partial_fill_ratio", "bnb_usdt", "upbit_price_band"}
_OPTIONAL = {"bnb_usdt", "upbit_price_band"}


def show(simulator: Simulator, _spec: Spec) -> object:
    """Return every setting."""
    settings = simulator.world.settings
    return {row.name: _shown(getattr(settings, row.name)) for row in fields(Settings)}


def _shown(value: object) -> object:
    if isinstance(value, dict):
        return {name: _shown(item) for name, item in value.items()}
    return plain(value) if isinstance(value, Decimal) else value


def change(simulator: Simulator, spec: Spec) -> object:
    """Change the settings that are named; all of them or none."""
    settings = simulator.world.settings
    read = {name: _read(name, getattr(settings, name, None), value) for name, value in spec.items()}
    for name, value in read.items():
        setattr(settings, name, value)
    simulator.limiter.is_on = settings.has_limits
    simulator.world.fact("settings_changed", change={name: str(v) for name, v in spec.items()})
    return show(simulator, spec)


def _read(name: str, present: object, value: object) -> object:
    if name in _DECIMALS:
        return None if value is None and name in _OPTIONAL else Decimal(str(value))
    if name in _BY_VENUE and isinstance(present, dict) and isinstance(value, dict):
        read = {str(venue): _BY_VENUE[name](item) for venue, item in value.items()}
        return {**present, **read}
    reader = _READERS.get(type(present))
    if reader is None:
        raise ValueError(f"no setting {name} that takes {value!r}")
    return reader(value)


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError("a flag is true or false")
    return value


_READERS: dict[type, Callable[[object], object]] = {
    bool: _flag,
    int: lambda value: int(str(value)),
    Decimal: lambda value: Decimal(str(value)),
    str: str,
}


_BY_VENUE: dict[str, Callable[[object], object]] = {
    "read_lag_wall_ms": _READERS[int],
    "daily_withdrawal": _READERS[Decimal],
}


def congest(simulator: Simulator, spec: Spec) -> object:
    """Let a network's blocks take so many times as long from the next one on."""
    network = changes.change_network(simulator.world, spec)
    return {
        "asset": network.asset,
        "network": network.network,
        "congestion": plain(network.congestion),
    }
