"""Control of what venues say of assets and of our addresses: renamed, migrated, rotated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchanges.simulator.core.world import World

if TYPE_CHECKING:
    from exchanges.simulator.core.simulator import Simulator

TOLD = ("title", "network_title", "contract", "listed")


def relist(simulator: Simulator, spec: dict[str, object]) -> object:
    """Let a venue tell another `title`, `network_title` or `contract` of an asset on a network.

    `listed: false` takes it off the list; only what is told changes, coins move as before.
    """
    world, key = simulator.world, _key(spec)
    told = {name: spec[name] for name in TOLD if name in spec}
    world.told[key] = world.told.get(key, {}) | told
    world.fact("relisted", venue=key[0], asset=key[1], network=key[2], told=sorted(told))
    return world.told[key]


def rotate(simulator: Simulator, spec: dict[str, object]) -> object:
    """Give the account another deposit `address` (or `tag`) at a venue; what is sent to the old is lost.

    The other venues' allow-lists keep the old one, as they do in life, unless `is_allowed` is given.
    """
    world, key = simulator.world, _key(spec)
    address, tag = world.wallet.addresses[key]
    new = (str(spec.get("address", address)), str(spec.get("tag", tag)))
    world.wallet.addresses[key] = new
    if spec.get("is_allowed"):
        _reallow(world, key, (address, tag), new)
    world.fact("address_rotated", venue=key[0], asset=key[1], network=key[2])
    return {"address": new[0], "tag": new[1]}


def _reallow(
    world: World, key: tuple[str, str, str], old: tuple[str, str], new: tuple[str, str]
) -> None:
    for rows in world.wallet.allowed.values():
        for index, row in enumerate(rows):
            if (row.asset, row.network, row.address, row.tag) == (key[1], key[2], *old):
                rows[index] = type(row)(
                    asset=row.asset,
                    network=row.network,
                    address=new[0],
                    tag=new[1],
                    owner=row.owner,
                )


def _key(spec: dict[str, object]) -> tuple[str, str, str]:
    """Read which asset on which network at which venue."""
    return str(spec["venue"]), str(spec["asset"]), str(spec["network"])
