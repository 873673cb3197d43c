"""The registry of assets at work: what is unproven is not begun, what is blocked is not touched, people decide."""

from __future__ import annotations

from typing import Any

import pytest

from cycles.domain.words import Channel, CycleStatus, FailureClass
from cycles.errors import (
    InvalidInputError,
    NotAllowedNowError,
    PermissionDeniedError,
    PolicyDeniedError,
    StaleVersionError,
)
from cycles.models import Alert, Cycle, ExchangeCall, Intervention
from cycles.services import identifying, intervening, opening, refreshing
from cycles.services.identifying import Coin
from cycles.services.intervening import Actor
from exchanges import naming, registry
from exchanges.models import AssetIdentity
from tests import builders
from tests.cycles.services.acts import give_back, units_until
from tests.cycles.services.review import units_until_done
from tests.desk import TestDesk, operator

pytestmark = pytest.mark.django_db
XRP = Coin(asset="XRP", network="XRP", contract="", decimals=6)
USDT = Coin(asset="USDT", network="TRX", contract="TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t", decimals=6)


def person(*groups: str) -> Actor:
    return Actor(user=builders.person("-".join(groups), *groups), channel=Channel.ADMIN)


def name(venue: str = "upbit", symbol: str = "XRP") -> AssetIdentity:
    return AssetIdentity.objects.get(venue=venue, venue_symbol=symbol)


def prove(row: AssetIdentity, actor: Actor, coin: Coin = XRP, **changes: Any) -> Intervention:
    given: dict[str, Any] = {"seen_version": row.version, "reason": "page of the issuer"}
    given |= changes
    return identifying.prove(row, actor=actor, coin=coin, **given)


def block(row: AssetIdentity, actor: Actor | None = None) -> Intervention:
    actor = actor or operator()
    return identifying.block(row, actor=actor, reason="a swap", seen_version=row.version)


def unproven(venue: str = "upbit", symbol: str = "XRP", **facts: Any) -> AssetIdentity:
    empty = {"asset": "", "network": "", "decimals": None, "state": "UNPROVEN", "decided_by": ""}
    return builders.proven(venue, symbol, symbol, **(empty | facts))


# -- people


def test_a_person_proves_a_name_with_a_reason_and_it_may_be_traded() -> None:
    row = unproven()
    assert registry.objection("upbit", "XRP")
    prove(row, person("approver"))
    row.refresh_from_db()
    assert (row.state, row.decided_by, row.because) == ("PROVEN", "approver", "page of the issuer")
    assert row.version == 2
    assert registry.objection("upbit", "XRP") == ""
    act = Intervention.objects.get()
    assert (act.verb, act.seen_version) == ("prove_asset", 1)
    assert act.payload["name"] == {"venue": "upbit", "symbol": "XRP", "network": "XRP"}


def test_proving_is_for_approvers_and_blocking_for_operators_too() -> None:
    row = unproven()
    with pytest.raises(PermissionDeniedError):
        prove(row, person("operator"))
    with pytest.raises(PermissionDeniedError):
        block(row, person("viewer"))
    block(row, Actor(user=builders.person("olga", "operator"), channel=Channel.ADMIN))
    row.refresh_from_db()
    assert row.state == "BLOCKED"


def test_a_proof_is_of_the_version_that_was_seen_and_needs_a_reason() -> None:
    row, carol = unproven(), person("approver")
    with pytest.raises(StaleVersionError):
        prove(row, carol, seen_version=7)
    with pytest.raises(InvalidInputError, match="reason"):
        prove(row, carol, reason="")
    assert not Intervention.objects.exists()


@pytest.mark.parametrize(
    "coin",
    [
        Coin(asset="XRP", network="NOWHERE", contract="", decimals=6),
        Coin(asset="", network="XRP", contract="", decimals=6),
        Coin(asset="XRP?", network="XRP", contract="", decimals=6),
    ],
)
def test_a_proof_names_an_asset_and_a_chain(coin: Coin) -> None:
    with pytest.raises(InvalidInputError):
        prove(unproven(), person("approver"), coin)


@pytest.mark.parametrize(
    ("coin", "told"),
    [
        (Coin(asset="XRP", network="XRP", contract="rIssuer", decimals=6), "two coins"),
        (Coin(asset="XRP", network="XRP", contract="", decimals=8), "two coins"),
        (Coin(asset="XRPC", network="XRP", contract="", decimals=6), "another asset elsewhere"),
    ],
)
def test_one_ticker_is_not_proven_to_be_two_coins(coin: Coin, told: str) -> None:
    builders.proven("binance", "XRP", "XRP")
    row = unproven()
    with pytest.raises(NotAllowedNowError, match=told):
        prove(row, person("approver"), coin)
    row.refresh_from_db()
    assert row.state == "UNPROVEN"
    assert not Intervention.objects.exists()


def test_a_proof_does_not_contradict_the_venues_own_word() -> None:
    row = unproven("binance", "USDT", told_contract="TAnother")
    with pytest.raises(NotAllowedNowError, match="the venue itself tells another contract"):
        prove(row, person("approver"), USDT)


def test_what_is_proven_is_blocked_before_it_is_proven_anew() -> None:
    row = builders.proven("upbit", "XRP", "XRP")
    with pytest.raises(NotAllowedNowError, match="proven already"):
        prove(row, person("approver"))
    block(row)
    row.refresh_from_db()
    with pytest.raises(NotAllowedNowError, match="blocked already"):
        block(row)
    prove(row, operator("carol", "approver"))
    assert name().state == "PROVEN"


# -- cycles


def bought(desk: TestDesk) -> Cycle:
    row = desk.open("XRP")
    give_back(units_until(desk, row, "BUY"))
    return row


@pytest.mark.parametrize("venue", ["binance", "upbit"])
def test_nothing_is_opened_with_an_asset_that_is_not_proven_at_both_ends(
    desk: TestDesk, venue: str
) -> None:
    block(name(venue))
    desk.sample()
    with pytest.raises(PolicyDeniedError, match=f"XRP on XRP at {venue} is blocked"):
        desk.open("XRP")
    assert opening.decide().asset != "XRP"


def test_nothing_is_bought_of_what_became_unproven_and_the_cycle_wants_a_person(
    desk: TestDesk,
) -> None:
    row = desk.open("XRP")
    desk.control("/control/listing", told(venue="binance", title="Ripple Classic"))
    refreshing.refresh_markets(registry.utc_now())
    desk.step(row)
    assert (row.status, row.failure_class) == (CycleStatus.DEAD_LETTER, FailureClass.POLICY_DENIED)
    assert not ExchangeCall.objects.exists()
    assert Alert.objects.filter(title__contains="Ripple Classic").exists()


def told(**facts: Any) -> dict[str, Any]:
    """Give what the control port lets a venue say of XRP."""
    return {"asset": "XRP", "network": "XRP"} | facts


def test_a_contract_that_changes_stops_a_withdrawal_that_was_about_to_leave(
    desk: TestDesk,
) -> None:
    row = bought(desk)
    desk.control("/control/listing", told(venue="binance", contract="rMigrated"))
    refreshing.refresh_markets(registry.utc_now())
    desk.step(row)
    assert (row.status, row.failure_class) == (CycleStatus.DEAD_LETTER, FailureClass.POLICY_DENIED)
    assert "blocked" in row.failure_reason
    alert = Alert.objects.get(title__contains="blocked")
    assert alert.severity == Alert.Severity.CRITICAL


@pytest.mark.parametrize(
    ("is_blocked", "status"), [(False, "INITIAL_TRADE_COMPLETED"), (True, "DEAD_LETTER")]
)
def test_what_has_arrived_is_sold_when_its_name_is_doubted_but_not_when_it_is_blocked(
    desk: TestDesk, is_blocked: bool, status: str
) -> None:
    row = desk.open("XRP")
    give_back(units_until_done(desk, row, "OUTBOUND", "DEPOSIT"))
    if is_blocked:
        block(name())
    else:
        desk.control("/control/listing", told(venue="upbit", title="Ripple Classic"))
        refreshing.refresh_markets(registry.utc_now())
        assert name().state == "UNPROVEN"
    desk.drive_until(row, status)


def test_a_dead_letter_goes_on_once_a_person_has_proven_the_name(desk: TestDesk) -> None:
    row = bought(desk)
    block(name())
    desk.step(row)
    assert row.status == CycleStatus.DEAD_LETTER
    prove(name(), operator("carol", "approver"))
    intervening.redrive(row.pk, actor=operator(), reason="proven", seen_version=row.version)
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")


def test_another_process_sees_a_block_within_seconds(
    desk: TestDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert registry.objection("upbit", "XRP") == ""
    mine = AssetIdentity.objects.filter(pk=name().pk)
    mine.update(state="BLOCKED", version=9)  # elsewhere
    assert registry.objection("upbit", "XRP") == ""
    monkeypatch.setattr(naming, "FRESH_SECONDS", -1)
    assert registry.objection("upbit", "XRP")
