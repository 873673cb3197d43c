"""A cycle's P&L is what its postings gave the desk less what they took, whatever the desk paid on the way."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.db.models import Sum
from django.db.models.functions import Now

from cycles.domain import postings
from cycles.domain.words import AccountOwner, FailureClass, PostingKind
from cycles.models import Cycle, Entry, Fill
from cycles.services import booking, opening, resolving, settling, valuing
from cycles.services.locking import lock_cycle
from cycles.services.resolving import Resolution, ResolutionOutcome
from exchanges.models import MarketRule
from exchanges.values import FillReport, Market, OrderReport, OrderStatus, Side
from tests import builders
from tests.benchmarks import copying
from tests.cycles.services.acts import fail, give_back, rows_read, set_policy, units_until
from tests.cycles.services.test_fault_transfers import bought
from tests.desk import TestDesk, operator

OWN = (AccountOwner.DESK, AccountOwner.DUST)
NEARLY = Decimal("0.00000002")  # it is rounded
BOOKS = ("cycles_account", "cycles_entry", "cycles_posting")
# A session that plans while statistics hold the books for empty: then every index seems as good as another.
YOUNG_BOOKS = """
    UPDATE pg_class SET reltuples = 0, relpages = 1 WHERE relname IN ('cycles_account', 'cycles_entry', 'cycles_posting');
    DISCARD PLANS; SET LOCAL enable_seqscan = off"""


def desks_entries(row: Cycle, *kinds: PostingKind) -> dict[tuple[str, str], Decimal]:
    """Give what the cycle's postings of some kinds gave the desk, or took, by place and asset."""
    rows = Entry.objects.filter(
        posting__cycle=row, account__owner__in=OWN, posting__kind__in=kinds or PostingKind.values
    ).values_list("account__venue", "account__asset")
    return {(venue, asset): total for venue, asset, total in rows.annotate(total=Sum("quantity"))}


def worth(row: Cycle, entries: dict[tuple[str, str], Decimal]) -> Decimal:
    """Value them in USDT, by hand, at the prices of the end."""
    prices, total = valuing.prices_for(row), Decimal(0)
    for (venue, asset), quantity in entries.items():
        price = {"USDT": Decimal(1), "KRW": 1 / (prices.krw_per_usdt or Decimal(1))}.get(asset)
        if price is None and venue == "binance":
            price = prices.world[asset]
        if price is None:
            price = prices.korea[asset] / (prices.krw_per_usdt or Decimal(1))
        total += quantity * price
    return total


def assert_borne(row: Cycle, *, paid_in: tuple[str, str] | None) -> None:
    """Check that the P&L is all that the desk got and paid, and that it paid for the cycle there, or nothing at all."""
    paid = desks_entries(row, PostingKind.FILL, PostingKind.SENT)
    assert paid.keys() == ({paid_in} if paid_in else set())
    assert all(quantity < 0 for quantity in paid.values())
    assert row.realised_pnl_usdt == pytest.approx(worth(row, desks_entries(row)), abs=NEARLY)


def test_a_cycle_for_which_the_desk_paid_nothing_earns_what_it_gave_back(desk: TestDesk) -> None:
    row = desk.drive_until(desk.open(), "COMPLETED")
    assert_borne(row, paid_in=None)
    back = desks_entries(row, PostingKind.CLOSE)
    assert row.realised_pnl_usdt == pytest.approx(worth(row, back) - row.notional_usdt, abs=NEARLY)


def test_f32_a_withdrawal_fee_that_the_desk_paid_is_borne_by_the_cycle(desk: TestDesk) -> None:
    row = desk.drive_until(bought(desk), "INITIAL_TRADE_COMPLETED")
    give_back(units_until(desk, row, "BUY", "upbit"))
    asset = Cycle.objects.get(pk=row.pk).return_asset
    desk.control("/control/balances", {"venue": "upbit", "asset": asset, "credit": "1000"})
    builders.capital("upbit", asset, 1000)
    desk.fault(fault="F32", venue="upbit", when="once")
    desk.drive_until(row, "COMPLETED")
    assert_borne(row, paid_in=("upbit", asset))


def test_a_korean_fee_above_the_rate_that_is_stored_is_borne_by_the_cycle(desk: TestDesk) -> None:
    set_policy(max_slippage_bps=Decimal(0), min_rebalance_edge_bps=Decimal(-5000))
    MarketRule.objects.filter(venue="upbit").update(taker_fee_rate=0)
    desk.sample()
    row = opening.open_return_only(
        notional_krw=Decimal(3_000_000), actor=operator(), reason="a test"
    )
    desk.drive_until(row, "COMPLETED")
    paid = desks_entries(row, PostingKind.FILL, PostingKind.SENT)
    assert paid["upbit", "KRW"] < 0
    assert row.krw_per_usdt_at_open is not None
    # What it took at the beginning counts at the rate of then.
    since = desks_entries(row, *set(PostingKind) - {PostingKind.OPEN})
    taken = row.notional_krw / row.krw_per_usdt_at_open
    assert row.realised_pnl_usdt == pytest.approx(worth(row, since) - taken, abs=NEARLY)


def holding_bnb(quantity: str) -> Cycle:
    """Open a cycle of 1000 USDT that owns BNB besides, at a desk that has 1 BNB and a price for it."""
    builders.sample("BNB", global_bid=Decimal(600), krw_per_usdt_bid=Decimal(1400))
    builders.capital("binance", "BNB", 1)
    row = builders.cycle("BNB", usdt=1000, notional_krw=0)
    lines = postings.moved(
        "binance", "BNB", Decimal(quantity), origin=AccountOwner.CAPITAL, target=AccountOwner.CYCLE
    )
    booking.post("coins", PostingKind.FILL, lines, cycle=row)
    row.refresh_from_db()
    return row


def traded(row: Cycle, market: Market, side: Side, quantity: str, notional: str) -> None:
    """Book an order whose fee of 0.001 the venue took in BNB."""
    call = builders.order_call(row, venue_order_id="1")
    fill = FillReport(
        venue_fill_id="1", price=Decimal(notional) / Decimal(quantity), quantity=Decimal(quantity),
        notional=Decimal(notional), fee=Decimal("0.001"), fee_asset="BNB", at=row.started_at,
    )  # fmt: skip
    report = OrderReport(
        venue="binance", market=market, side=side, venue_order_id="1",
        client_order_id=call.client_order_id, status=OrderStatus.FILLED, quantity=fill.quantity,
        executed_quantity=fill.quantity, fills=(fill,), created_at=None,
    )  # fmt: skip
    with transaction.atomic():
        settling.settle_order(lock_cycle(row.pk), call, report)
    row.refresh_from_db()


def ended(row: Cycle) -> Cycle:
    """Let a person end a cycle with what it holds."""
    row = fail(row, FailureClass.BUG)
    resolving.resolve(
        row.pk, actor=operator(), reason="r", seen_version=row.version,
        resolution=Resolution(outcome=ResolutionOutcome.COMPLETED, evidence="#7"),
    )  # fmt: skip
    row.refresh_from_db()
    return row


@pytest.mark.django_db
def test_a_fee_in_the_coin_that_was_sold_to_the_last_is_borne_by_the_cycle() -> None:
    row = holding_bnb("2")
    traded(row, Market("BNB", "USDT"), Side.SELL, "2", "1200")
    row = ended(row)
    assert desks_entries(row, PostingKind.FILL) == {("binance", "BNB"): Decimal("-0.001")}
    assert row.realised_pnl_usdt == 1200 - Decimal("0.6")


@pytest.mark.django_db
def test_a_fee_in_a_third_asset_is_charged_once_and_as_far_as_the_desk_paid_it() -> None:
    row = holding_bnb("0.0004")
    traded(row, Market("XRP", "USDT"), Side.BUY, "50", "100")
    builders.sample("XRP", global_bid=Decimal(2))
    row = ended(row)
    assert desks_entries(row, PostingKind.FILL) == {("binance", "BNB"): Decimal("-0.0006")}
    assert row.realised_pnl_usdt == Decimal("-0.36")


@pytest.mark.django_db
def test_who_gives_a_cycle_up_counts_what_the_desk_paid_for_it_too() -> None:
    row = holding_bnb("0.0004")
    traded(row, Market("XRP", "USDT"), Side.BUY, "50", "100")
    row = fail(row, FailureClass.BUG)
    resolving.write_off(row.pk, actor=operator(), reason="lost", seen_version=row.version)
    row.refresh_from_db()
    assert row.realised_pnl_usdt == Decimal("-1000.36")


def test_what_it_reads_does_not_grow_with_the_books_of_other_cycles(desk: TestDesk) -> None:
    row = desk.open()
    give_back(units_until(desk, row, "WITHDRAW"))
    with connection.cursor() as cursor:
        cursor.execute(YOUNG_BOOKS)
    reads = []
    for others in (0, 40):
        copying.copy_whole(row.pk, others)
        before = sum(map(rows_read, BOOKS))
        assert booking.booked_since_open(row)
        reads.append(sum(map(rows_read, BOOKS)) - before)
    assert reads[0] == reads[1] > 0


def lent(row: Cycle, venue: str, asset: str, quantity: str) -> None:
    """Let the desk pay something to a cycle there, as where a venue took too much."""
    builders.capital(venue, asset, Decimal(quantity))
    lines = postings.moved(
        venue, asset, Decimal(quantity), origin=AccountOwner.DESK, target=AccountOwner.CYCLE
    )
    booking.post(f"lent:{asset}", PostingKind.SENT, lines, cycle=row)


@pytest.mark.django_db
def test_what_the_desk_paid_and_got_back_needs_no_price() -> None:
    row = builders.cycle(usdt=1000, notional_krw=0)
    lent(row, "binance", "BNB", "0.001")
    assert ended(row).realised_pnl_usdt == 0


@pytest.mark.django_db
def test_won_that_the_desk_paid_without_any_rate_leave_the_profit_unknown() -> None:
    row = builders.cycle(usdt=1000, notional_krw=0, krw_per_usdt_at_open=None)
    lent(row, "upbit", "KRW", "500")
    spent = postings.moved(
        "upbit", "KRW", Decimal(500), origin=AccountOwner.CYCLE, target=AccountOwner.TRADING_FEES
    )
    booking.post("fee", PostingKind.FILL, spent, cycle=row)
    Fill.objects.create(
        cycle=row, call=builders.order_call(row, is_settled=True), venue="upbit", market="XRP/KRW", side="buy",
        venue_fill_id="1", price=2000, quantity=500, notional=1_000_000, fee=500, fee_asset="KRW",
        at=Now(),
    )  # fmt: skip
    row.refresh_from_db()
    assert ended(row).realised_pnl_usdt is None
