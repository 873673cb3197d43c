"""What the business may rely on at every venue: over the simulator and over recorded payloads alike."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from exchanges.adapters.binance.client import BinanceVenue
from exchanges.adapters.bithumb.client import BithumbVenue
from exchanges.adapters.upbit.client import UpbitVenue
from exchanges.errors import OutcomeUnknownError
from exchanges.port import Venue
from exchanges.registry import utc_now
from exchanges.simulator.server import RunningSimulator, start_in_thread
from exchanges.transport.plain import get_json
from exchanges.transport.wire import Keys
from exchanges.values import (
    ZERO,
    DepositAddress,
    Market,
    OrderKey,
    OrderReport,
    OrderRequest,
    OrderStatus,
    Side,
    WithdrawalReport,
    WithdrawalRequest,
)
from tests.exchanges.adapters.recorded_routes import RECORDED, behaviours
from tests.exchanges.payloads import handmade_error
from tests.exchanges.raw_server import by_path, reply, serving

ADAPTERS: dict[str, type[UpbitVenue | BithumbVenue | BinanceVenue]] = {
    "upbit": UpbitVenue,
    "bithumb": BithumbVenue,
    "binance": BinanceVenue,
}
QUOTES = {"upbit": "KRW", "bithumb": "KRW", "binance": "USDT"}
KOREA: dict[str, type[UpbitVenue | BithumbVenue]] = {"upbit": UpbitVenue, "bithumb": BithumbVenue}
KEYS = Keys(access="kimp-test-access", secret="kimp-test-secret")
LONG_AGO = datetime(2019, 1, 1, tzinfo=UTC)


@dataclass
class Case:
    """One venue on one backend, with an order it knows and one that it does not."""

    venue: Venue
    market: Market
    asset: str
    network: str
    known_id: str

    def final_order(self) -> OrderReport:
        return until_final(self.venue, self.market, self.known_id)


def until_final(venue: Venue, market: Market, client_order_id: str) -> OrderReport:
    """Read until final; a read that is unknown (an order not ready yet) is read again, never absence."""
    ends_at = time.monotonic() + 10
    while time.monotonic() < ends_at:
        with contextlib.suppress(OutcomeUnknownError):
            report = venue.order(market, client_order_id=client_order_id)
            assert report is not None
            if report.is_final:
                return report
        time.sleep(0.02)
    raise AssertionError("the order never became final")


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    with start_in_thread(seed=7, speed=100) as running:
        # What is held is asserted at once here; reads that trail are F15's and the simulator's own.
        running.simulator.world.settings.read_lag_wall_ms = {}
        yield running


def simulated(running: RunningSimulator, code: str) -> Venue:
    _, document = get_json(f"{running.control_url}/control/accounts", 5)
    row = document["accounts"][code]
    keys = Keys(access=row["access_key"], secret=row["secret_key"])
    return ADAPTERS[code](base_url=row["base_url"], keys=keys, clock=utc_now)


def buy(venue: Venue, market: Market, client_order_id: str, quantity: Decimal) -> OrderReport:
    rules, book = venue.market_rules(market), venue.book(market)
    step = rules.price_step(book.asks[0].price)
    limit = (book.asks[0].price * Decimal("1.02") // step) * step
    request = OrderRequest(
        market=market,
        side=Side.BUY,
        quantity=quantity,
        limit_price=limit,
        client_order_id=client_order_id,
    )
    return venue.place_order(request)


@pytest.fixture(
    params=[f"{code} {backend}" for backend in ("simulated", "recorded") for code in ADAPTERS]
)
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    code, backend = request.param.split()
    if backend == "simulated":
        running: RunningSimulator = request.getfixturevalue("simulator")
        venue = simulated(running, code)
        market = Market("XRP", QUOTES[code])
        known_id = f"k{time.monotonic_ns()}"
        buy(venue, market, known_id, Decimal(20))
        yield Case(venue, market, "XRP", "XRP", known_id)
        venue.close()
        return
    routes, market, network = RECORDED[code]
    with serving(by_path(behaviours(routes))) as server:
        venue = ADAPTERS[code](base_url=server.url, keys=KEYS, clock=utc_now)
        yield Case(venue, market, "XRP", network, "kimp-1")
        venue.close()


def test_a_book_is_best_first_positive_and_no_deeper_than_asked(case: Case) -> None:
    book = case.venue.book(case.market, depth=5)
    bids, asks = [row.price for row in book.bids], [row.price for row in book.asks]
    assert bids == sorted(bids, reverse=True)
    assert asks == sorted(asks)
    assert 1 <= len(bids) <= 5
    assert bids[0] < asks[0]
    assert all(row.quantity > 0 for row in (*book.bids, *book.asks))
    assert (book.venue, book.market) == (case.venue.code, case.market)


def test_rules_hold_for_the_markets_own_prices(case: Case) -> None:
    rules = case.venue.market_rules(case.market)
    price = case.venue.book(case.market).asks[0].price
    assert price % rules.price_step(price) == 0
    assert rules.quantity_step > 0
    assert rules.minimum_notional > 0
    assert 0 < rules.taker_fee_rate < 1
    assert rules.is_open
    assert (rules.venue, rules.market) == (case.venue.code, case.market)


def test_network_rules_come_one_row_per_network(case: Case) -> None:
    rows = case.venue.network_rules(case.asset)
    assert case.network in [row.network for row in rows]
    assert len({row.network for row in rows}) == len(rows)
    assert min(row.withdraw_fee for row in rows) >= 0
    assert min(row.withdraw_step for row in rows) > 0
    assert case.venue.network_rules("NONE") == ()


def test_balances_are_exact_and_named(case: Case) -> None:
    held = case.venue.balances()
    assert held != {}
    assert all(name == row.asset for name, row in held.items())
    assert all(isinstance(row.free, Decimal) for row in held.values())
    assert min(row.free for row in held.values()) >= 0


def test_an_order_becomes_final_with_every_fill_and_its_fee(case: Case) -> None:
    report = case.final_order()
    assert report.status in {OrderStatus.FILLED, OrderStatus.CLOSED}
    assert report.client_order_id == case.known_id
    assert isinstance(report.venue_order_id, str)
    assert report.executed_quantity > 0
    assert sum((fill.quantity for fill in report.fills), ZERO) == report.executed_quantity
    assert all(fill.notional == fill.price * fill.quantity for fill in report.fills)
    assert all(fill.fee > 0 and fill.fee_asset for fill in report.fills)
    assert len({fill.venue_fill_id for fill in report.fills}) == len(report.fills)


def test_our_deposit_address_names_its_network(case: Case) -> None:
    found = case.venue.deposit_address(case.asset, network=case.network)
    assert found is not None
    assert (found.venue, found.asset, found.network) == (
        case.venue.code,
        case.asset,
        case.network,
    )
    assert found.address
    assert found.memo != ""


def test_the_allow_list_is_the_assets_own(case: Case) -> None:
    rows = case.venue.withdrawal_addresses(case.asset)
    assert rows
    assert {row.asset for row in rows} == {case.asset}


def test_listings_say_what_every_network_of_an_asset_is_called(case: Case) -> None:
    rows = [one for one in case.venue.listings() if one.symbol == case.asset]
    networks = {row.network for row in case.venue.network_rules(case.asset)}
    assert {row.network for row in rows} == networks
    assert {row.venue for row in rows} == {case.venue.code}
    assert all(row.network_title for row in rows)
    told = {row.contract is None for row in rows}
    assert told == {case.venue.code in KOREA}  # they tell no contracts


def test_transfers_are_listed_newest_first(case: Case) -> None:
    for rows in (
        case.venue.withdrawals(case.asset, since=LONG_AGO),
        case.venue.deposits(case.asset, since=LONG_AGO),
    ):
        instants = [row.created_at for row in rows if row.created_at is not None]
        assert instants == sorted(instants, reverse=True)
        assert all(row.quantity > 0 and row.venue == case.venue.code for row in rows)


def test_a_key_says_as_much_of_itself_as_the_venue_tells(case: Case) -> None:
    told = case.venue.key_report()
    assert told.venue == case.venue.code
    is_korean = case.venue.code in KOREA  # those tell its end, and nothing of its scopes
    assert (told.expires_at is not None) is is_korean
    assert (told.may_trade is None, told.may_withdraw is None) == (is_korean, is_korean)


def test_several_orders_are_looked_up_by_our_ids_and_an_unknown_one_is_left_out(case: Case) -> None:
    final = case.final_order()
    keys = [OrderKey(market=case.market, client_order_id=one) for one in (case.known_id, "never")]
    (found,) = case.venue.orders(keys, since=utc_now() - timedelta(minutes=10))
    assert found.client_order_id == case.known_id
    assert (found.venue_order_id, found.market) == (final.venue_order_id, case.market)
    assert (found.status, found.executed_quantity) == (final.status, final.executed_quantity)
    assert not found.is_final, "a list shows no fills, so nothing may be settled by it"
    assert found.detail


def test_our_orders_since_an_instant_are_listed_whoever_remembers_their_ids(case: Case) -> None:
    final = case.final_order()
    assert final.created_at is not None
    rows = case.venue.orders_since([case.market], since=final.created_at)
    (found,) = [row for row in rows if row.client_order_id == case.known_id]
    assert (found.venue_order_id, found.market) == (final.venue_order_id, case.market)
    assert (found.side, found.status) == (final.side, final.status)
    assert (found.quantity, found.executed_quantity) == (final.quantity, final.executed_quantity)
    assert found.created_at == final.created_at


def test_transfers_of_the_whole_account_are_those_of_every_asset(case: Case) -> None:
    pairs = (
        (case.venue.all_withdrawals(since=LONG_AGO), case.venue.withdrawals),
        (case.venue.all_deposits(since=LONG_AGO), case.venue.deposits),
    )
    for listed, of_asset in pairs:
        assets = {row.asset for row in listed.rows} | {case.asset}
        apart = [row for asset in sorted(assets) for row in of_asset(asset, since=LONG_AGO)]
        assert sorted(listed.rows, key=str) == sorted(apart, key=str)
        instants = [row.created_at for row in listed.rows if row.created_at is not None]
        assert instants == sorted(instants, reverse=True)
        assert (listed.unreadable, listed.calls) == (frozenset(), 1)


def test_the_venues_clock_is_aware(case: Case) -> None:
    assert case.venue.server_time().utcoffset() == timedelta(0)


@pytest.mark.parametrize("code", ADAPTERS)
def test_an_order_the_venue_does_not_know_is_none(simulator: RunningSimulator, code: str) -> None:
    venue, market = simulated(simulator, code), Market("XRP", QUOTES[code])
    assert venue.order(market, client_order_id="never-sent") is None
    venue.cancel_order(market, client_order_id="never-sent")
    venue.close()


@pytest.mark.parametrize("code", KOREA)
def test_the_recorded_unknown_order_is_none(code: str) -> None:
    status, body = handmade_error(code, "notfound")
    with serving(by_path({"GET /v1/order": reply(body, status=status)})) as server:
        venue = KOREA[code](base_url=server.url, keys=KEYS, clock=utc_now)
        assert venue.order(Market("BTC", "KRW"), client_order_id="kimp-1") is None
        venue.close()


@pytest.mark.parametrize("code", KOREA)
def test_coins_bought_on_one_venue_arrive_and_sell_on_the_other(
    simulator: RunningSimulator, code: str
) -> None:
    """Every unit is accounted for: bought less the fee, sent less the fee, credited, sold."""
    world, korea = simulated(simulator, "binance"), simulated(simulator, code)
    market, sold_at = Market("SOL", "USDT"), Market("SOL", "KRW")
    before = world.balances()["USDT"].free
    buy(world, market, f"kround-{code}", Decimal("2.0"))
    bought = until_final(world, market, f"kround-{code}")
    fees = sum((fill.fee for fill in bought.fills), ZERO)
    paid = sum((fill.notional for fill in bought.fills), ZERO)
    held = world.balances()
    assert {fill.fee_asset for fill in bought.fills} == {"SOL"}
    assert held["SOL"].free == bought.executed_quantity - fees
    assert held["USDT"].free == before - paid

    sent = send_all(world, korea, "SOL", f"kwround-{code}")
    (listed,) = find_withdrawals(world, "SOL", f"kwround-{code}")
    assert (listed.quantity, listed.network_fee) == (sent.quantity, sent.network_fee)
    assert world.balances().get("SOL") is None

    krw = korea.balances()["KRW"].free
    rules, book = korea.market_rules(sold_at), korea.book(sold_at)
    step = rules.price_step(book.bids[0].price)
    korea.place_order(
        OrderRequest(
            market=sold_at,
            side=Side.SELL,
            quantity=sent.quantity // rules.quantity_step * rules.quantity_step,
            limit_price=(book.bids[0].price * Decimal("0.98") // step) * step,
            client_order_id="kround2",
        )
    )
    sold = until_final(korea, sold_at, "kround2")
    got = sum((fill.notional - fill.fee for fill in sold.fills), ZERO)
    assert sold.executed_quantity == sent.quantity
    assert korea.balances()["KRW"].free == krw + got
    world.close()
    korea.close()


@pytest.mark.parametrize("code", KOREA)
def test_coins_bought_in_korea_are_sent_to_the_venue_abroad(
    simulator: RunningSimulator, code: str
) -> None:
    """A Korean withdrawal has no id of ours: it is known by what it moved, where to, and what it cost."""
    korea, world = simulated(simulator, code), simulated(simulator, "binance")
    krw = korea.balances()["KRW"].free
    buy(korea, Market("ETH", "KRW"), "kback", Decimal("0.5"))
    bought = until_final(korea, Market("ETH", "KRW"), "kback")
    cost = sum((fill.notional + fill.fee for fill in bought.fills), ZERO)
    assert {fill.fee_asset for fill in bought.fills} == {"KRW"}
    assert korea.balances()["KRW"].free == krw - cost
    assert korea.balances()["ETH"].free == bought.executed_quantity

    sent = send_all(korea, world, "ETH", "kwback")
    listed = korea.withdrawals("ETH", since=utc_now() - timedelta(hours=1))
    assert [(row.quantity, row.network_fee) for row in listed] == [
        (sent.quantity, sent.network_fee)
    ]
    assert listed[0].venue_withdrawal_id == sent.venue_withdrawal_id
    assert listed[0].txid
    for whole in (korea.all_withdrawals(since=LONG_AGO), world.all_deposits(since=LONG_AGO)):
        assert "ETH" in {row.asset for row in whole.rows}
    left = korea.balances().get("ETH")
    assert left is None or left.free + left.locked == 0
    korea.close()
    world.close()


def send_all(venue: Venue, to: Venue, asset: str, client_id: str) -> WithdrawalReport:
    """Send all of an asset to our address at the other venue, and see it credited there to the unit."""
    (network,) = [row for row in venue.network_rules(asset) if row.network == asset]
    address = to.deposit_address(asset, network=asset)
    assert address is not None
    known = {row.venue_deposit_id for row in to.deposits(asset, since=LONG_AGO)}
    quantity = venue.balances()[asset].free - network.withdraw_fee
    sent = venue.withdraw(
        WithdrawalRequest(
            destination=address,
            quantity=quantity,
            network_fee=network.withdraw_fee,
            client_withdrawal_id=client_id,
        )
    )
    assert (sent.quantity, sent.network_fee) == (quantity, network.withdraw_fee)
    assert until_credited(to, address, known) == quantity
    return sent


def until_credited(venue: Venue, to: DepositAddress, known: set[str]) -> Decimal:
    ends_at = time.monotonic() + 30
    while time.monotonic() < ends_at:
        rows = venue.deposits(to.asset, since=utc_now() - timedelta(hours=1))
        new = [row for row in rows if row.venue_deposit_id not in known]
        done = [row for row in new if row.status == "credited" and row.network == to.network]
        if done:
            return done[0].quantity
        time.sleep(0.05)
    raise AssertionError("the deposit was never credited")


def find_withdrawals(venue: Venue, asset: str, client_id: str) -> list[WithdrawalReport]:
    rows = venue.withdrawals(asset, since=utc_now() - timedelta(hours=1))
    return [row for row in rows if row.client_withdrawal_id == client_id]
