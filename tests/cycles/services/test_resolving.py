"""Ends by hand: what is stated, what it leaves in the books, and what evidence it needs."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from functools import partial

import pytest
from django.db.models import F
from django.db.models.functions import Now

from cycles.domain import postings
from cycles.domain.words import (
    AccountOwner,
    CallOutcome,
    CycleStatus,
    FailureClass,
    PostingKind,
)
from cycles.errors import InvalidInputError, NotAllowedNowError, UnresolvedCallError
from cycles.models import Account, Cycle, ExchangeCall, Intervention
from cycles.services import booking, dead_letters, resolving, verifying
from cycles.services.calling import SEND_WITHIN
from cycles.services.resolving import Received, Resolution, ResolutionOutcome
from exchanges import registry
from tests import builders
from tests.cycles.services.acts import balance, fail, holding_coins
from tests.desk import operator

pytestmark = pytest.mark.django_db

ABSENT, COMPLETED = ResolutionOutcome.CALL_ABSENT, ResolutionOutcome.COMPLETED


@pytest.fixture
def dead() -> Cycle:
    """Give a dead letter that owns 1000 XRP, with prices to value them by."""
    builders.sample("XRP", global_bid=Decimal(2), krw_per_usdt_bid=Decimal(1400))
    return fail(holding_coins(), FailureClass.BUG)


def resolve(
    row: Cycle, outcome: ResolutionOutcome, *received: Received, evidence: str = "#7"
) -> Cycle:
    """State what happened."""
    resolving.resolve(
        row.pk, actor=operator(), reason="r", seen_version=row.version,
        resolution=Resolution(outcome=outcome, evidence=evidence, received=received),
    )  # fmt: skip
    row.refresh_from_db()
    return row


def write_off(row: Cycle, evidence: str = "") -> Cycle:
    """Give up."""
    resolving.write_off(
        row.pk, actor=operator(), reason="lost", seen_version=row.version, evidence=evidence
    )
    row.refresh_from_db()
    return row


def owns_nothing(row: Cycle) -> bool:
    """Say whether the cycle's accounts are empty and the books add up."""
    assert verifying.balance_problems() == ()
    return not Account.objects.filter(cycle=row).exclude(balance=0).exists()


def test_what_was_received_replaces_what_was_held_and_goes_to_the_desk(dead: Cycle) -> None:
    row = resolve(dead, COMPLETED, Received(venue="binance", asset="USDT", quantity=Decimal(1990)))
    assert row.status == CycleStatus.COMPLETED
    assert row.ended_at is not None
    assert owns_nothing(row)
    assert balance("binance", "USDT") == Decimal(1990)
    assert balance("binance", "XRP") == 0
    assert row.realised_pnl_usdt == Decimal(1990)  # this cycle began with nothing but coins


def test_without_anything_received_holdings_go_to_the_desk_or_dust_as_they_are() -> None:
    row = resolve(builders.dead_letter(usdt=5000, notional_krw=0), COMPLETED)
    assert row.status == CycleStatus.COMPLETED
    assert owns_nothing(row)
    assert balance("binance", "USDT") == Decimal(5000)
    assert row.realised_pnl_usdt == 0


@pytest.mark.parametrize("owner", ["IN_FLIGHT", "SUSPENSE"])
def test_what_was_under_way_counts_as_arrived(owner: str, dead: Cycle) -> None:
    lines = postings.moved(
        "binance", "XRP", Decimal(400), origin=AccountOwner.CYCLE,
        target=AccountOwner(owner),
    )  # fmt: skip
    booking.post("away", PostingKind.SENT, lines, cycle=dead)
    row = resolve(dead, COMPLETED)
    assert owns_nothing(row)
    assert balance("binance", "XRP") == Decimal(1000)


def test_what_was_credited_beyond_what_was_sent_is_earned_once_all_is_said_to_be_settled(
    dead: Cycle,
) -> None:
    lines = postings.credited_lines("upbit", "XRP", sent=Decimal(0), credited=Decimal(10))
    booking.post("twice", PostingKind.CREDITED, lines, cycle=dead)
    sold = postings.moved(
        "upbit", "XRP", Decimal(10), origin=AccountOwner.CYCLE, target=AccountOwner.CONVERSION
    )
    booking.post("sold", PostingKind.FILL, sold, cycle=dead)
    row = resolve(dead, COMPLETED)
    assert row.status == CycleStatus.COMPLETED
    assert owns_nothing(row)
    assert balance("upbit", "XRP") == 0


@pytest.mark.parametrize("outcome", [ABSENT, COMPLETED])
def test_evidence_is_asked_for(outcome: ResolutionOutcome, dead: Cycle) -> None:
    with pytest.raises(InvalidInputError, match="evidence"):
        resolve(dead, outcome, evidence="  ")


@pytest.mark.parametrize("quantity", [0, -1])
def test_what_was_received_is_above_zero(quantity: int, dead: Cycle) -> None:
    part = Received(venue="binance", asset="USDT", quantity=Decimal(quantity))
    with pytest.raises(InvalidInputError, match="above zero"):
        resolve(dead, COMPLETED, part)


@pytest.mark.parametrize(
    ("venue", "asset", "told"),
    [
        ("kraken", "USDT", "no venue 'kraken'"),
        ("upbit", "KRWW", "upbit has no 'KRWW' that the desk knows: .*KRW, .*USDT.*XRP"),
        ("binance", "KRW", "binance has no 'KRW'"),
    ],
)
def test_what_no_venue_can_have_given_never_reaches_the_books(
    venue: str, asset: str, told: str, dead: Cycle
) -> None:
    with pytest.raises(InvalidInputError, match=told):
        resolve(dead, COMPLETED, Received(venue=venue, asset=asset, quantity=Decimal(7)))
    assert not Account.objects.filter(asset=asset, venue=venue).exists()
    assert not Intervention.objects.exists()


def test_an_asset_is_known_in_any_spelling(dead: Cycle) -> None:
    row = resolve(dead, COMPLETED, Received(venue="Upbit", asset="krw", quantity=Decimal(7)))
    assert row.status == CycleStatus.COMPLETED
    assert balance("upbit", "KRW") == Decimal(7)


def test_the_same_asset_named_twice_is_refused(dead: Cycle) -> None:
    part = Received(venue="upbit", asset="KRW", quantity=Decimal(7))
    with pytest.raises(InvalidInputError, match="twice"):
        resolve(dead, COMPLETED, part, part)


def test_a_request_stated_as_never_accepted_is_absent_and_the_cycle_stays(dead: Cycle) -> None:
    builders.order_call(dead, CallOutcome.UNKNOWN)
    row = resolve(dead, ABSENT, evidence="support ticket 99")
    call = ExchangeCall.objects.get(cycle=row)
    assert (row.status, call.outcome) == (CycleStatus.DEAD_LETTER, CallOutcome.ABSENT)
    assert "support ticket 99" in call.error
    assert row.version == dead.version
    assert Intervention.objects.get().payload["outcome"] == "CALL_ABSENT"


def test_what_holdings_became_is_no_part_of_a_request_that_never_was(dead: Cycle) -> None:
    call = builders.order_call(dead, CallOutcome.UNKNOWN)
    part = Received(venue="binance", asset="USDT", quantity=Decimal(1990))
    with pytest.raises(InvalidInputError, match="COMPLETED") as refused:
        resolve(dead, ABSENT, part)
    assert "never accepted" in str(refused.value)
    call.refresh_from_db()
    assert call.outcome == CallOutcome.UNKNOWN
    assert not Intervention.objects.exists()


@pytest.mark.parametrize("settled", [False, True])
def test_what_an_operator_states_of_a_request_stands_beside_what_was_known_of_it(
    settled: bool, dead: Cycle
) -> None:
    lost = "binance withdraw: the reply was lost (ConnectionResetError)"
    call = lost_order(dead) if settled else builders.order_call(dead, CallOutcome.UNKNOWN)
    ExchangeCall.objects.filter(pk=call.pk).update(error=lost)
    resolve(dead, ABSENT, evidence="T-1")
    call.refresh_from_db()
    assert call.error == f"{lost}; by an operator: T-1"


def test_absence_at_a_venue_that_this_release_knows_no_more_is_stated_after_the_longest_window(
    dead: Cycle,
) -> None:
    call = builders.order_call(dead, CallOutcome.UNKNOWN, noted_at=Now(), venue="gone")
    with pytest.raises(NotAllowedNowError, match="gone may still accept"):
        resolve(dead, ABSENT)
    ExchangeCall.objects.filter(pk=call.pk).update(noted_at=F("noted_at") - builders.HOUR)
    resolve(dead, ABSENT)
    call.refresh_from_db()
    assert call.outcome == CallOutcome.ABSENT


@pytest.mark.parametrize("operation", ["PLACE_ORDER", "WITHDRAW"])
@pytest.mark.parametrize("outcome", [CallOutcome.INTENDED, CallOutcome.UNKNOWN])
def test_nobody_states_absence_while_the_venue_may_still_accept(
    dead: Cycle, outcome: CallOutcome, operation: str
) -> None:
    """As after a bug in the middle of a call: the dead letter is there before the request has arrived."""
    make = builders.order_call if operation == "PLACE_ORDER" else builders.withdrawal_call
    noted_at = Now() if outcome == CallOutcome.UNKNOWN else None
    call = make(dead, outcome=outcome, noted_at=noted_at)
    for state in (partial(resolve, dead, ABSENT), partial(write_off, dead, "not in its list")):
        with pytest.raises(NotAllowedNowError, match=r"binance may still accept .* in [0-9]+ s"):
            state()
    call.refresh_from_db()
    assert call.outcome == outcome
    Cycle.objects.filter(pk=dead.pk).update(status_since=F("status_since") - builders.HOUR)
    ExchangeCall.objects.filter(pk=call.pk).update(noted_at=F("noted_at") - builders.HOUR)
    resolve(dead, ABSENT)
    call.refresh_from_db()
    assert call.outcome == CallOutcome.ABSENT


def test_a_withdrawal_that_its_worker_left_no_word_of_may_have_been_sent_a_little_later(
    dead: Cycle,
) -> None:
    rule = registry.ADAPTERS["binance"].withdrawal_rule
    age = timedelta(seconds=rule.lookup_grace_seconds) + SEND_WITHIN / 2
    call = builders.withdrawal_call(dead, outcome=CallOutcome.UNKNOWN, noted_at=Now() - age)
    with pytest.raises(NotAllowedNowError, match="binance may still accept"):
        resolve(dead, ABSENT)
    ExchangeCall.objects.filter(pk=call.pk).update(duration_ms=5)
    resolve(dead, ABSENT)
    call.refresh_from_db()
    assert call.outcome == CallOutcome.ABSENT


def test_who_states_something_has_taken_the_cycle_on(dead: Cycle) -> None:
    builders.order_call(dead, CallOutcome.UNKNOWN)
    row = resolve(dead, ABSENT)
    assert row.assignee is not None
    assert dead_letters.process_dead_letters() == 0
    row.refresh_from_db()
    assert row.status == CycleStatus.DEAD_LETTER


def test_no_request_can_be_stated_absent_where_none_is_unknown(dead: Cycle) -> None:
    with pytest.raises(NotAllowedNowError, match="no request"):
        resolve(dead, ABSENT)


def accepted_order(row: Cycle, **facts: object) -> ExchangeCall:
    """Write an order that its venue accepted an hour ago and has not shown since."""
    report = {"status": "open", "executed_quantity": "0"} | facts
    call = builders.order_call(row, venue_order_id="7", report=report)
    ExchangeCall.objects.filter(pk=call.pk).update(noted_at=Now() - timedelta(hours=1))
    return call


def lost_order(row: Cycle) -> ExchangeCall:
    """Write an accepted order that its venue knew nothing of when it was asked."""
    call = accepted_order(row)
    ExchangeCall.objects.filter(pk=call.pk).update(missed_at=Now())
    return call


def test_an_accepted_order_that_its_venue_never_shows_holds_no_cycle_for_ever(dead: Cycle) -> None:
    call = lost_order(dead)
    with pytest.raises(UnresolvedCallError):
        resolve(dead, COMPLETED)
    resolve(dead, ABSENT)
    call.refresh_from_db()
    assert (call.outcome, call.is_settled) == (CallOutcome.DONE, True)
    assert "#7" in call.error
    assert balance("binance", "XRP", "CYCLE", dead) == 1000
    assert resolve(dead, COMPLETED).status == CycleStatus.COMPLETED


@pytest.mark.parametrize("facts", [{"executed_quantity": "1"}, {"status": "filled"}])
def test_of_an_order_that_executed_nobody_states_that_nothing_came(
    facts: dict[str, str], dead: Cycle
) -> None:
    accepted_order(dead, **facts)
    with pytest.raises(NotAllowedNowError):
        resolve(dead, ABSENT)


def test_nobody_states_it_while_the_venue_may_still_show_the_order(dead: Cycle) -> None:
    call = accepted_order(dead)
    ExchangeCall.objects.filter(pk=call.pk).update(noted_at=Now())
    with pytest.raises(NotAllowedNowError, match="may still accept"):
        resolve(dead, ABSENT)


def test_a_cycle_is_not_completed_over_an_unknown_request(dead: Cycle) -> None:
    builders.order_call(dead, CallOutcome.UNKNOWN)
    with pytest.raises(UnresolvedCallError):
        resolve(dead, COMPLETED)


def test_writing_off_books_the_loss_and_fails_the_cycle() -> None:
    row = write_off(builders.dead_letter(usdt=5000, notional_krw=0))
    assert row.status == CycleStatus.FAILED
    assert owns_nothing(row)
    assert balance("binance", "USDT") == 0
    assert row.realised_pnl_usdt == Decimal(-5000)
    assert row.realised_pnl_krw == Decimal(-7_000_000)
    assert row.money_at_risk_krw == 0


def test_writing_off_over_an_unknown_request_needs_evidence(dead: Cycle) -> None:
    builders.order_call(dead, CallOutcome.UNKNOWN)
    with pytest.raises(UnresolvedCallError, match="evidence"):
        write_off(dead)
    assert write_off(dead, "the venue confirms").status == CycleStatus.FAILED
    assert ExchangeCall.objects.get(cycle=dead).outcome == CallOutcome.ABSENT


def test_an_end_without_a_price_has_no_known_profit() -> None:
    row = fail(holding_coins(), FailureClass.BUG)
    assert resolve(row, COMPLETED).realised_pnl_usdt is None
