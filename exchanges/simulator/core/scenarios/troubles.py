"""What goes wrong, in the form of rules and spells that scenarios are put together from.

Chances are those of one request each. They are a bad day's, not a usual one's.
"""

from __future__ import annotations

from collections.abc import Iterator

from exchanges.simulator.core.fault_table import BOOKS, ORDERS, SENDING
from exchanges.simulator.core.scenarios.scenario import Act, RuleSpec, Spell
from exchanges.simulator.core.values import BINANCE, BITHUMB, UPBIT

MINUTE, HOUR = 60, 3600
_READS = r"/(orders?|accounts?|withdraws?|deposits?|history|hisrec)$"
_NETWORKS = {"XRP": "XRP", "SOL": "SOL", "ETH": "ETH", "USDT": "TRX"}


def by_chance(fault: str, chance: str, **spec: object) -> RuleSpec:
    """Give a rule of a named fault that strikes a matching request with a chance."""
    return {"fault": fault, "when": {"prob": chance}, **spec}


def _posted(fault: str, chance: str, path: str, **spec: object) -> RuleSpec:
    return by_chance(fault, chance, method="POST", path_regex=path, **spec)


# Replies to orders: about one in seven is lost, in every way there is.
LOST_ORDERS: tuple[RuleSpec, ...] = (
    _posted("F1", "0.01", ORDERS),
    _posted("F2", "0.015", ORDERS),
    _posted("F3", "0.02", ORDERS),
    _posted("F4", "0.02", ORDERS),
    _posted("F5", "0.01", ORDERS),
    _posted("F5", "0.005", ORDERS, phase="before"),
    _posted("F6", "0.01", ORDERS),
    _posted("F6", "0.005", ORDERS, phase="before"),
    _posted("F7", "0.02", ORDERS),
    _posted("F7", "0.005", ORDERS, phase="before"),
    _posted("F8", "0.01", ORDERS),
    *(
        _posted("F9", "0.003", ORDERS, args={"kind": kind})
        for kind in ("empty", "object", "list", "html", "truncated", "bom", "wrong_type")
    ),
)
# Replies to withdrawals: the same, and one request in fifty never arrives.
LOST_WITHDRAWALS: tuple[RuleSpec, ...] = (
    by_chance("F24", "0.02"),
    by_chance("F24", "0.03", action="rst"),
    by_chance("F24", "0.02", action="status", args={"status": 502}),
    by_chance("F25", "0.01"),
    by_chance("F25", "0.01", action="rst"),
    _posted("F8", "0.01", SENDING),
    _posted("F9", "0.005", SENDING),
    _posted("F9", "0.005", SENDING, args={"kind": "html"}),
)
# What becomes of withdrawals and of their deposits on the way.
BAD_TRANSFERS: tuple[RuleSpec, ...] = (
    by_chance("F27", "0.02"),
    by_chance("F27", "0.01", args={"value": "fail"}),
    by_chance("F28", "0.02"),
    by_chance("F28", "0.02", args={"value": "stuck_with_txid"}),
    by_chance("F29", "0.03"),
    by_chance("F29", "0.02", args={"value": "reorg"}),
    by_chance("F29", "0.02", args={"value": "locked"}),
    by_chance("F29", "0.015", args={"value": "partial"}),
    by_chance("F29", "0.015", args={"value": "short"}),
    by_chance("F30", "0.02", args={"value": "suspected"}),
    by_chance("F30", "0.01", args={"value": "wrong_tag"}),
)
# What becomes of orders that arrive.
BAD_ORDERS: tuple[RuleSpec, ...] = (
    by_chance("F11", "0.005"),
    by_chance("F13", "0.03"),
    by_chance("F13", "0.01", action="rests"),
    by_chance("F13", "0.3", action="fill_before_cancel", method="DELETE"),
    by_chance("F14", "0.02"),
    by_chance("F17", "0.005"),
    by_chance("F17", "0.005", phase="after_accept", args={"code": -1006}),
    by_chance("F22", "0.005"),
    by_chance("F33", "0.002", path_regex=ORDERS, method="POST"),
)
# What is said of books, and of other things one can ask for.
BAD_READS: tuple[RuleSpec, ...] = (
    by_chance("F3", "0.005", method="GET", path_regex=_READS),
    by_chance("F18", "0.002", args={"seconds": 1}),
    by_chance("F34", "0.002", method="GET", path_regex=_READS),
    by_chance("F36", "0.003", path_regex=BOOKS),
    *(
        by_chance("F36", "0.002", path_regex=BOOKS, args={"kind": kind})
        for kind in ("empty", "zero", "fat_finger")
    ),
    *(
        by_chance("F37", "0.002", method="GET", path_regex=_READS, args={"kind": kind})
        for kind in ("strings", "numbers", "extra", "nulls", "enum")
    ),
)
BAD_STREAMS: tuple[RuleSpec, ...] = (
    by_chance("F35", "0.002", action="gap"),
    by_chance("F35", "0.002", action="duplicate"),
    by_chance("F35", "0.002", action="reorder"),
    by_chance("F35", "0.02", action="lose"),
    {"fault": "F35", "action": "disconnect", "args": {"seconds": 90}},
)


def silent_streams(venue: str, *, first_s: int, lasts_s: int, every_s: int) -> Spell:
    """Let a venue's streams stay open and say nothing, pings left out too."""
    stall = {"fault": "F35", "action": "stall", "venue": venue, "args": {"pings": True}}
    return Spell(
        does=f"{venue}'s streams fall silent",
        first_s=first_s,
        lasts_s=lasts_s,
        every_s=every_s,
        rules=(stall,),
    )


def maintenance(venue: str, *, first_s: int, lasts_s: int, every_s: int) -> Spell:
    """Let a venue close its markets for a while."""
    return Spell(
        does=f"{venue} is under maintenance",
        first_s=first_s,
        lasts_s=lasts_s,
        every_s=every_s,
        begins=(Act(verb="maintenance", spec={"venue": venue, "on": True}),),
        ends=(Act(verb="maintenance", spec={"venue": venue, "on": False}),),
    )


def unreachable(venue: str, *, first_s: int, lasts_s: int, every_s: int) -> Spell:
    """Let a venue's port refuse connections for a while."""
    return Spell(
        does=f"{venue} refuses connections",
        first_s=first_s,
        lasts_s=lasts_s,
        every_s=every_s,
        rules=({"fault": "F10", "venue": venue},),
    )


def erring(venue: str, *, first_s: int, lasts_s: int, every_s: int) -> Spell:
    """Let a venue answer everything with a proxy's error page for a while."""
    return Spell(
        does=f"{venue} answers 503 to everything",
        first_s=first_s,
        lasts_s=lasts_s,
        every_s=every_s,
        rules=({"fault": "F3", "venue": venue, "args": {"status": 503}},),
    )


def closed_wallet(
    venue: str, asset: str, way: str, *, first_s: int, lasts_s: int, every_s: int, told: str = ""
) -> Spell:
    """Let a wallet close one way (`deposit` or `withdraw`) for a while; `told` open: no page says so."""
    wallet = {"venue": venue, "asset": asset, "network": _NETWORKS[asset]}
    quietly = {"told": told} if told else {}
    hidden = ", and no page says so" if told else ""
    return Spell(
        does=f"{venue} closes its {asset} wallet ({way}){hidden}",
        first_s=first_s,
        lasts_s=lasts_s,
        every_s=every_s,
        begins=(Act(verb="wallet", spec={**wallet, way: False, **quietly}),),
        ends=(Act(verb="wallet", spec={**wallet, way: True}),),
    )


def dearer_network(
    venue: str, asset: str, fees: tuple[str, str], *, first_s: int, lasts_s: int, every_s: int
) -> Spell:
    """Let a venue take another withdrawal fee for a while: (usual, then)."""
    wallet = {"venue": venue, "asset": asset, "network": _NETWORKS[asset]}
    return Spell(
        does=f"{venue} takes {fees[1]} instead of {fees[0]} {asset} for a withdrawal",
        first_s=first_s,
        lasts_s=lasts_s,
        every_s=every_s,
        begins=(Act(verb="wallet", spec={**wallet, "withdraw_fee": fees[1]}),),
        ends=(Act(verb="wallet", spec={**wallet, "withdraw_fee": fees[0]}),),
    )


def congestion(asset: str, times: str, *, first_s: int, lasts_s: int, every_s: int) -> Spell:
    """Let a network's blocks take several times as long for a while."""
    chain = {"asset": asset, "net": _NETWORKS[asset]}
    return Spell(
        does=f"{asset}'s network takes {times} times as long",
        first_s=first_s,
        lasts_s=lasts_s,
        every_s=every_s,
        begins=(Act(verb="network", spec={**chain, "congestion": times}),),
        ends=(Act(verb="network", spec={**chain, "congestion": "1"}),),
    )


def skewed(venue: str, milliseconds: int, *, first_s: int, lasts_s: int, every_s: int) -> Spell:
    """Let a venue's clock be off for a while, by less than any limit."""
    return Spell(
        does=f"{venue}'s clock is {milliseconds} ms off",
        first_s=first_s,
        lasts_s=lasts_s,
        every_s=every_s,
        begins=(Act(verb="skew", spec={"venue": venue, "ms": milliseconds}),),
        ends=(Act(verb="skew", spec={"venue": venue, "ms": 0}),),
    )


def throttled(venue: str, *, first_s: int, lasts_s: int, every_s: int) -> Spell:
    """Let a venue's limiter turn every third request away for a while."""
    limiter = by_chance("F18", "0.33", venue=venue, args={"seconds": 1})
    return Spell(
        does=f"{venue} turns every third request away (429)",
        first_s=first_s,
        lasts_s=lasts_s,
        every_s=every_s,
        rules=(limiter,),
    )


def closing_wallets() -> Iterator[Spell]:
    """Close one wallet or another, now and then, so that cycles meet it on their way."""
    ways = (
        (BINANCE, "XRP", "withdraw", ""),
        (UPBIT, "SOL", "deposit", ""),
        (BITHUMB, "XRP", "deposit", ""),
        (UPBIT, "USDT", "withdraw", ""),
        (BINANCE, "SOL", "withdraw", "open"),
        (BITHUMB, "ETH", "withdraw", "open"),
        (BINANCE, "USDT", "deposit", "open"),
    )
    for number, (venue, asset, way, told) in enumerate(ways, start=1):
        yield closed_wallet(
            venue, asset, way, first_s=number * 10 * MINUTE, lasts_s=30 * MINUTE,
            every_s=2 * HOUR + number * 7 * MINUTE, told=told,
        )  # fmt: skip


def venues_that_go() -> Iterator[Spell]:
    """Let each venue go and come back, in each way there is."""
    yield maintenance(UPBIT, first_s=20 * MINUTE, lasts_s=20 * MINUTE, every_s=3 * HOUR)
    yield maintenance(BITHUMB, first_s=65 * MINUTE, lasts_s=15 * MINUTE, every_s=4 * HOUR)
    yield maintenance(BINANCE, first_s=110 * MINUTE, lasts_s=20 * MINUTE, every_s=5 * HOUR)
    yield unreachable(UPBIT, first_s=50 * MINUTE, lasts_s=6 * MINUTE, every_s=2 * HOUR)
    yield unreachable(BINANCE, first_s=85 * MINUTE, lasts_s=6 * MINUTE, every_s=150 * MINUTE)
    yield unreachable(BITHUMB, first_s=140 * MINUTE, lasts_s=10 * MINUTE, every_s=3 * HOUR)
    yield erring(BINANCE, first_s=40 * MINUTE, lasts_s=4 * MINUTE, every_s=170 * MINUTE)
    yield erring(UPBIT, first_s=95 * MINUTE, lasts_s=4 * MINUTE, every_s=190 * MINUTE)
