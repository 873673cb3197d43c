"""The proof of the ledger, and profit and loss read from it."""

from __future__ import annotations

import time
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now

from cycles.domain import postings
from cycles.domain.words import AccountOwner, Mode, PostingKind
from cycles.errors import StaleVersionError
from cycles.models import Account, Alert, Cycle, Desk, Entry
from cycles.services import booking, verifying
from cycles.services.desk import set_mode
from exchanges import registry
from tests.benchmarks import copying
from tests.cycles.commands.saying import Said
from tests.cycles.services.acts import balance, give_back, rows_read, set_policy, units_until
from tests.desk import TestDesk, operator


def credit(desk: TestDesk, venue: str = "binance", asset: str = "USDT", by: str = "7") -> None:
    """Let a venue hold more than the ledger knows of."""
    desk.control("/control/balances", {"venue": venue, "asset": asset, "credit": by})


def test_a_fresh_desk_is_proven(desk: TestDesk) -> None:
    report = verifying.verify_ledger()
    assert (report.is_balanced, report.matches_venues, report.is_settled) == (True, True, True)
    held = {(line.venue, line.asset): line.ledger for line in report.lines}
    assert held["binance", "USDT"] == 100_000
    assert held["upbit", "KRW"] == 50_000_000


@pytest.mark.parametrize("by", ["7", "-7", "0.00000001"])
def test_a_planted_difference_is_found_told_and_halts_the_desk(desk: TestDesk, by: str) -> None:
    credit(desk, by=by)
    assert not verifying.verify_ledger_job()
    assert Desk.objects.get().mode == "HALT"
    assert Desk.objects.get().mode_changed_by == "system"
    alert = Alert.objects.get(key__startswith="ledger")
    assert alert.severity == "CRITICAL"
    assert "binance USDT" in alert.body


def test_nobody_is_told_of_a_halt_that_did_not_come_about(desk: TestDesk) -> None:
    credit(desk, by="7")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE cycles_desk ADD CONSTRAINT t CHECK (mode <> 'HALT')")
    with pytest.raises(IntegrityError):
        verifying.verify_ledger_job()
    assert Desk.objects.get().mode == "RUN"
    assert not Alert.objects.filter(key__startswith="ledger").exists()


def test_a_difference_on_a_halted_desk_is_a_reason_that_nobody_has_seen_and_told_once(
    desk: TestDesk,
) -> None:
    seen = set_mode(Mode.HALT, actor=operator(), reason="maintenance").version
    credit(desk, by="7")
    assert not verifying.verify_ledger_job()
    with pytest.raises(StaleVersionError):
        set_mode(Mode.RUN, actor=operator(), reason="done", seen_version=seen)
    told = Desk.objects.get()
    assert told.mode_reason.startswith("the ledger cannot be explained: binance USDT")
    assert told.mode_reason.endswith("earlier, by alice: maintenance")
    assert not verifying.verify_ledger_job()
    assert Desk.objects.get().version == told.version
    credit(desk, by="8")
    assert not verifying.verify_ledger_job()
    more = Desk.objects.get()
    assert more.version == told.version + 1
    assert more.mode_reason.count("the ledger cannot be explained") == 1


def test_an_asset_the_ledger_never_heard_of_is_found(desk: TestDesk) -> None:
    credit(desk, "upbit", "ETH", "1")
    report = verifying.verify_ledger()
    assert not report.matches_venues
    assert [line.asset for line in report.lines if line.difference] == ["ETH"]


def test_a_venue_that_cannot_be_asked_proves_nothing_and_halts_nothing(desk: TestDesk) -> None:
    desk.fault(fault="F3", venue="binance", method="GET", path_regex="/account")
    assert not verifying.verify_ledger_job()
    assert Desk.objects.get().mode == "RUN"


def test_coins_in_flight_are_no_difference_before_and_after_they_arrive(desk: TestDesk) -> None:
    row = desk.open()
    give_back(units_until(desk, row, "WITHDRAW"))
    for _ in range(3):
        assert verifying.verify_ledger().matches_venues
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    assert verifying.verify_ledger().matches_venues


def test_coins_that_arrived_and_are_not_booked_yet_are_told_as_such(desk: TestDesk) -> None:
    row = desk.open()
    give_back(units_until(desk, row, "WITHDRAW"))
    wait_for_credit(desk)
    told = " ".join(Said("verify_ledger").out.split())
    assert "in flight, credited but not booked yet" in told
    assert told.endswith("matches the venues: differences are explained as shown")


def test_without_a_difference_nothing_needs_explaining(desk: TestDesk) -> None:
    said = Said("verify_ledger")
    assert (said.exit, said.out.rstrip().endswith("balances and matches the venues")) == (0, True)


def wait_for_credit(desk: TestDesk) -> None:
    """Wait until the receiving venue shows the coins."""
    deadline = time.monotonic() + 30
    while not registry.venue("upbit").balances().get("XRP"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_every_entry_sums_to_zero_per_asset_after_a_whole_cycle(desk: TestDesk) -> None:
    desk.drive_until(desk.open(), "COMPLETED")
    totals: dict[str, Decimal] = {}
    for entry in Entry.objects.select_related("account"):
        asset = entry.account.asset
        totals[asset] = totals.get(asset, Decimal(0)) + entry.quantity
    assert set(totals.values()) == {Decimal(0)}
    assert verifying.balance_problems() == ()


def test_the_profit_is_what_the_desk_has_more_at_the_end(desk: TestDesk) -> None:
    before, krw = balance("binance", "USDT"), balance("upbit", "KRW")
    row = desk.drive_until(desk.open(), "COMPLETED")
    gained = balance("binance", "USDT") - before
    rest = balance("upbit", "KRW") - krw
    assert row.realised_pnl_usdt is not None
    assert row.krw_per_usdt_at_open is not None
    assert row.realised_pnl_usdt == pytest.approx(
        gained + rest / row.krw_per_usdt_at_open, abs=Decimal(1)
    )  # dust
    in_krw = row.realised_pnl_usdt * row.krw_per_usdt_at_open
    assert row.realised_pnl_krw == pytest.approx(in_krw, abs=Decimal("0.01"))


def test_the_ledger_remembers_what_the_cycles_fees_were(desk: TestDesk) -> None:
    row = desk.drive_until(desk.open(), "COMPLETED")
    booked = booking.booked_since_open(row)
    fees = {(one.owner, one.asset) for one in booked if one.quantity > 0}
    assert {("TRADING_FEES", "XRP"), ("TRADING_FEES", "KRW")} <= fees
    assert any(owner == "NETWORK_FEES" for owner, _ in fees)


def test_a_cycle_that_completed_owns_nothing_and_risks_nothing(desk: TestDesk) -> None:
    row = desk.drive_until(desk.open(), "COMPLETED")
    assert not Account.objects.filter(cycle=row).exclude(balance=0).exists()
    assert row.money_at_risk_krw == 0


def test_two_cycles_at_once_share_the_desk_and_leave_it_whole(desk: TestDesk) -> None:
    set_policy(max_open_cycles=9, max_open_cycles_per_asset=9)
    rows = [desk.open("XRP", "700"), desk.open("SOL", "900")]
    for row in rows:
        desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    assert verifying.verify_ledger().matches_venues
    for row in reversed(rows):
        desk.drive_until(row, "COMPLETED")
    assert verifying.verify_ledger().matches_venues
    assert Cycle.objects.filter(status="COMPLETED").count() == 2


def test_what_the_venues_hold_beyond_the_desk_can_be_posted_as_capital(desk: TestDesk) -> None:
    credit(desk, by="500")
    lines = postings.moved(
        "binance", "USDT", Decimal(500), origin=AccountOwner.CAPITAL, target=AccountOwner.DESK
    )
    with transaction.atomic():
        booking.post("capital:more", PostingKind.CAPITAL, lines)
    assert verifying.verify_ledger().matches_venues
    held = registry.venue("binance").balances()["USDT"]
    assert held.free == balance("binance", "USDT")


# A worker's session that plans while statistics hold the table for empty: then every index seems as good as another.
YOUNG_DESK = """
    UPDATE pg_class SET reltuples = 0, relpages = 1 WHERE oid = 'cycles_account'::regclass;
    DISCARD PLANS; SET LOCAL enable_seqscan = off"""


def test_what_a_posting_reads_does_not_grow_with_the_accounts_of_other_cycles(
    desk: TestDesk,
) -> None:
    """By plans of a worker's session, which the first purchase makes, beside a few accounts that statistics know."""
    reads = []
    with connection.cursor() as cursor:
        cursor.execute(YOUNG_DESK)
    for others in (0, 0, 40):
        row = desk.open()
        if others:
            copying.copy_whole(row.pk, others)
            Cycle.objects.exclude(pk=row.pk).update(wake_at=Now() + timedelta(days=1))
        before = rows_read("cycles_account")
        give_back(units_until(desk, row, "WITHDRAW"))
        reads.append(rows_read("cycles_account") - before)
    assert reads[2] <= reads[1] + 10, reads  # the first opens the desk's own accounts
