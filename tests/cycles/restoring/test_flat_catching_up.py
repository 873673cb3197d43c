"""Catching up reads what is open and what is newest, not the whole journal: a large desk is restored within a command's limits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from cycles.domain.plan import client_order_id
from cycles.domain.words import CallOutcome, FailureClass
from cycles.models import Cycle, ExchangeCall
from cycles.models.fields import uuid7
from cycles.services import catching_up, strangers
from cycles.services.recalling import History, Trace
from cycles.services.retraced import Retraced
from cycles.services.verifying import VenueLine
from exchanges import registry
from exchanges.values import Market, OrderRequest, Side, WithdrawalReport, WithdrawalStatus
from tests import builders, ended
from tests.cycles.restoring.acts import WORDS, catch_up
from tests.desk import TestDesk, operator

FEW, MANY = 300, 3000
XRP = Market("XRP", "USDT")
GROW = {
    "cycles_cycle", "cycles_step", "cycles_exchangecall", "cycles_transition", "cycles_posting", "cycles_entry",
}  # fmt: skip


def dead_with_a_call() -> Cycle:
    """Give a dead letter, which a request was sent for."""
    row = builders.dead_letter()
    builders.order_call(row, is_settled=True)
    return row


@pytest.mark.django_db
def test_how_far_back_to_ask_takes_as_many_pages_with_many_ended_cycles_as_with_few() -> None:
    builders.desk()
    template, found = dead_with_a_call(), []
    whole: set[str] = set()
    for number in (FEW, MANY):
        ended.plant_whole(template, number)
        ended.settle()
        pages, whole = ended.pages(lambda: catching_up._since(None))
        found.append(pages)
    assert not whole & GROW
    assert found[1] <= found[0] + 6, found


def test_a_whole_run_reads_no_table_whole_that_grows_with_cycles(desk: TestDesk) -> None:
    ended.plant_whole(dead_with_a_call(), MANY)
    ended.settle()
    for words in ((), WORDS):
        pages, whole = ended.pages(lambda words=words: catch_up(*words))  # type: ignore[misc]  # bound now
        assert not whole & GROW
        assert pages


@pytest.mark.django_db
def test_the_first_request_of_what_is_open_counts_whoever_came_first_and_not_what_has_ended() -> (
    None
):
    builders.desk()
    rows = [dead_with_a_call() for _ in range(3)]
    finished = builders.finished()
    builders.order_call(finished, is_settled=True)
    now = ExchangeCall.objects.latest("pk").intended_at
    ages = {rows[0]: 1, rows[1]: 3, rows[2]: 2, finished: 9}
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for row, hours in ages.items():
            row.calls.update(intended_at=now - timedelta(hours=hours))
        cursor.execute("SET LOCAL session_replication_role = origin")
    assert catching_up._since(now) == now - timedelta(hours=3) - catching_up.MARGIN


@pytest.mark.django_db
def test_a_desk_that_never_sent_anything_asks_from_its_first_posting_on() -> None:
    builders.desk()
    builders.cycle()
    with CaptureQueriesContext(connection) as seen:
        since = catching_up.default_since()
    first = builders.cycle().postings.model.objects.order_by("at")[0]
    assert since == first.at - catching_up.MARGIN
    assert all("LIMIT 1" in query["sql"] for query in seen.captured_queries)


def statements(work: Callable[[], object]) -> int:
    """Count what some work takes, and undo it."""
    before = connection.savepoint() or ""
    with CaptureQueriesContext(connection) as seen:
        work()
    connection.savepoint_rollback(before)
    return len(seen)


def bought_by_a_forgotten_cycle(at: Decimal) -> None:
    """Buy for a cycle that no journal knows."""
    own_id = client_order_id(uuid7(), position=1, attempt=1)
    request = OrderRequest(
        market=XRP, side=Side.BUY, quantity=Decimal(10), limit_price=at, client_order_id=own_id
    )
    registry.venue("binance").place_order(request)


def test_a_cycle_that_was_forgotten_takes_its_own_statements_and_nothing_else(
    desk: TestDesk,
) -> None:
    """Each is made again, and its requests are written, under savepoints: what does not fit stops no other."""
    # Is it there, its policy and route; the row, steps, account, posting and transition; the order and what it bought;
    # whether it has ended, and holds what another lacks; the dead letter, its worth and its alert.
    own = 52
    limit = registry.venue("binance").book(XRP).asks[0].price + 1
    counts = []
    for more in (2, 0, 10):  # the first also fills caches
        for _ in range(more):
            bought_by_a_forgotten_cycle(limit)
        counts.append(statements(lambda: catch_up(*WORDS)))
    assert counts[2] - counts[1] == 10 * own


@pytest.mark.django_db
def test_a_cycle_of_which_only_a_person_can_tell_takes_its_own_statements_and_nothing_else() -> (
    None
):
    """Its lock, its open request, and its dead letter: a transition, the cycle, its worth and an alert."""
    own = 8
    builders.desk()
    actor, counts = operator(), []
    for more in (2, 0, 10):
        for _ in range(more):
            builders.order_call(builders.cycle(usdt=100), CallOutcome.UNKNOWN)
        why = FailureClass.UNKNOWN_ORDER, "it may have been taken"
        undecided = dict.fromkeys(Cycle.objects.values_list("pk", flat=True), why)
        with transaction.atomic():
            counts.append(
                statements(lambda told=undecided: catching_up._park_undecided(told, actor))  # type: ignore[misc]  # bound now
            )
    assert counts[2] - counts[1] == 10 * own


def known_withdrawals(number: int) -> History:
    """Let a venue that keeps no ids of ours show withdrawals that the journal has."""
    now = registry.utc_now()
    history = History(since=now, balances={"binance": {}})
    for one in range(number):
        told = WithdrawalReport(
            venue="binance", venue_withdrawal_id=f"w{one}", client_withdrawal_id=None, asset="XRP", network="XRP",
            quantity=Decimal(9), network_fee=Decimal(1), status=WithdrawalStatus.DONE, txid=f"t{one}",
            address=None, created_at=now,
        )  # fmt: skip
        history.traces.append(Trace(venue="binance", report=told, name=None))
    return history


@pytest.mark.django_db
def test_whose_withdrawals_are_is_read_at_once_however_many_venues_show() -> None:
    builders.desk()
    zero, one = Decimal(0), Decimal(1)
    line = VenueLine(
        venue="binance", asset="XRP", ledger=zero, venue_free=one, venue_locked=zero, in_flight=zero,
        difference=one, is_explained=False,
    )  # fmt: skip
    for number in range(12):
        row = builders.dead_letter()
        builders.withdrawal_call(row, txid=f"t{number}", venue_order_id=f"w{number}")
    counts = []
    for number in (2, 12):
        done, history = Retraced(differences=[line]), known_withdrawals(number)
        with CaptureQueriesContext(connection) as seen:
            strangers.tell_strangers(history, done)
        assert done.left == []
        counts.append(len(seen))
    assert counts[0] == counts[1]
