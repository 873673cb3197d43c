"""The recovery planner: where the money is decides what can be done, and what it costs."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cycles.domain.postings import Holding
from cycles.domain.recovery import Option, OptionKind, Situation, cheapest_safe, options
from cycles.domain.words import AccountOwner as O, CycleStatus

PRICES = {"XRP": Decimal(3000), "USDT": Decimal(1400), "KRW": Decimal(1)}


def worth(held: Holding) -> Decimal | None:
    """Value at a price per asset; SOL has none."""
    price = PRICES.get(held.asset)
    return held.quantity * price if price is not None else None


def holding(asset: str, quantity: int, owner: O = O.CYCLE) -> Holding:
    """Give a holding at Upbit."""
    return Holding(venue="upbit", asset=asset, owner=owner, quantity=Decimal(quantity))


def situation(
    *held: Holding,
    open_call: bool = False,
    unsettled: bool = False,
    resume: str = "STARTED",
    prices: object = worth,
) -> Situation:
    """Give a dead letter's situation."""
    return Situation(
        status=CycleStatus.DEAD_LETTER,
        resume_status=resume,
        holdings=held,
        has_open_call=open_call,
        has_unsettled_call=unsettled,
        krw_of=prices,  # type: ignore[arg-type]  # always a valuer
    )


def option(kind: OptionKind, given: Situation) -> Option:
    """Give one option."""
    return next(one for one in options(given) if one.kind is kind)


def possible(given: Situation) -> set[str]:
    """Give what can be done."""
    return {one.kind.value for one in options(given) if one.is_possible}


def test_every_option_is_listed_possible_or_not() -> None:
    assert [one.kind for one in options(situation())] == list(OptionKind)


def test_what_is_impossible_says_why() -> None:
    for one in options(situation(holding("XRP", 5, O.IN_FLIGHT), open_call=True)):
        assert one.is_possible is (one.why_not == "")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (situation(), {"RESUME", "RESOLVE"}),
        (situation(holding("USDT", 5)), {"RESUME", "RESOLVE", "RETURN_TO_DESK", "WRITE_OFF"}),
        (
            situation(holding("XRP", 50)),
            {"RESUME", "UNWIND", "RESOLVE", "RETURN_TO_DESK", "WRITE_OFF"},
        ),
        (
            situation(holding("XRP", 5), holding("KRW", 7_000_000)),
            {"RESUME", "RESOLVE", "RETURN_TO_DESK", "WRITE_OFF"},
        ),
        (
            situation(holding("XRP", 5, O.IN_FLIGHT)),
            {"RESUME", "WAIT", "RESOLVE", "WRITE_OFF"},
        ),
        (situation(holding("XRP", 5, O.SUSPENSE)), {"RESUME", "RESOLVE", "WRITE_OFF"}),
        (
            situation(holding("XRP", 5), open_call=True),
            {"RESUME", "WAIT", "RESOLVE", "WRITE_OFF"},
        ),
        (
            situation(holding("XRP", 50), unsettled=True),
            {"RESUME", "RESOLVE", "WRITE_OFF"},
        ),
        (
            situation(holding("XRP", 50), resume=""),
            {"UNWIND", "RESOLVE", "RETURN_TO_DESK", "WRITE_OFF"},
        ),
    ],
    ids=[
        "nothing",
        "usdt",
        "coins",
        "dust and KRW",
        "in flight",
        "suspense",
        "unknown call",
        "call not booked",
        "no status",
    ],
)
def test_the_place_of_the_money_decides_what_can_be_done(
    given: Situation, expected: set[str]
) -> None:
    assert possible(given) == expected


def test_selling_back_is_priced_by_what_the_coins_are_worth() -> None:
    unwind = option(OptionKind.UNWIND, situation(holding("XRP", 1000), holding("KRW", 500)))
    assert unwind.loss_krw == Decimal(12000)  # 40 bps of 3,000,000
    assert unwind.expected_krw == Decimal(3_000_500 - 12000)


def test_writing_off_loses_everything() -> None:
    off = option(OptionKind.WRITE_OFF, situation(holding("XRP", 1000)))
    assert (off.loss_krw, off.expected_krw) == (Decimal(3_000_000), Decimal(0))


def test_without_a_price_nothing_is_priced() -> None:
    for one in options(situation(holding("SOL", 5))):
        if one.kind in {OptionKind.UNWIND, OptionKind.RESUME, OptionKind.RETURN_TO_DESK}:
            assert one.expected_krw is None
    assert option(OptionKind.UNWIND, situation(holding("SOL", 5))).loss_krw is None


@pytest.mark.parametrize(("limit", "found"), [(12000, True), (11999, False)])
def test_the_safe_option_is_selling_back_inside_the_limit(limit: int, found: bool) -> None:
    choices = options(situation(holding("XRP", 1000)))
    chosen = cheapest_safe(choices, Decimal(limit), failure_class="BUG")
    assert (chosen is not None) is found
    if chosen is not None:
        assert chosen.kind is OptionKind.UNWIND


@pytest.mark.parametrize(
    "given",
    [
        situation(holding("SOL", 5)),
        situation(holding("XRP", 5), open_call=True),
        situation(holding("XRP", 50), unsettled=True),
        situation(holding("XRP", 5), holding("XRP", 5, O.IN_FLIGHT)),
        situation(holding("XRP", 5), holding("XRP", 1, O.SUSPENSE)),
        situation(holding("USDT", 5)),
    ],
    ids=["no price", "unknown call", "call not booked", "in flight", "suspense", "no coins"],
)
def test_nothing_is_safe_where_something_is_not_known_or_nothing_moves_in_price(
    given: Situation,
) -> None:
    assert cheapest_safe(options(given), Decimal(10**12), failure_class="BUG") is None


@pytest.mark.parametrize("failure", ["UNKNOWN_ORDER", "UNKNOWN_WITHDRAWAL"])
def test_nothing_is_safe_while_the_class_says_that_an_outcome_is_unknown(failure: str) -> None:
    choices = options(situation(holding("XRP", 1000)))
    assert cheapest_safe(choices, Decimal(10**12), failure_class="BUG") is not None
    assert cheapest_safe(choices, Decimal(10**12), failure_class=failure) is None
