"""Opening: a decision becomes a cycle that owns its capital, inside every limit."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import F

from cycles.domain.words import CycleKind, CycleStatus, OpeningRule, PauseScope
from cycles.errors import (
    CycleError,
    InsufficientFundsError,
    InvalidInputError,
    PermissionDeniedError,
    PolicyDeniedError,
)
from cycles.models import Cycle, Intervention, Posting, PremiumSample, Step, Transition
from cycles.services import desk as desk_services, opening, verifying
from tests.cycles.services.acts import balance, set_policy
from tests.desk import TestDesk, operator


def by_hand(asset: str = "XRP", notional: str = "2000", reason: str = "r") -> Cycle:
    """Open by hand."""
    return opening.open_by_hand(
        asset=asset, notional_usdt=Decimal(notional), actor=operator(), reason=reason
    )


def test_the_initiator_opens_what_the_policy_allows(desk: TestDesk) -> None:
    desk.sample()
    before = balance("binance", "USDT")
    row = opening.open_if_decided(actor="initiator:1")
    assert row is not None
    assert (row.status, row.version) == (CycleStatus.STARTED, 1)
    assert row.opening_rule == OpeningRule.LOCKED_EDGE
    assert row.notional_usdt == Decimal(5000)
    assert row.expected_edge_bps is not None
    assert row.krw_per_usdt_at_open
    assert row.krw_per_usd_at_open
    assert balance("binance", "USDT") == before - 5000
    assert balance("binance", "USDT", "CYCLE", row) == 5000
    kinds = [step.kind for step in Step.objects.filter(cycle=row)]
    assert kinds == ["BUY", "WITHDRAW", "DEPOSIT", "SELL"][-len(kinds) :]
    born = Transition.objects.get(cycle=row)
    assert (born.from_status, born.to_status, born.actor) == ("", "STARTED", "initiator:1")
    assert verifying.verify_ledger().matches_venues


def test_the_initiator_holds_below_the_minimum_edge(desk: TestDesk) -> None:
    set_policy(min_open_edge_bps=Decimal(90_000))
    desk.sample()
    assert opening.open_if_decided(actor="tester") is None


def test_the_initiator_holds_on_old_samples(desk: TestDesk) -> None:
    desk.sample()
    PremiumSample.objects.update(at=F("at") - timedelta(seconds=16))
    decided = opening.decide()
    assert not decided.opens
    assert decided.reasons == ("no fresh way back",)


def test_a_way_back_that_is_paused_is_none_to_open_by(desk: TestDesk) -> None:
    desk.sample()
    by = opening.decide().reasons[0].split(" out, ")[1].split(" back")[0]
    desk_services.pause(
        PauseScope.ROUTE, f"{by}:upbit>binance", actor=operator("root"), reason="a test"
    )
    assert f"{by} back" not in opening.decide().reasons[0]


def test_nothing_is_opened_larger_than_its_edge_was_measured_for(desk: TestDesk) -> None:
    desk.sample()
    set_policy(notional_usdt=Decimal(5001))
    assert opening.open_if_decided(actor="tester") is None
    desk.sample()
    assert opening.open_if_decided(actor="tester") is not None


def test_the_initiator_stops_at_the_number_of_open_cycles(desk: TestDesk) -> None:
    set_policy(max_open_cycles=2, max_open_cycles_per_asset=9, notional_usdt=Decimal(500))
    desk.sample()
    opened = [opening.open_if_decided(actor="tester") for _ in range(3)]
    assert [row is not None for row in opened] == [True, True, False]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"allowed_assets": ["SOL", "USDT"]}, "does not allow XRP"),
        ({"max_open_cycles": 0}, "open cycles: 0, the policy allows 0"),
        ({"max_open_cycles_per_asset": 0}, "open cycles of XRP: 0, the policy allows 0"),
        ({"max_exposure_usdt": 1999}, "0 USDT are out, 2000 more would pass the limit of 1999"),
        (
            {"max_exposure_per_asset_usdt": 1999},
            "0 USDT are out with XRP, 2000 more would pass the limit of 1999",
        ),
        ({"daily_loss_limit_usdt": 0}, "loss has reached the limit of 0 USDT: 0 USDT until now"),
    ],
    ids=lambda one: next(iter(one)) if isinstance(one, dict) else "",
)
def test_opening_by_hand_stays_inside_the_policy(
    desk: TestDesk, changes: dict[str, Any], word: str
) -> None:
    set_policy(**changes)
    desk.sample()
    with pytest.raises(PolicyDeniedError, match=word):
        by_hand()
    assert not Cycle.objects.exists()


def test_opening_by_hand_is_not_held_by_the_edge(desk: TestDesk) -> None:
    set_policy(min_open_edge_bps=Decimal(90_000))
    desk.sample()
    row = by_hand(reason="to try the route")
    assert row.opening_rule == OpeningRule.BY_HAND
    made = Intervention.objects.get(cycle=row)
    assert (made.verb, made.reason, made.actor) == ("open", "to try the route", "alice")


def test_opening_by_hand_needs_fresh_quotes(desk: TestDesk) -> None:
    with pytest.raises(PolicyDeniedError, match="fresh quote"):
        by_hand()


def test_opening_more_than_the_desk_holds_is_denied(desk: TestDesk) -> None:
    set_policy(max_exposure_usdt=10**9, max_exposure_per_asset_usdt=10**9)
    desk.sample()
    with pytest.raises(
        PolicyDeniedError, match="the desk holds 100000 USDT free, 100001 are wanted"
    ):
        by_hand(notional="100001")


def test_who_may_not_open_leaves_nothing_behind(desk: TestDesk) -> None:
    desk.sample()
    with pytest.raises(PermissionDeniedError):
        opening.open_by_hand(
            asset="XRP", notional_usdt=Decimal(2000), actor=operator("v", "viewer"), reason="r"
        )
    assert not Cycle.objects.exists()
    assert not Posting.objects.filter(kind="OPEN").exists()


def test_a_preview_says_what_opening_would_give(desk: TestDesk) -> None:
    desk.sample()
    shown = opening.preview_by_hand(asset="XRP", notional_usdt=Decimal(2000))
    assert shown.objections == ()
    assert shown.edge_bps is not None
    assert shown.expected_krw
    assert shown.krw_per_usdt
    assert not Cycle.objects.exists()


def test_a_return_only_cycle_owns_krw_of_the_desk(desk: TestDesk) -> None:
    desk.sample()
    before = balance("upbit", "KRW")
    row = opening.open_return_only(
        notional_krw=Decimal(3_000_000), actor=operator(), reason="bring it home"
    )
    assert (row.kind, row.status) == (CycleKind.RETURN_ONLY, CycleStatus.INITIAL_TRADE_COMPLETED)
    assert balance("upbit", "KRW") == before - 3_000_000
    assert balance("upbit", "KRW", "CYCLE", row) == 3_000_000
    assert row.krw_per_usdt_at_open


@pytest.mark.parametrize(
    ("notional", "error"), [("0", InvalidInputError), ("50000001", InsufficientFundsError)]
)
def test_a_return_only_cycle_takes_what_the_desk_has(
    desk: TestDesk, notional: str, error: type[CycleError]
) -> None:
    with pytest.raises(error):
        opening.open_return_only(notional_krw=Decimal(notional), actor=operator(), reason="r")
