"""What was written once stays: history, ledger, versions, the kind of the database."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.db.models import Model
from django.db.models.functions import Now

from cycles.domain.words import CallOutcome
from cycles.models import (
    Account,
    Cycle,
    Desk,
    Entry,
    ExchangeCall,
    Fill,
    Intervention,
    PolicyVersion,
    Posting,
    Retry,
    Transition,
)
from tests import builders
from tests.cycles.models.refusing import refused

pytestmark = pytest.mark.django_db

HISTORY: list[tuple[type[Model], dict[str, Any]]] = [
    (Transition, {"reason": "another"}),
    (Retry, {"error": "another"}),
    (Intervention, {"reason": "another"}),
    (Posting, {"memo": "another"}),
    (Entry, {"quantity": 7}),
    (Fill, {"price": 7}),
    (PolicyVersion, {"reason": "another"}),
]


@pytest.fixture
def row() -> Cycle:
    """Give a dead letter with a row in every history."""
    row = builders.dead_letter()
    call = builders.order_call(row)
    Fill.objects.create(
        cycle=row, call=call, venue="binance", market="XRP/USDT", side="buy", venue_fill_id="1",
        price=1, quantity=1, notional=1, fee_asset="XRP", at=Now(),
    )  # fmt: skip
    Intervention.objects.create(
        verb="redrive", cycle=row, actor="a", channel="api", reason="r", seen_version=1, at=Now()
    )
    return row


@pytest.mark.usefixtures("row")
@pytest.mark.parametrize(("model", "change"), HISTORY, ids=lambda one: getattr(one, "__name__", ""))
def test_history_is_neither_changed_nor_deleted(model: type[Model], change: dict[str, Any]) -> None:
    rows = model._default_manager.all()
    assert rows.exists()
    guard = f"{model._meta.db_table}_append_only"
    with refused(guard):
        rows.update(**change)
    with refused(guard):
        rows._raw_delete("default")


@pytest.mark.parametrize("table", ["cycles_cycle", "cycles_exchangecall", "cycles_account"])
def test_what_history_hangs_on_is_not_deleted(row: Cycle, table: str) -> None:
    with refused(f"{table}_append_only"), connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {table}")
    assert Cycle.objects.filter(pk=row.pk).exists()


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO cycles_legal_transition VALUES ('STARTED', 'COMPLETED')",
        "UPDATE cycles_legal_transition SET to_status = 'COMPLETED' WHERE to_status = 'FAILED'",
        "DELETE FROM cycles_legal_transition",
    ],
    ids=lambda change: change.split()[0],
)
def test_the_table_of_edges_is_changed_by_migrations_only(change: str) -> None:
    with refused("cycles_legal_transition_append_only"), connection.cursor() as cursor:
        cursor.execute(change)


def test_a_migration_that_says_so_adds_an_edge() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL kimp.adds_edges = 'on'")
        cursor.execute("INSERT INTO cycles_legal_transition VALUES ('STARTED', 'COMPLETED')")
        assert cursor.rowcount == 1
        cursor.execute("SET LOCAL kimp.adds_edges = ''")
    with refused("cycles_legal_transition_append_only"), connection.cursor() as cursor:
        cursor.execute("INSERT INTO cycles_legal_transition VALUES ('STARTED', 'DEAD')")


@pytest.mark.parametrize(
    "change",
    [
        {"request": {"quantity": "1"}},
        {"client_order_id": "another"},
        {"venue": "upbit"},
        {"fence": 99},
        {"intended_at": Now()},
        {"fingerprint": "1"},
        {"attempt": 9},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_was_asked_of_a_venue_never_changes(row: Cycle, change: dict[str, Any]) -> None:
    with refused("call_request_once"):
        ExchangeCall.objects.filter(cycle=row).update(**change)


@pytest.mark.parametrize("final", ["DONE", "REFUSED", "NOT_SENT", "ABSENT"])
@pytest.mark.parametrize("opened", ["INTENDED", "UNKNOWN"])
def test_an_outcome_is_written_once(opened: CallOutcome, final: str) -> None:
    row = builders.cycle()
    call = ExchangeCall.objects.filter(pk=builders.order_call(row, opened).pk)
    assert call.update(outcome=final) == 1
    for other in set(CallOutcome.values) - {final}:
        with refused("call_outcome_once"):
            call.update(outcome=other)


def test_an_unknown_outcome_is_not_forgotten() -> None:
    call = builders.order_call(builders.cycle(), CallOutcome.UNKNOWN)
    with refused("call_outcome_once"):
        ExchangeCall.objects.filter(pk=call.pk).update(outcome=CallOutcome.INTENDED)


def test_settled_is_for_ever() -> None:
    call = builders.order_call(builders.cycle(), is_settled=True)
    with refused("call_settled_once"):
        ExchangeCall.objects.filter(pk=call.pk).update(is_settled=False)


def test_a_database_is_of_its_kind_for_ever() -> None:
    builders.desk()
    with refused("desk_kind_for_ever"):
        Desk.objects.update(kind="LIVE")
    with refused("desk_kind_for_ever"):
        Desk.objects.all().delete()
    assert Desk.objects.update(mode="HALT") == 1


def test_an_account_stays_what_it_is() -> None:
    builders.capital("binance", "USDT", 5)
    with refused("account_identity"):
        Account.objects.update(asset="KRW")
