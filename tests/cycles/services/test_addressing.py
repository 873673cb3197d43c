"""The address book: fetched, confirmed by two people, ended at once when its venue says otherwise."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models.functions import Now

from cycles.domain.words import Channel, CycleStatus, DeskKind, FailureClass, Verb
from cycles.errors import (
    InvalidInputError,
    NotAllowedNowError,
    NotFoundError,
    PermissionDeniedError,
    PolicyDeniedError,
    StaleVersionError,
)
from cycles.models import AddressConfirmation, Alert, Cycle, ExchangeCall, Intervention
from cycles.services import addressing, intervening, opening, refreshing, standing_in
from cycles.services.addressing import Typed
from cycles.services.intervening import Actor
from exchanges import destinations, registry
from exchanges.errors import StaleReferenceError, UnconfirmedError
from exchanges.models import AddressState, RegisteredAddress, RuleChange
from tests import builders
from tests.cycles.services.acts import give_back, retire, units_until, withdrawals
from tests.desk import TestDesk, operator

pytestmark = pytest.mark.django_db
ROTATED = {"venue": "upbit", "asset": "XRP", "network": "XRP"}
OTHER = "rAnotherAddress111111111111111111"


def person(name: str, *groups: str) -> Actor:
    return Actor(user=builders.person(name, *groups), channel=Channel.ADMIN)


def typed(row: RegisteredAddress, **changes: str) -> Typed:
    """Give what somebody reads off the venue's page."""
    return Typed(**({"ends_with": row.address[-6:], "memo": row.memo} | changes))


def confirm(row: RegisteredAddress, actor: Actor, **changes: Any) -> Intervention:
    row.refresh_from_db()
    given: dict[str, Any] = {"seen_version": row.version, "typed": typed(row)}
    given |= {"reason": "compared"} | changes
    return addressing.confirm(row.code, actor=actor, **given)


def upbits_xrp(state: str = "CONFIRMED") -> RegisteredAddress:
    return RegisteredAddress.objects.get(venue="upbit", asset="XRP", state=state)


def refresh() -> None:
    refreshing.refresh_markets(registry.utc_now())


# -- people


def test_two_people_confirm_an_address_and_each_act_is_kept() -> None:
    row = builders.proposed_address()
    confirm(row, person("alice", "operator"), reason="seen on the page of upbit")
    row.refresh_from_db()
    assert (row.state, row.version, row.confirmed_at) == (AddressState.PROPOSED, 2, None)
    confirm(row, person("bob", "operator"))
    row.refresh_from_db()
    assert (row.state, row.version) == (AddressState.CONFIRMED, 3)
    assert row.confirmed_at is not None
    acts = Intervention.objects.order_by("id")
    assert [(one.verb, one.actor, one.seen_version) for one in acts] == [
        ("confirm_address", "alice", 1),
        ("confirm_address", "bob", 2),
    ]
    assert acts[0].reason == "seen on the page of upbit"
    assert row.address not in str(acts[0].payload)
    assert AddressConfirmation.objects.filter(address=row, is_simulated=False).count() == 2


def test_one_person_does_not_confirm_twice() -> None:
    row, alice = builders.proposed_address(), person("alice", "operator")
    confirm(row, alice)
    with pytest.raises(NotAllowedNowError, match="another person"):
        confirm(row, alice)
    row.refresh_from_db()
    assert row.state == AddressState.PROPOSED
    assert Intervention.objects.count() == 1


def test_a_confirmation_needs_its_permission_a_reason_and_the_version_that_was_seen() -> None:
    row, alice = builders.proposed_address(), person("alice", "operator")
    with pytest.raises(PermissionDeniedError):
        confirm(row, person("vera", "viewer"))
    with pytest.raises(InvalidInputError, match="reason"):
        confirm(row, alice, reason=" ")
    with pytest.raises(StaleVersionError):
        confirm(row, alice, seen_version=7)
    with pytest.raises(NotFoundError):
        addressing.confirm("ADR-NONE", actor=alice, reason="r", seen_version=1, typed=typed(row))
    assert not Intervention.objects.exists()


@pytest.mark.parametrize(
    "change", [{"ends_with": "xxxxxx"}, {"ends_with": "OfOurs", "memo": ""}, {"memo": "8"}]
)
def test_what_is_not_on_the_venues_own_page_is_not_confirmed(change: dict[str, str]) -> None:
    row = builders.proposed_address()
    with pytest.raises(InvalidInputError, match="somebody has changed the answer") as caught:
        confirm(row, person("alice", "operator"), typed=typed(row, **change))
    assert row.address not in str(caught.value)
    assert not AddressConfirmation.objects.exists()


def test_a_few_characters_are_no_comparison() -> None:
    row = builders.proposed_address()
    with pytest.raises(InvalidInputError, match="last 6"):
        confirm(row, person("alice", "operator"), typed=typed(row, ends_with=row.address[-5:]))


def test_a_person_retires_an_address_and_that_is_the_end_of_it() -> None:
    row, bob = builders.confirmed_address(), person("bob", "operator")
    addressing.retire(row.code, actor=bob, reason="not ours", seen_version=row.version)
    row.refresh_from_db()
    assert (row.state, row.retired_because) == (AddressState.RETIRED, "bob: not ours")
    with pytest.raises(NotAllowedNowError, match="for ever"):
        confirm(row, bob)
    with pytest.raises(NotAllowedNowError, match="for ever"):
        addressing.retire(row.code, actor=bob, reason="r", seen_version=row.version)


def test_stand_ins_are_for_simulations_and_cannot_log_in() -> None:
    builders.desk()
    builders.proposed_address()
    assert standing_in.confirm_simulated() == 1
    assert standing_in.confirm_simulated() == 0
    for name in addressing.STAND_INS:
        user = User.objects.get(username=name)
        assert not user.is_active
        assert not user.has_usable_password()


def known_for(actor: Actor, hours: int) -> Actor:
    """Let an account be so old, by the database's clock."""
    joined = Now() - timedelta(hours=hours)
    User.objects.filter(username=actor.name).update(date_joined=joined)
    return actor


def test_on_a_live_desk_nobody_confirms_under_an_account_made_today() -> None:
    builders.desk(kind=DeskKind.LIVE)
    row = builders.proposed_address()
    confirm(row, known_for(person("alice", "operator"), 25))
    sock = known_for(person("sock", "operator"), 23)
    with pytest.raises(NotAllowedNowError, match="less than 24 hours old"):
        confirm(row, sock)
    row.refresh_from_db()
    assert row.state == AddressState.PROPOSED
    confirm(row, known_for(sock, 25))
    row.refresh_from_db()
    assert row.state == AddressState.CONFIRMED


def test_the_preview_says_so_before_anything_is_typed() -> None:
    builders.desk(kind=DeskKind.LIVE)
    row = builders.proposed_address()
    seen = addressing.preview(Verb.CONFIRM_ADDRESS, row.code, person("sock", "operator").user)
    assert "less than 24 hours old" in seen.why_not


def test_an_account_made_today_may_end_an_address_on_a_live_desk() -> None:
    builders.desk(kind=DeskKind.LIVE)
    row = builders.proposed_address()
    addressing.retire(row.code, actor=person("new", "operator"), reason="no", seen_version=1)
    row.refresh_from_db()
    assert row.state == AddressState.RETIRED


def test_on_a_simulated_desk_an_account_made_today_confirms() -> None:
    builders.desk()
    row = builders.proposed_address()
    confirm(row, person("alice", "operator"))
    confirm(row, person("sock", "operator"))
    row.refresh_from_db()
    assert row.state == AddressState.CONFIRMED


def test_nobody_stands_in_for_people_on_a_live_desk() -> None:
    builders.desk(kind=DeskKind.LIVE)
    row = builders.proposed_address()
    with pytest.raises(PolicyDeniedError):
        standing_in.confirm_simulated()
    row.refresh_from_db()
    assert row.state == AddressState.PROPOSED


# -- venues


def test_a_simulated_desk_needs_no_people(desk: TestDesk) -> None:
    states = set(RegisteredAddress.objects.values_list("state", flat=True))
    assert states == {AddressState.CONFIRMED}
    assert RegisteredAddress.objects.count() == 10


def test_what_the_venue_still_says_stays_as_it_is(desk: TestDesk) -> None:
    before = {row.pk: (row.state, row.version) for row in RegisteredAddress.objects.all()}
    refresh()
    after = {row.pk: (row.state, row.version) for row in RegisteredAddress.objects.all()}
    assert before == after
    assert not Alert.objects.exists()


def test_another_answer_of_the_venue_ends_the_address_at_once(desk: TestDesk) -> None:
    old = upbits_xrp()
    desk.control("/control/rotate", ROTATED | {"address": OTHER})
    refresh()
    old.refresh_from_db()
    assert (old.state, old.retired_because) == (
        AddressState.RETIRED,
        "the venue names another address",
    )
    proposal = upbits_xrp("PROPOSED")
    assert proposal.address == OTHER
    alert = Alert.objects.get()
    assert alert.severity == Alert.Severity.CRITICAL
    assert "tampered" in alert.body
    assert old.address not in alert.title + alert.body
    assert proposal.address not in alert.title + alert.body
    refresh()
    assert Alert.objects.count() == 1
    assert upbits_xrp("PROPOSED") == proposal


def test_another_memo_is_another_address(desk: TestDesk) -> None:
    old = upbits_xrp()
    desk.control("/control/rotate", ROTATED | {"tag": "777"})
    refresh()
    old.refresh_from_db()
    assert old.state == AddressState.RETIRED
    assert upbits_xrp("PROPOSED").memo == "777"
    assert "memo" in Alert.objects.get().title


def test_an_address_whose_venue_comes_back_to_it_is_a_new_proposal(desk: TestDesk) -> None:
    old = upbits_xrp()
    desk.control("/control/rotate", ROTATED | {"address": OTHER})
    refresh()
    desk.control("/control/rotate", ROTATED | {"address": old.address})
    refresh()
    again = upbits_xrp("PROPOSED")
    assert (again.address, again.pk == old.pk) == (old.address, False)


def test_a_venue_that_does_not_answer_ends_nothing(desk: TestDesk) -> None:
    desk.fault(fault="F3", venue="upbit", method="GET", path_regex="coin_address$")
    refresh()
    assert upbits_xrp().state == AddressState.CONFIRMED
    assert not Alert.objects.exists()


def test_an_address_that_leaves_a_senders_allow_list_is_not_sent_to(desk: TestDesk) -> None:
    row = upbits_xrp()
    assert address_for_xrp() == row
    # The allow-list follows to another address; the venue's own answer comes back to ours.
    desk.control("/control/rotate", ROTATED | {"address": OTHER, "is_allowed": True})
    desk.control("/control/rotate", ROTATED | {"address": row.address})
    refresh()
    with pytest.raises(UnconfirmedError, match="binance does not list"):
        address_for_xrp()
    change = RuleChange.objects.get(rule="allow-list")
    assert (change.venue, change.subject, change.after) == ("binance", row.code, "not listed")


def address_for_xrp(**later: float) -> RegisteredAddress:
    now = registry.utc_now() + timedelta(**later)
    return destinations.confirmed_address("binance", "upbit", "XRP", "XRP", now)


def test_an_address_that_was_not_fetched_for_a_day_is_stale(desk: TestDesk) -> None:
    address_for_xrp(hours=23)
    with pytest.raises(StaleReferenceError, match="24 h"):
        address_for_xrp(hours=25)


# -- cycles


def rotate_and_refresh(desk: TestDesk) -> None:
    """Let Upbit name another address for XRP, which Binance lists; only people bring XRP back."""
    desk.control("/control/rotate", ROTATED | {"address": OTHER, "is_allowed": True})
    refresh()


def bought(desk: TestDesk) -> Cycle:
    """Open a cycle and let it buy."""
    row = desk.open("XRP")
    give_back(units_until(desk, row, "BUY"))
    return row


def test_nothing_is_opened_towards_an_address_that_nobody_has_confirmed(desk: TestDesk) -> None:
    rotate_and_refresh(desk)
    desk.sample()
    with pytest.raises(PolicyDeniedError, match="no confirmed address for XRP"):
        desk.open("XRP")
    decided = opening.decide()
    assert decided.opens
    assert decided.asset != "XRP"


def test_nothing_is_opened_towards_an_address_without_the_memo_that_its_network_wants(
    desk: TestDesk,
) -> None:
    retire(venue="upbit", asset="XRP")
    builders.confirmed_address(memo="")
    desk.sample()
    with pytest.raises(PolicyDeniedError, match="has no memo"):
        desk.open("XRP")
    assert opening.decide().asset != "XRP"


def test_the_opening_decision_says_which_addresses_are_missing(desk: TestDesk) -> None:
    for asset in ("BTC", "ETH", "SOL", "USDT", "XRP"):
        retire(venue="upbit", asset=asset)
    desk.sample()
    decided = opening.decide()
    assert not decided.opens
    told = "; ".join(decided.reasons)
    assert all(f"no confirmed address for {asset} on" in told for asset in ("BTC", "XRP"))


def test_no_way_back_is_taken_to_an_address_that_nobody_has_confirmed(desk: TestDesk) -> None:
    desk.sample()
    for asset in ("BTC", "ETH", "SOL", "USDT"):
        retire(venue="binance", asset=asset)
    row = desk.open("XRP")
    desk.drive_until(row, "REBALANCING_IN_PROGRESS")
    assert row.return_asset == "XRP"
    retire(venue="binance", asset="XRP")
    assert "no confirmed address" in "; ".join(opening.decide().reasons)


def test_a_cycle_before_its_withdrawal_is_a_dead_letter_and_goes_on_once_two_people_confirm(
    desk: TestDesk,
) -> None:
    row = bought(desk)
    rotate_and_refresh(desk)
    desk.step(row)
    assert (row.status, row.failure_class) == (CycleStatus.DEAD_LETTER, FailureClass.POLICY_DENIED)
    assert "waits for two people" in row.failure_reason
    assert not ExchangeCall.objects.filter(cycle=row, operation="WITHDRAW").exists()
    for name in ("alice", "bob"):
        confirm(upbits_xrp("PROPOSED"), operator(name))
    intervening.redrive(row.pk, actor=operator(), reason="confirmed", seen_version=row.version)
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    (sent,) = withdrawals(desk, "binance")
    assert sent["address"] == OTHER


def test_what_ends_between_the_check_and_the_intent_is_refused_by_the_database(
    desk: TestDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, checked = bought(desk), destinations.confirmed_address

    def checked_then_ended(*place: Any) -> RegisteredAddress:
        found = checked(*place)
        addressing.retire(found.code, actor=operator(), reason="r", seen_version=found.version)
        return found

    monkeypatch.setattr(destinations, "confirmed_address", checked_then_ended)
    desk.step(row)
    assert (row.status, row.failure_class) == (CycleStatus.DEAD_LETTER, FailureClass.POLICY_DENIED)
    assert "withdrawal_destination_confirmed" in row.failure_reason
    assert desk.posts("binance", "/sapi/v1/capital/withdraw/apply") == 0
