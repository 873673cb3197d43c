"""Looks at a venue for all cycles: how many calls they cost, what they leave, whom they wake."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from cycles.domain.words import CallOutcome, Role, StepState, WatchKind
from cycles.models import Cycle, ExchangeCall, SeenDeposit, Step, VenueWatch
from cycles.selectors.awaited import awaited
from cycles.services import leasing, looking, reconciling, seeing, sighting
from cycles.services.advancing import advance
from cycles.services.gathering import Gathered
from cycles.services.looking import CLOCK_SLACK
from cycles.services.venue_watcher import VenueWatcher
from exchanges import registry
from exchanges.errors import OutcomeUnknownError
from exchanges.hints import Hint
from exchanges.models import TransferRoute
from exchanges.values import (
    DepositReport,
    DepositStatus,
    Listed,
    WithdrawalReport,
    WithdrawalStatus,
)
from tests import builders
from tests.cycles.services.acts import make_due
from tests.desk import TestDesk

PACE = timedelta(seconds=30)  # longer than any of these tests takes
POLLS = {
    "/v1/deposits", "/v1/withdraws", "/sapi/v1/capital/deposit/hisrec",
    "/sapi/v1/capital/withdraw/history", "/v1/orders/uuids", "/v1/order", "/api/v3/allOrders",
}  # fmt: skip
DEPOSITS = WatchKind.DEPOSITS
BEGAN_AT = registry.utc_now()


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch, desk: TestDesk, settings: Any) -> TestDesk:
    """Give a desk at which nobody looks again during a test unless time is moved, or a reason given."""
    settings.KIMP_TIME_SCALE = Decimal(1)
    monkeypatch.setattr(looking, "pace", lambda kind: PACE)
    monkeypatch.setattr(looking, "hurry", lambda: PACE / 10)
    return desk


def on_its_way(number: int = 0) -> Cycle:
    """Give a cycle that waits for what it sent to Upbit."""
    row = builders.cycle()
    builders.withdrawal_call(
        row,
        txid=f"TX-{number}",
        venue_order_id=f"W-{number}",
        noted_at=Now(),
        is_settled=True,
        report={
            "asset": "XRP", "quantity": "1990", "network_fee": "0.2", "txid": f"TX-{number}",
            "status": "done",
        },
    )  # fmt: skip
    steps = Step.objects.filter(cycle=row)
    steps.filter(kind__in=["BUY", "WITHDRAW"]).update(
        state=StepState.DONE, started_at=Now(), settled_at=Now(), quantity_out=Decimal(1990)
    )
    make_due(row)
    return row


def drive(count: int) -> None:
    """Let a worker take all due cycles, once each."""
    for lease in leasing.claim(Role.INITIATOR, "tester", limit=count):
        advance(lease)


def turn(watcher: VenueWatcher) -> None:
    """Let a watcher take what is due, here and now."""
    for looks in watcher.due(awaited()).values():
        for what, apart in looks:
            watcher.look(what, apart=apart)


def later(by: timedelta = PACE) -> None:
    """Let time pass since the last look."""
    VenueWatch.objects.update(looked_at=F("looked_at") - by)


def polls(desk: TestDesk) -> Counter[str]:
    """Count the polling requests that arrived, by path."""
    rows = desk.control("/control/requests")
    return Counter(row["path"] for row in rows if row["method"] == "GET" and row["path"] in POLLS)


def look_at(kind: WatchKind = DEPOSITS, *, venue: str = "upbit") -> sighting.Look:
    """Take the next look, whenever the last one was."""
    later()
    row = looking.begin(venue, kind, apart=PACE, since=registry.utc_now() - timedelta(hours=1))
    assert row is not None
    return row


def shown(*rows: DepositReport, since: timedelta = timedelta(hours=1)) -> sighting.Sighting:
    """Give what a look showed."""
    listed = Listed(rows=rows, since=registry.utc_now() - since, unreadable=frozenset(), calls=1)
    return sighting.of_deposits(listed)


def arrived(number: int = 0, status: DepositStatus = DepositStatus.CREDITED) -> DepositReport:
    """Give a deposit as Upbit shows it."""
    return DepositReport(
        venue="upbit", venue_deposit_id=f"D-{number}", asset="XRP", network="XRP",
        quantity=Decimal(1990), status=status, txid=f"tx-{number}", detail=status.value,
        created_at=BEGAN_AT,
    )  # fmt: skip


def in_flight(desk: TestDesk, count: int, *, paces: int = 2) -> Counter[str]:
    """Count what watching costs in some paces with so many cycles in flight, driven once in each."""
    for number in range(count):
        on_its_way(number)
    watcher, before = VenueWatcher(), polls(desk)
    for _ in range(paces):
        turn(watcher)
        turn(VenueWatcher())  # of another process
        Cycle.objects.update(wake_at=Now())
        drive(count)
        later()
    return polls(desk) - before


@pytest.mark.parametrize("count", [2, 40])
def test_calls_do_not_grow_with_the_cycles_in_flight(slow: TestDesk, count: int) -> None:
    assert in_flight(slow, count) == {"/v1/deposits": 2}


@pytest.mark.parametrize("count", [2, 20])
def test_nor_do_they_when_all_are_overdue_and_their_senders_are_asked_again(
    slow: TestDesk, count: int
) -> None:
    TransferRoute.objects.update(expected_seconds=0, overdue_seconds=0)
    asked = in_flight(slow, count)
    assert asked == {"/v1/deposits": 2, "/sapi/v1/capital/withdraw/history": 1}


@pytest.mark.parametrize("count", [2, 40])
def test_the_negative_control_a_read_for_each_cycle_grows_with_them(
    desk: TestDesk, count: int
) -> None:
    for number in range(count):
        on_its_way(number)
    before = polls(desk)
    for call in ExchangeCall.objects.filter(operation="WITHDRAW"):
        registry.venue("upbit").deposits("XRP", since=call.intended_at - CLOCK_SLACK)
    assert polls(desk) - before == {"/v1/deposits": count}


def test_what_a_look_shows_is_written_and_woken_in_as_many_statements_however_much_it_is(
    slow: TestDesk,
) -> None:
    counts = []
    for numbers in (range(1), range(1, 31)):
        for number in numbers:
            on_its_way(number)
        Cycle.objects.update(wake_at=Now() + PACE)
        look, sight = look_at(), shown(*(arrived(number) for number in range(numbers.stop)))
        with CaptureQueriesContext(connection) as queries:
            recorded = sighting.record(look, sight)
        counts.append(len(queries))
        assert (recorded.changed, recorded.woken) == (len(numbers), len(numbers))
    assert counts[0] == counts[1]


def test_a_deposit_that_is_seen_wakes_the_cycle_that_waits_for_it_and_no_other(
    slow: TestDesk,
) -> None:
    mine, other = on_its_way(1), on_its_way(2)
    Cycle.objects.update(wake_at=Now() + PACE)
    assert sighting.record(look_at(), shown(arrived(1))).woken == 1
    due = Cycle.objects.filter(wake_at__lte=Now()).values_list("pk", flat=True)
    assert list(due) == [mine.pk] != [other.pk]


def test_what_has_not_changed_wakes_nobody(slow: TestDesk) -> None:
    on_its_way(1)
    sighting.record(look_at(), shown(arrived(1)))
    Cycle.objects.update(wake_at=Now() + PACE)
    again = sighting.record(look_at(), shown(arrived(1)))
    assert (again.changed, again.woken) == (0, 0)


def test_a_cycle_that_is_in_hand_while_it_is_woken_stays_due(slow: TestDesk) -> None:
    """Its worker may have read the facts just before they came."""
    row = on_its_way(1)
    (lease,) = leasing.claim(Role.INITIATOR, "tester", limit=1)
    sighting.record(look_at(), shown(arrived(1)))
    assert leasing.release(lease, wake_in=PACE)
    assert Cycle.objects.filter(pk=row.pk, wake_at__lte=Now()).exists()


def test_an_older_look_takes_nothing_back_of_what_a_newer_one_has_shown(slow: TestDesk) -> None:
    old = look_at()
    VenueWatch.objects.update(expires_at=Now())  # its process sleeps
    new = look_at()
    sighting.record(new, shown(arrived(1)))
    late = sighting.record(old, shown(arrived(1, DepositStatus.PENDING)))
    assert late.is_overtaken
    row, watch = SeenDeposit.objects.get(), VenueWatch.objects.get(kind=DEPOSITS)
    assert (row.status, row.look) == ("credited", new.number)
    assert (watch.done_number, watch.looked_at) == (new.number, new.began_at)


def test_a_deposit_that_a_look_should_show_and_does_not_is_a_fact_no_more(slow: TestDesk) -> None:
    row = on_its_way(1)
    sighting.record(look_at(), shown(arrived(1)))
    call = ExchangeCall.objects.get(cycle=row, operation="WITHDRAW")
    assert len(seeing.deposits("upbit", call).rows) == 1
    sighting.record(look_at(), shown())
    assert seeing.deposits("upbit", call).rows == ()
    sighting.record(look_at(), shown(arrived(1)))
    assert len(seeing.deposits("upbit", call).rows) == 1


def test_an_asset_with_a_row_nobody_understands_is_not_read_from_what_was_seen(
    slow: TestDesk,
) -> None:
    call = ExchangeCall.objects.get(cycle=on_its_way(1), operation="WITHDRAW")
    blind = sighting.Sighting(
        rows=[], since=registry.utc_now() - timedelta(hours=1), unreadable=frozenset({"XRP"})
    )
    sighting.record(look_at(), blind)
    with pytest.raises(OutcomeUnknownError):
        seeing.deposits("upbit", call)


def test_what_no_text_of_the_database_may_hold_keeps_no_other_row_from_being_written(
    slow: TestDesk,
) -> None:
    call = ExchangeCall.objects.get(cycle=on_its_way(1), operation="WITHDRAW")
    odd = replace(arrived(2), detail="\0", txid="\0\\u0000")
    sighting.record(look_at(), shown(odd, arrived(1)))
    assert len(seeing.deposits("upbit", call).rows) == 1


def test_absence_counts_only_as_of_a_look_that_reached_far_enough(slow: TestDesk) -> None:
    call = ExchangeCall.objects.get(cycle=on_its_way(1), operation="WITHDRAW")
    sight = seeing.deposits("upbit", call)  # nobody has looked: this one does
    assert sight.rows == ()
    assert sight.as_of is not None
    assert sight.as_of > call.intended_at
    VenueWatch.objects.filter(kind=DEPOSITS).update(
        asked_since=Now() + timedelta(seconds=1), not_before=Now() + PACE
    )
    assert seeing.deposits("upbit", call).as_of is None


def test_a_list_that_ends_too_early_is_not_believed_the_one_asset_is_asked_for(
    slow: TestDesk,
) -> None:
    call = ExchangeCall.objects.get(cycle=on_its_way(1), operation="WITHDRAW")
    sighting.record(look_at(), shown(since=timedelta(0)))
    before = polls(slow)
    seeing.deposits("upbit", call)
    assert polls(slow) - before == {"/v1/deposits": 1}
    assert any("currency=XRP" in str(row) for row in slow.control("/control/requests"))


def test_a_venue_that_cannot_be_asked_is_left_alone_for_longer_each_time(slow: TestDesk) -> None:
    on_its_way(1)
    slow.fault(fault="F6", venue="upbit", path_regex="/v1/deposits", method="GET", when="always")
    watcher, pauses = VenueWatcher(), list[timedelta]()
    for _ in range(3):
        turn(watcher)
        pause = VenueWatch.objects.annotate(pause=F("not_before") - Now()).get(kind=DEPOSITS)
        pauses.append(pause.pause)
        VenueWatch.objects.update(not_before=Now())
    watch = VenueWatch.objects.get(kind=DEPOSITS)
    assert watch.failures == 3
    assert pauses[0] < pauses[1]
    assert (watch.owner, watch.done_number) == ("", 0)


def test_a_venue_whose_answer_meets_a_bug_is_left_alone_for_longer_each_time(
    slow: TestDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody would be told by the row, and each look would meet it again once its lease has run out."""
    on_its_way(1)

    def bug(*_: object) -> object:
        raise KeyError("nobody foresaw this")

    monkeypatch.setattr(sighting, "of_deposits", bug)
    (what,) = [one for one in awaited().values() if one.kind == DEPOSITS]
    with pytest.raises(KeyError):
        VenueWatcher().look(what, apart=PACE)
    watch = VenueWatch.objects.get(kind=DEPOSITS)
    assert (watch.owner, watch.failures) == ("", 1)
    assert watch.not_before is not None
    assert watch.error.startswith("KeyError")


def test_nothing_is_asked_where_nothing_is_waited_for(slow: TestDesk) -> None:
    before = polls(slow)
    builders.cycle()
    turn(VenueWatcher())
    assert polls(slow) == before


def test_a_withdrawal_that_looks_like_ours_counts_only_by_a_look_after_its_worker_gave_up(
    slow: TestDesk,
) -> None:
    """A look before that may show another's, and not yet the one that was sent."""
    early = look_at(WatchKind.WITHDRAWALS, venue="binance")
    call = unknown_withdrawal()
    sighting.record(early, likeness_of(call, early))
    evidence = reconciling.look_up(registry.venue("binance"), call, Gathered([call], None))
    assert (evidence.report, evidence.as_of) == (None, None)
    late = look_at(WatchKind.WITHDRAWALS, venue="binance")
    sighting.record(late, likeness_of(call, late))
    evidence = reconciling.look_up(registry.venue("binance"), call, Gathered([call], None))
    assert evidence.report is not None


def unknown_withdrawal() -> ExchangeCall:
    """Give a withdrawal from Binance of which its worker does not know what became."""
    call = builders.withdrawal_call(
        builders.cycle(), outcome=CallOutcome.UNKNOWN, noted_at=Now(), report=None
    )
    call.refresh_from_db()
    return call


def likeness_of(call: ExchangeCall, look: sighting.Look) -> sighting.Sighting:
    """Give a look that shows a withdrawal which may be a call's, without its id."""
    row = WithdrawalReport(
        venue=call.venue, venue_withdrawal_id="W-9", client_withdrawal_id=None, asset="XRP",
        network="XRP", quantity=Decimal(call.request["quantity"]), network_fee=Decimal("0.2"),
        status=WithdrawalStatus.PENDING, txid=None, address=None, created_at=call.intended_at,
    )  # fmt: skip
    listed = Listed(rows=(row,), since=look.since, unreadable=frozenset(), calls=1)
    return sighting.of_withdrawals(listed)


@pytest.fixture
def hinted(slow: TestDesk) -> VenueWatcher:
    """Give a watcher that has just looked for a deposit of XRP."""
    on_its_way(1)
    watcher = VenueWatcher()
    turn(watcher)
    later(PACE / 5)
    return watcher


@pytest.mark.parametrize(
    ("hint", "looks"),
    [
        (None, 0),
        (Hint(is_of_orders=False, assets=frozenset({"XRP"})), 1),
        (Hint(is_of_orders=False, assets=None), 1),
        (Hint(is_of_orders=False, assets=frozenset({"BTC"})), 0),
        (Hint(is_of_orders=True, assets=frozenset()), 0),
    ],
    ids=["none", "asset", "any", "other asset", "order"],
)
def test_a_hint_brings_the_look_forward_for_what_it_is_about(
    hinted: VenueWatcher, slow: TestDesk, hint: Hint | None, looks: int
) -> None:
    before = polls(slow)
    if hint is not None:
        hinted.hints.heard("upbit", hint)
    for _ in range(3):
        turn(hinted)
    assert (polls(slow) - before)["/v1/deposits"] == looks


def test_hints_cost_no_more_than_a_look_a_while_however_many_there_are(
    hinted: VenueWatcher, slow: TestDesk
) -> None:
    before = polls(slow)
    for _ in range(50):
        hinted.hints.heard("upbit", Hint(is_of_orders=False, assets=frozenset({"XRP"})))
        turn(hinted)
    assert (polls(slow) - before)["/v1/deposits"] == 1
    later(looking.hurry())
    turn(hinted)
    assert (polls(slow) - before)["/v1/deposits"] == 2
