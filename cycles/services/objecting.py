"""What forbids opening a cycle by hand: the policy's edge does not, its limits do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from cycles.domain import room
from cycles.domain.decision import Exposure
from cycles.domain.money import ZERO
from cycles.domain.words import Mode
from cycles.models import PolicyVersion
from cycles.services import barring, desk, quoting, venue_health
from exchanges import registry
from exchanges.sentences import Sentence

Checks = list[tuple[bool, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What somebody would open."""

    asset: str
    korea_venue: str
    notional_usdt: Decimal


def objections(
    wanted: Wanted, policy: PolicyVersion, out: Exposure, *, is_fresh: bool
) -> tuple[str, ...]:
    """Give everything that forbids it now; `is_fresh`: there is a fresh quote of the asset."""
    checks = [
        *_against_now(wanted, policy, is_fresh=is_fresh),
        *_against_count(wanted, policy, out),
        *_against_size(wanted, policy, out),
    ]
    ends = (registry.GLOBAL_VENUE, wanted.korea_venue)
    stopped = venue_health.stopped_clocks(ends)
    return (*_applying(checks), *barring.objections(ends), *stopped)


def _applying(checks: Checks) -> Iterable[str]:
    return (text for applies, text in checks if applies)


def _against_now(wanted: Wanted, policy: PolicyVersion, *, is_fresh: bool) -> Checks:
    """Give what is wrong with the asset, the way or the hour."""
    asset, mode = wanted.asset, desk.current().mode
    way = (registry.GLOBAL_VENUE, wanted.korea_venue)
    barred = quoting.barred_ways(*way).get(asset, "")
    return [
        (wanted.notional_usdt <= 0, Sentence("the notional must be above zero")),
        (
            asset not in policy.allowed_assets,
            Sentence("the policy does not allow %(asset)s", asset=asset),
        ),
        (mode != Mode.RUN, Sentence("the desk's mode is %(mode)s", mode=Sentence(mode))),
        (
            asset in desk.paused_assets(*way),
            Sentence("%(asset)s is paused, or its network is not allowed", asset=asset),
        ),
        (not is_fresh, Sentence("there is no fresh quote of %(asset)s", asset=asset)),
        (bool(barred), barred),
    ]


def _against_count(wanted: Wanted, policy: PolicyVersion, out: Exposure) -> Checks:
    """Give what the cycles that run leave no room for."""
    asset = wanted.asset
    of_asset = out.open_by_asset.get(asset, 0)
    return [
        (
            out.free_usdt < wanted.notional_usdt,
            room.is_not_held(out.free_usdt, wanted.notional_usdt),
        ),
        (
            out.open_cycles >= policy.max_open_cycles,
            room.are_open(out.open_cycles, policy.max_open_cycles),
        ),
        (
            of_asset >= policy.max_open_cycles_per_asset,
            room.of_asset_are_open(asset, of_asset, policy.max_open_cycles_per_asset),
        ),
    ]


def _against_size(wanted: Wanted, policy: PolicyVersion, out: Exposure) -> Checks:
    """Give the limits in money that it would break."""
    asset, notional = wanted.asset, wanted.notional_usdt
    of_asset = out.usdt_by_asset.get(asset, ZERO)
    limit, limit_of_asset = policy.max_exposure_usdt, policy.max_exposure_per_asset_usdt
    return [
        (
            out.pnl_today_usdt <= -policy.daily_loss_limit_usdt,
            room.is_lost(out.pnl_today_usdt, policy.daily_loss_limit_usdt),
        ),
        (out.usdt + notional > limit, room.is_exposed(out.usdt, notional, limit)),
        (
            of_asset + notional > limit_of_asset,
            room.is_exposed_by(asset, of_asset, notional, limit_of_asset),
        ),
    ]
