"""Opening decisions: what they choose, and the reason for each hold."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from cycles.domain.decision import (
    Decision,
    Exposure,
    Limits,
    Quote,
    best_decision,
    cheapest_back,
    opening_decision,
    rebalance_clears,
    sized_notional,
)
from cycles.domain.words import OpeningRule, Sizing

LIMITS = Limits(
    rule=OpeningRule.LOCKED_EDGE,
    sizing=Sizing.FIXED_AMOUNT,
    notional_usdt=Decimal(5000),
    percentage=Decimal(10),
    max_open=4,
    max_open_per_asset=2,
    max_exposure_usdt=Decimal(20000),
    max_exposure_per_asset_usdt=Decimal(10000),
    allowed_assets=frozenset({"XRP", "SOL", "USDT"}),
    min_open_edge_bps=Decimal(10),
    min_rebalance_edge_bps=Decimal(0),
    band_open_premium_bps=Decimal(300),
    daily_loss_limit_usdt=Decimal(500),
)
NOTHING_OUT = Exposure(
    open_cycles=0,
    open_by_asset={},
    usdt=Decimal(0),
    usdt_by_asset={},
    free_usdt=Decimal(50000),
    pnl_today_usdt=Decimal(0),
)


def quote(
    asset: str, out: str | None, back: str | None, *, fresh: bool = True, venue: str = "upbit"
) -> Quote:
    """Give a quote with rates in KRW per USDT."""
    return Quote(
        asset=asset,
        korea_venue=venue,
        out_rate=Decimal(out) if out else None,
        back_rate=Decimal(back) if back else None,
        outbound_official_bps=Decimal(200),
        krw_per_usdt=Decimal(1420),
        krw_per_usd=Decimal(1400),
        is_fresh=fresh,
        size_usdt=Decimal(5000),
    )


QUOTES = [quote("XRP", "1450", "1455"), quote("SOL", "1440", "1446"), quote("USDT", "1418", "1421")]
NONE = frozenset[str]()


def test_it_opens_with_the_dearest_way_out_against_the_cheapest_way_back() -> None:
    decision = opening_decision(QUOTES, LIMITS, NOTHING_OUT, paused=NONE, paused_back=NONE)
    assert decision.opens
    assert (decision.asset, decision.notional_usdt) == ("XRP", Decimal(5000))
    assert decision.edge_bps == Decimal("204.0816")  # 1450 / 1421
    assert decision.krw_per_usdt == Decimal(1420)
    assert "USDT back" in decision.reasons[0]


def test_usdt_counts_as_a_way_back_like_any_asset() -> None:
    best = cheapest_back(QUOTES, LIMITS.allowed_assets)
    assert best is not None
    assert best.asset == "USDT"


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"open_cycles": 4}, "open cycles: 4, the policy allows 4"),
        ({"free_usdt": Decimal(100)}, "100 USDT free, 5000 are wanted"),
        ({"usdt": Decimal(16000)}, "16000 USDT are out, 5000 more would pass the limit of 20000"),
        ({"pnl_today_usdt": Decimal(-500)}, "the limit of 500 USDT: -500 USDT until now"),
        (
            {
                "open_by_asset": {"XRP": 2},
                "usdt_by_asset": {"SOL": Decimal(8000), "USDT": Decimal(9000)},
            },
            "no asset",
        ),
    ],
)
def test_it_holds_and_says_why(changes: dict[str, object], word: str) -> None:
    exposure = replace(NOTHING_OUT, **changes)  # type: ignore[arg-type]  # one change each
    decision = opening_decision(QUOTES, LIMITS, exposure, paused=NONE, paused_back=NONE)
    assert not decision.opens
    assert word in decision.reasons[0]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"notional_usdt": Decimal(0)}, "sizes a new cycle at nothing"),
        ({"max_open_per_asset": 0}, "lets no asset have an open cycle"),
        ({"allowed_assets": NONE}, "allows no asset"),
        ({"max_exposure_per_asset_usdt": Decimal(4999)}, "5000 USDT are more than .*4999"),
    ],
)
def test_a_policy_that_can_open_nothing_says_why(changes: dict[str, Any], word: str) -> None:
    limits = replace(LIMITS, **changes)
    decision = opening_decision(QUOTES, limits, NOTHING_OUT, paused=NONE, paused_back=NONE)
    assert not decision.opens
    assert re.search(word, decision.reasons[0])


def test_an_edge_below_the_policy_holds_with_the_edge_named() -> None:
    limits = replace(LIMITS, min_open_edge_bps=Decimal(300))
    decision = opening_decision(QUOTES, limits, NOTHING_OUT, paused=NONE, paused_back=NONE)
    assert not decision.opens
    assert decision.edge_bps == Decimal("204.0816")
    assert "below 300" in decision.reasons[0]


def test_an_edge_exactly_at_the_limit_opens() -> None:
    limits = replace(LIMITS, min_open_edge_bps=Decimal("204.0816"))
    assert opening_decision(QUOTES, limits, NOTHING_OUT, paused=NONE, paused_back=NONE).opens


@pytest.mark.parametrize("missing", ["stale", "unquoted", "paused", "not allowed"])
def test_an_asset_that_may_not_go_out_is_passed_over(missing: str) -> None:
    quotes, limits, paused = list(QUOTES), LIMITS, NONE
    if missing == "stale":
        quotes[0] = replace(QUOTES[0], is_fresh=False)
    elif missing == "unquoted":
        quotes[0] = replace(QUOTES[0], out_rate=None)
    elif missing == "paused":
        paused = frozenset({"XRP"})
    else:
        limits = replace(LIMITS, allowed_assets=frozenset({"SOL", "USDT"}))
    decision = opening_decision(quotes, limits, NOTHING_OUT, paused=paused, paused_back=paused)
    assert decision.asset == "SOL"


def test_without_a_fresh_way_back_nothing_opens() -> None:
    quotes = [replace(one, back_rate=None) for one in QUOTES]
    decision = opening_decision(quotes, LIMITS, NOTHING_OUT, paused=NONE, paused_back=NONE)
    assert decision.reasons == ("no fresh way back",)


def test_what_is_paused_on_the_way_home_is_no_way_back() -> None:
    usdt = frozenset({"USDT"})
    decision = opening_decision(QUOTES, LIMITS, NOTHING_OUT, paused=NONE, paused_back=usdt)
    assert decision.edge_bps == Decimal("27.6625")  # 1450 / 1446, by SOL


def test_what_is_paused_on_the_way_out_may_still_be_the_way_back() -> None:
    usdt = frozenset({"USDT"})
    decision = opening_decision(QUOTES, LIMITS, NOTHING_OUT, paused=usdt, paused_back=NONE)
    assert "USDT back" in decision.reasons[0]


def test_what_was_measured_for_less_than_would_be_opened_opens_nothing() -> None:
    limits = replace(LIMITS, notional_usdt=Decimal("5000.01"))
    decision = opening_decision(QUOTES, limits, NOTHING_OUT, paused=NONE, paused_back=NONE)
    assert not decision.opens


def test_the_band_opens_on_the_official_premium_whatever_the_edge() -> None:
    band = replace(LIMITS, rule=OpeningRule.PREMIUM_BAND, min_open_edge_bps=Decimal(9999))
    rich = [replace(one, outbound_official_bps=Decimal(300)) for one in QUOTES]
    assert opening_decision(rich, band, NOTHING_OUT, paused=NONE, paused_back=NONE).opens


@pytest.mark.parametrize("premium", [Decimal("299.9999"), None])
def test_the_band_holds_below_its_level_or_without_a_premium(premium: Decimal | None) -> None:
    band = replace(LIMITS, rule=OpeningRule.PREMIUM_BAND)
    quotes = [replace(one, outbound_official_bps=premium) for one in QUOTES]
    decision = opening_decision(quotes, band, NOTHING_OUT, paused=NONE, paused_back=NONE)
    assert not decision.opens
    assert "below 300" in decision.reasons[0]


@pytest.mark.parametrize(
    ("sizing", "free", "expected"),
    [
        (Sizing.FIXED_AMOUNT, Decimal(1), Decimal(5000)),
        (Sizing.PERCENTAGE, Decimal("1234.567"), Decimal("123.45")),
        (Sizing.FULL_CAPITAL, Decimal("1234.567"), Decimal("1234.56")),
    ],
)
def test_each_sizing_rule_floors_to_cents(sizing: Sizing, free: Decimal, expected: Decimal) -> None:
    assert sized_notional(replace(LIMITS, sizing=sizing), free) == expected


@pytest.mark.parametrize(("back", "clears"), [("1440", True), ("1450", True), ("1451", False)])
def test_a_way_back_clears_from_the_minimum_edge_upwards(back: str, clears: bool) -> None:
    assert rebalance_clears(Decimal(1450), Decimal(back), LIMITS) is clears


def at_both(bithumb: list[Quote], limits: Limits = LIMITS) -> Decision:
    """Decide at a desk with two Korean venues: `QUOTES` at Upbit, others at Bithumb."""
    return best_decision(
        {
            "upbit": opening_decision(QUOTES, limits, NOTHING_OUT, paused=NONE, paused_back=NONE),
            "bithumb": opening_decision(
                bithumb, limits, NOTHING_OUT, paused=NONE, paused_back=NONE
            ),
        }
    )


def test_of_two_korean_venues_the_one_with_the_higher_edge_is_chosen() -> None:
    """Not the one with the dearest way out: what is sold there comes home from there."""
    dear = [quote("XRP", "1470", "1475", venue="bithumb"), quote("USDT", None, "1460")]
    assert at_both(dear).korea_venue == "upbit"
    fair = [quote("SOL", "1448", "1460", venue="bithumb"), quote("USDT", None, "1410")]
    best = at_both(fair)
    assert (best.opens, best.korea_venue, best.asset) == (True, "bithumb", "SOL")
    assert best.edge_bps == Decimal("269.5035")  # 1448 / 1410


def test_a_korean_venue_that_may_not_open_does_not_stand_in_the_way_of_another() -> None:
    no_way_back = [quote("XRP", "1990", None, venue="bithumb")]
    assert at_both(no_way_back).korea_venue == "upbit"


def test_a_venue_whose_edge_is_higher_but_forbidden_gives_way() -> None:
    """In the band an edge is no reason to open: the official premium is."""
    band = replace(LIMITS, rule=OpeningRule.PREMIUM_BAND, band_open_premium_bps=Decimal(300))
    premium = replace(
        quote("XRP", "1430", "1425", venue="bithumb"), outbound_official_bps=Decimal(350)
    )
    best = at_both([premium], band)
    assert (best.opens, best.korea_venue) == (True, "bithumb")


def test_where_no_venue_opens_each_ones_reason_is_named_and_a_general_one_once() -> None:
    held = at_both(
        [quote("XRP", "1990", None, venue="bithumb")],
        replace(LIMITS, min_open_edge_bps=Decimal(900)),
    )
    assert not held.opens
    assert held.reasons == (
        "upbit: XRP: edge 204.0816 bps is below 900",
        "bithumb: no fresh way back",
    )
    full = at_both(QUOTES, replace(LIMITS, max_open=0))
    assert full.reasons == ("open cycles: 0, the policy allows 0",)
