"""The scenarios by name; `manage.py document` writes the table of them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from exchanges.simulator.core.scenarios import troubles
from exchanges.simulator.core.scenarios.play import DEFAULT
from exchanges.simulator.core.scenarios.rehearsal import REHEARSAL
from exchanges.simulator.core.scenarios.scenario import Scenario
from exchanges.simulator.core.scenarios.troubles import HOUR, MINUTE
from exchanges.simulator.core.values import BINANCE, BITHUMB, UPBIT

CALM = "calm"
_NO_LAG: Mapping[str, object] = {"read_lag_wall_ms": {}, "not_ready_wall_ms": 0}

_ALL = (
    Scenario(
        name=CALM,
        about="nothing goes wrong, nothing lags, books are five times as deep",
        settings={**_NO_LAG, "depth_times": Decimal(5)},
    ),
    Scenario(
        name=DEFAULT, about="the venues on a usual day: their limits, a little lag, usual books"
    ),
    REHEARSAL,
    Scenario(
        name="volatile",
        about="prices stray up to three percent within seconds, books are thin and wide, orders fill in "
        "part and late: slippage",
        settings={
            "swing_bps": Decimal(80),
            "swing_ms": 15_000,
            "depth_times": Decimal("0.02"),
            "spread_times": Decimal(5),
            "partial_fill_ratio": Decimal("0.7"),
            "fill_latency_ms": 1500,
        },
    ),
    Scenario(
        name="wallet-closed",
        about="wallets close while cycles are under way and open again; Upbit's and Bithumb's status pages "
        "trail by three minutes, and some closings no page tells of",
        spells=tuple(troubles.closing_wallets()),
    ),
    Scenario(
        name="travel-rule",
        about="Upbit and Bithumb hold each deposit worth a million won or more until its sender is "
        "confirmed, or their support lets it go after some hours",
        settings={
            "has_upbit_travel_rule": True,
            "has_bithumb_travel_rule": True,
            "support_ms": 3 * HOUR * 1000,
        },
    ),
    Scenario(
        name="venue-down",
        about="each venue goes and comes back: under maintenance, refusing connections, answering 503",
        spells=tuple(troubles.venues_that_go()),
    ),
    Scenario(
        name="lost-replies",
        about="one reply in seven to an order and one in nine to a withdrawal is lost, after it was "
        "accepted or before",
        rules=(*troubles.LOST_ORDERS, *troubles.LOST_WITHDRAWALS),
    ),
    Scenario(
        name="chaos",
        about="all of it together, and more: what is stuck, held, late, short or sent back; reads that lag, "
        "limits, spoilt books and streams, clocks that are off",
        settings={
            "read_lag_wall_ms": {BINANCE: 1500, UPBIT: 700, BITHUMB: 700},
            "swing_bps": Decimal(25),
            "depth_times": Decimal("0.3"),
            "spread_times": Decimal(2),
            "partial_fill_ratio": Decimal("0.8"),
            "fill_latency_ms": 1500,
            "support_ms": 2 * HOUR * 1000,
        },
        rules=(
            *troubles.LOST_ORDERS,
            *troubles.LOST_WITHDRAWALS,
            *troubles.BAD_ORDERS,
            *troubles.BAD_TRANSFERS,
            *troubles.BAD_READS,
            *troubles.BAD_STREAMS,
        ),
        spells=(
            *troubles.closing_wallets(),
            *troubles.venues_that_go(),
            troubles.silent_streams(
                UPBIT, first_s=30 * MINUTE, lasts_s=20 * MINUTE, every_s=3 * HOUR
            ),
            troubles.silent_streams(
                BINANCE, first_s=75 * MINUTE, lasts_s=20 * MINUTE, every_s=4 * HOUR
            ),
            troubles.throttled(UPBIT, first_s=15 * MINUTE, lasts_s=8 * MINUTE, every_s=2 * HOUR),
            troubles.throttled(BINANCE, first_s=55 * MINUTE, lasts_s=8 * MINUTE, every_s=2 * HOUR),
            troubles.skewed(
                BINANCE, 400, first_s=5 * MINUTE, lasts_s=40 * MINUTE, every_s=90 * MINUTE
            ),
            troubles.skewed(
                UPBIT, -700, first_s=25 * MINUTE, lasts_s=40 * MINUTE, every_s=100 * MINUTE
            ),
            troubles.congestion(
                "XRP", "20", first_s=35 * MINUTE, lasts_s=30 * MINUTE, every_s=2 * HOUR
            ),
            troubles.congestion(
                "SOL", "50", first_s=70 * MINUTE, lasts_s=30 * MINUTE, every_s=3 * HOUR
            ),
            troubles.dearer_network(
                UPBIT, "XRP", ("0.4", "1"), first_s=45 * MINUTE, lasts_s=40 * MINUTE,
                every_s=2 * HOUR,
            ),
            troubles.dearer_network(
                BINANCE, "SOL", ("0.001", "0.01"), first_s=10 * MINUTE, lasts_s=40 * MINUTE,
                every_s=2 * HOUR,
            ),
        ),
    ),
    Scenario(
        name="unlimited",
        about="no rate limits and no lag, for tests",
        settings={"has_limits": False, "read_lag_wall_ms": {}},
    ),
    Scenario(
        name="lagging",
        about="reads trail what happened by up to three seconds at Binance, one in Korea",
        settings={"read_lag_wall_ms": {BINANCE: 3000, UPBIT: 1000, BITHUMB: 1000}},
    ),
    Scenario(
        name="slow-fills",
        about="orders fill after twenty seconds, and to three fifths",
        settings={"fill_latency_ms": 20_000, "partial_fill_ratio": Decimal("0.6")},
    ),
    Scenario(
        name="bnb-fees",
        about="Binance takes its fees in BNB, at 600 USDT",
        settings={"bnb_usdt": Decimal(600)},
    ),
    Scenario(
        name="travel-rule-refused",
        about="as travel-rule, and no sender can be confirmed: a person's work",
        settings={
            "has_upbit_travel_rule": True,
            "has_bithumb_travel_rule": True,
            "travel_rule_verifies": False,
        },
    ),
    Scenario(
        name="local-entity",
        about="Binance's Korean entity: withdrawals want a questionnaire answered, deposits are held for one",
        settings={"binance_travel_rule": "KR", "binance_holds_deposits": True},
    ),
    Scenario(
        name="consent",
        about="Bithumb wants the account holder's consent before any withdrawal",
        settings={"needs_consent": True},
    ),
    Scenario(
        name="new-addresses",
        about="Upbit and Bithumb show a deposit address only some seconds after it was first asked for",
        settings={"shows_new_addresses_at_once": False},
    ),
)  # fmt: skip

SCENARIOS: Mapping[str, Scenario] = {one.name: one for one in _ALL}


class UnknownScenarioError(LookupError):
    """Nobody has written a scenario of that name; the text lists those there are."""


def played(name: str) -> Scenario:
    """Give a scenario that a kept world has; an empty one where another version had it."""
    return SCENARIOS.get(name) or Scenario(name=name, about="not known to this version")


def scenario(name: str) -> Scenario:
    """Give a scenario by its name."""
    found = SCENARIOS.get(name)
    if found is None:
        raise UnknownScenarioError(f"there is no scenario {name!r}: {', '.join(SCENARIOS)}")
    return found
