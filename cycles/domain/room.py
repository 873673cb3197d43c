"""What leaves no room for another cycle, in sentences that name the limit and what stands against it; USDT."""

from __future__ import annotations

from decimal import Decimal

from cycles.domain.shown import plain
from exchanges.sentences import Sentence


def are_open(n: int, limit: int) -> Sentence:
    """Say that as many cycles are open as may be."""
    return Sentence("open cycles: %(n)s, the policy allows %(limit)s", n=n, limit=limit)


def of_asset_are_open(asset: str, n: int, limit: int) -> Sentence:
    """Say that as many cycles of an asset are open as may be."""
    return Sentence(
        "open cycles of %(asset)s: %(n)s, the policy allows %(limit)s",
        n=n,
        asset=asset,
        limit=limit,
    )


def is_not_held(free: Decimal, wanted: Decimal) -> Sentence:
    """Say that the desk holds too little."""
    return Sentence(
        "the desk holds %(free)s USDT free, %(wanted)s are wanted",
        free=plain(free),
        wanted=plain(wanted),
    )


def is_exposed(out: Decimal, more: Decimal, limit: Decimal) -> Sentence:
    """Say that with this cycle more would be out than may be."""
    return Sentence(
        "%(out)s USDT are out, %(more)s more would pass the limit of %(limit)s",
        out=plain(out),
        more=plain(more),
        limit=plain(limit),
    )


def is_exposed_by(asset: str, out: Decimal, more: Decimal, limit: Decimal) -> Sentence:
    """Say that with this cycle more would be out with one asset than may be."""
    return Sentence(
        "%(out)s USDT are out with %(asset)s, %(more)s more would pass the limit of %(limit)s",
        out=plain(out),
        asset=asset,
        more=plain(more),
        limit=plain(limit),
    )


def is_lost(pnl_today: Decimal, limit: Decimal) -> Sentence:
    """Say that today has lost as much as it may; `pnl_today` is not above zero then."""
    return Sentence(
        "today's loss has reached the limit of %(limit)s USDT: %(pnl)s USDT until now",
        limit=plain(limit),
        pnl=plain(pnl_today),
    )


def is_too_much_for_any(wanted: Decimal, limit: Decimal) -> Sentence:
    """Say that no asset may carry a cycle of that size."""
    return Sentence(
        "%(wanted)s USDT are more than the policy lets one asset carry (%(limit)s)",
        wanted=plain(wanted),
        limit=plain(limit),
    )
