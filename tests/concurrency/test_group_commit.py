"""What many threads want written at one moment shares a transaction, and nobody pays for another's trouble."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from django.db import IntegrityError, InterfaceError, OperationalError, connection, transaction
from django.db.models.functions import Now

from cycles.domain.words import CallOutcome, Role
from cycles.errors import DatabaseBusyError, LeaseLostError
from cycles.models import Account, Cycle, ExchangeCall, Step
from cycles.services import committing, leasing, settling, stepping
from cycles.services.committing import Group
from cycles.services.locking import MODE_LOCK, lock_cycle, own_mode
from cycles.services.moving import Lease
from cycles.services.standing import LastSeen
from exchanges.models import RegisteredAddress
from tests import builders
from tests.concurrency.meeting import SECONDS, until_somebody_waits
from tests.concurrency.orders import filled, intend
from tests.desk import eventually

pytestmark = pytest.mark.concurrency

Write = Callable[[Sequence[str]], Sequence[str | None]]


@pytest.fixture(autouse=True)
def _nobody_loses_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committing, "PATIENCE_SECONDS", SECONDS)


class Desk:
    """A group whose first write waits until it is let go; what comes meanwhile queues."""

    def __init__(self, write: Write, of: Callable[[str], object] = lambda row: row) -> None:
        self.writes: list[list[str]] = []
        self.waited: list[str] = []  # alone, for whoever had them locked
        self.may_go = threading.Event()
        self._write = write
        self.group: Group[str, str] = Group(self._held, of=of)

    def _held(self, rows: Sequence[str], *, waits: bool) -> Sequence[str | None]:
        self.writes.append(list(rows))
        self.waited += list(rows) if waits else []
        if len(self.writes) == 1:
            assert self.may_go.wait(SECONDS)
        return self._write(rows)

    def bring(self, *rows: str) -> dict[str, Future[str]]:
        """Bring the first row, then the others while it is written; gives what became of each."""
        pool = ThreadPoolExecutor(len(rows))
        tasks = {rows[0]: pool.submit(self.group, rows[0])}
        eventually(lambda: self.writes == [[rows[0]]])
        tasks |= {row: pool.submit(self.group, row) for row in rows[1:]}
        eventually(lambda: len(self.group.waiting) == len(rows) - 1)
        self.may_go.set()
        pool.shutdown(wait=True)
        return tasks


def test_what_comes_while_one_is_written_is_written_together() -> None:
    desk = Desk(lambda rows: [f"{row} stands" for row in rows])
    told = desk.bring("a", "b", "c", "d")
    assert [set(rows) for rows in desk.writes] == [{"a"}, {"b", "c", "d"}]
    assert {row: task.result() for row, task in told.items()} == {
        row: f"{row} stands" for row in "abcd"
    }


def test_who_meets_trouble_while_it_waits_leaves_nobody_behind_it_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is the next to lead."""
    desk, has_raised = Desk(list), threading.Event()

    def lend() -> None:
        if not has_raised.is_set():
            has_raised.set()
            raise InterfaceError("its connection cannot be given back")

    monkeypatch.setattr(committing, "lend_connection", lend)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(desk.group, "a")
        eventually(lambda: desk.writes == [["a"]])
        second = pool.submit(desk.group, "b")
        assert has_raised.wait(SECONDS)
        third = pool.submit(desk.group, "c")
        eventually(lambda: len(desk.group.waiting) == 2)
        desk.may_go.set()
        assert (first.result(SECONDS), third.result(SECONDS)) == ("a", "c")
        assert isinstance(second.exception(SECONDS), InterfaceError)


def test_who_comes_alone_is_written_at_once_alone() -> None:
    desk = Desk(list)
    desk.may_go.set()
    assert [desk.group("a"), desk.group("b")] == ["a", "b"]
    assert (desk.writes, desk.waited) == ([["a"], ["b"]], [])


def test_a_row_that_is_refused_takes_no_other_with_it() -> None:
    def write(rows: Sequence[str]) -> Sequence[str]:
        if "bad" in rows:
            raise IntegrityError("refused")
        return list(rows)

    told = Desk(write).bring("a", "b", "bad", "c")
    assert [told[row].result() for row in "abc"] == ["a", "b", "c"]
    assert isinstance(told["bad"].exception(), IntegrityError)


def test_a_row_that_is_locked_elsewhere_waits_alone() -> None:
    desk = Desk(lambda rows: [None if row == "locked" and len(rows) > 1 else row for row in rows])
    told = desk.bring("a", "b", "locked", "c")
    assert {row: task.result() for row, task in told.items()} == {
        row: row for row in ("a", "b", "locked", "c")
    }
    assert (desk.writes[-1], desk.waited) == (["locked"], ["locked"])


@pytest.mark.parametrize("company", [(), ("b",)])
def test_nobody_waits_for_the_lock_of_another(company: tuple[str, ...]) -> None:
    """Whoever leads, alone or among others: its own row keeps nobody's waiting."""
    is_free = threading.Event()

    def write(rows: Sequence[str], *, waits: bool) -> Sequence[str | None]:
        if waits:
            assert is_free.wait(SECONDS)
        return [row if waits or row != "locked" else None for row in rows]

    group: Group[str, str] = Group(write, of=str)
    with ThreadPoolExecutor(3) as pool:
        kept, *_ = [pool.submit(group, row) for row in ("locked", *company)]
        later = pool.submit(group, "c")
        assert later.result(SECONDS) == "c"
        assert not kept.done()
        is_free.set()
        assert kept.result(SECONDS) == "locked"


def test_two_rows_of_one_kind_are_written_one_after_the_other() -> None:
    desk = Desk(list, of=lambda row: row[0])
    told = desk.bring("a", "b1", "b2", "c", "b3")
    assert {row: task.result() for row, task in told.items()} == {row: row for row in told}
    together, *alone = desk.writes[1:]
    assert {row[0] for row in together} == {"b", "c"}
    assert sorted(map(len, alone)) == [1, 1]
    assert sorted(desk.waited) == sorted(row for rows in alone for row in rows)


def test_when_the_database_goes_away_in_a_write_every_row_of_it_hears_so() -> None:
    def write(rows: Sequence[str]) -> Sequence[str]:
        if len(rows) > 1:
            raise OperationalError("the connection was lost")
        return list(rows)

    told = Desk(write).bring("a", "b", "c")
    assert told["a"].result() == "a"
    assert [type(told[row].exception()) for row in "bc"] == [OperationalError, OperationalError]


@pytest.mark.parametrize("error", [DatabaseBusyError("locked"), KeyError("nobody foresaw it")])
def test_whatever_else_stops_a_write_reaches_everybody_in_it(error: Exception) -> None:
    def write(rows: Sequence[str]) -> Sequence[str]:
        if len(rows) > 1:
            raise error
        return list(rows)

    told = Desk(write).bring("a", "b", "c")
    assert [told[row].exception() for row in "bc"] == [error, error]


def transactions_of_intents() -> int:
    """Count the transactions that wrote the journal's rows."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(DISTINCT xmin::text) FROM cycles_exchangecall")
        count: int = cursor.fetchone()[0]
    return count


@pytest.mark.django_db(transaction=True)
def test_intents_of_many_cycles_share_a_commit() -> None:
    builders.right_clocks()
    builders.desk()
    for _ in range(6):
        builders.cycle()
    leases = leasing.claim(Role.INITIATOR, "w", limit=6)
    with ThreadPoolExecutor(6) as pool:
        with transaction.atomic():
            own_mode()  # whoever writes waits here
            first = pool.submit(intend, leases[0])
            until_somebody_waits()
            tasks = [first, *(pool.submit(intend, lease) for lease in leases[1:])]
            eventually(lambda: len(stepping.intend_together.waiting) == 5)
        calls = [task.result(SECONDS) for task in tasks]
    assert {call.cycle_id for call in calls} == {lease.cycle_id for lease in leases}
    rows = ExchangeCall.objects.in_bulk([call.pk for call in calls])
    assert [rows[call.pk].cycle_id for call in calls] == [lease.cycle_id for lease in leases]
    assert {row.outcome for row in rows.values()} == {CallOutcome.INTENDED}
    assert transactions_of_intents() == 2


@pytest.mark.django_db(transaction=True)
def test_who_lost_its_lease_is_not_given_the_intent_of_who_has_it_now() -> None:
    """Two threads of one process: the first slept past its lease, and the cycle was claimed anew.

    `make chaos` found it: the first noted as not sent what the second was sending, and it was sent again.
    """
    builders.right_clocks()
    builders.desk()
    for _ in range(2):
        builders.cycle()
    other, lost = leasing.claim(Role.INITIATOR, "w", limit=2)
    Cycle.objects.filter(pk=lost.cycle_id).update(lease_expires_at=Now())
    (newest,) = leasing.claim(Role.INITIATOR, "w", limit=2)
    assert newest == replace(lost, fence=lost.fence + 1)
    with ThreadPoolExecutor(3) as pool:
        with transaction.atomic():
            own_mode()
            first = pool.submit(intend, other)
            until_somebody_waits()
            told = {lease: pool.submit(intend, lease) for lease in (newest, lost)}
            eventually(lambda: len(stepping.intend_together.waiting) == 2)
        call = told[newest].result(SECONDS)
        first.result(SECONDS)
    assert isinstance(told[lost].exception(), LeaseLostError)
    assert ExchangeCall.objects.get(cycle_id=lost.cycle_id).pk == call.pk


@pytest.mark.django_db
@pytest.mark.parametrize("statement", ["intend", "settle", "release"])
def test_the_database_takes_no_two_rows_of_one_cycle_in_one_statement(statement: str) -> None:
    rows = msgspec.json.encode([{"cycle": UUID(int=7)}] * 2).decode()
    calls: dict[str, tuple[str, list[Any]]] = {
        "intend": (stepping.INTEND, [MODE_LOCK, rows, True]),
        "settle": (stepping.SETTLE, [rows, 60, True]),
        "release": (leasing.RELEASE, [rows, 60, True]),
    }
    with pytest.raises(IntegrityError, match="once"), connection.cursor() as cursor:
        cursor.execute(*calls[statement])


@pytest.mark.django_db(transaction=True)
def test_a_group_does_not_wait_for_a_cycle_that_somebody_has_locked() -> None:
    builders.right_clocks()
    builders.desk()
    rows = [builders.cycle() for _ in range(3)]
    leases = {lease.cycle_id: lease for lease in leasing.claim(Role.INITIATOR, "w", limit=3)}
    locked, *others = (row.pk for row in rows)

    def write(ids: Sequence[str]) -> list[str | None]:
        found = stepping.write_intents(
            [_row(leases[pk]) for pk in (locked, *others) if str(pk) in ids], waits=False
        )
        return [one.verdict if one else None for one in found]

    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        lock_cycle(locked)
        told = pool.submit(_closing(write), [str(row.pk) for row in rows]).result(SECONDS)
    assert told == [None, "DONE", "DONE"]


def intend_withdrawal(lease: Lease, address: RegisteredAddress) -> stepping.Intended:
    """Write the intent of a withdrawal of a lease's cycle, on a thread of a test."""
    step = Step.objects.get(cycle_id=lease.cycle_id, kind="WITHDRAW")
    asked = {
        "asset": step.asset, "network": step.network, "quantity": "1", "to_venue": step.to_venue,
        "destination": address.destination.fingerprint,
    }  # fmt: skip
    to = {"operation": "WITHDRAW", "request": asked, "destination": address.pk}
    try:
        return stepping.intend(builders.intent_row(lease, step, **to))
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_no_order_waits_for_an_address_that_somebody_has_locked() -> None:
    builders.right_clocks()
    builders.desk()
    address = builders.confirmed_address()
    for _ in range(2):
        builders.cycle()
    sends, trades = leasing.claim(Role.INITIATOR, "w", limit=2)
    with ThreadPoolExecutor(2) as pool:
        with transaction.atomic():
            RegisteredAddress.objects.filter(pk=address.pk).update(fetched_at=Now())
            sent = pool.submit(intend_withdrawal, sends, address)
            until_somebody_waits("transactionid")
            assert pool.submit(intend, trades).result(1).outcome == CallOutcome.INTENDED
            assert not sent.done()
        assert sent.result(SECONDS).verdict == stepping.DONE


@pytest.mark.django_db(transaction=True)
def test_settlements_in_one_statement_fare_each_by_its_own_lease() -> None:
    """One goes on, one is handed back, one has lost its lease, one is locked elsewhere."""
    builders.right_clocks()
    builders.desk()
    for _ in range(4):
        builders.cycle()
    goes_on, goes_back, lost, locked = leases = leasing.claim(Role.INITIATOR, "w", limit=4)
    rows = [_settlement(lease) for lease in leases]
    rows[1] = replace(rows[1], wake_in=timedelta(hours=1))
    Cycle.objects.filter(pk=lost.cycle_id).update(fence=lost.fence + 1, lease_owner="other")
    woken = dict(Cycle.objects.values_list("pk", "wake_at"))

    def write(_: Sequence[str]) -> list[Any]:
        return stepping.write_settlements(rows, waits=False)

    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        lock_cycle(locked.cycle_id)
        told = pool.submit(_closing(write), []).result(SECONDS)
    assert [bool(one and one.version) for one in told] == [True, True, False, False]
    assert [bool(one and one.seen) for one in told] == [True, False, False, False]
    seen = LastSeen(told[0].seen).take()
    assert seen is not None
    assert (seen.cycle.pk, seen.cycle.version) == (goes_on.cycle_id, told[0].version)
    found = Cycle.objects.in_bulk([lease.cycle_id for lease in leases])
    owners = [found[lease.cycle_id].lease_owner for lease in leases]
    assert owners == ["w", "", "other", "w"]
    later = {pk for pk, row in found.items() if row.wake_at != woken[pk]}
    assert later == {goes_back.cycle_id}
    outcomes = dict(ExchangeCall.objects.values_list("cycle_id", "outcome"))
    assert [outcomes[lease.cycle_id] for lease in leases] == ["DONE"] * 2 + ["INTENDED"] * 2


@pytest.mark.django_db(transaction=True)
def test_nobody_waits_for_an_account_that_only_another_settlement_needs() -> None:
    builders.right_clocks()
    builders.desk()
    rows = [builders.cycle(usdt=100) for _ in range(3)]
    leases = {one.cycle_id: one for one in leasing.claim(Role.INITIATOR, "w", limit=3)}
    kept, together, later = (_settlement(leases[row.pk]) for row in rows)

    def write(_: Sequence[str]) -> list[Any]:
        return stepping.write_settlements([kept, together], waits=False)

    def settle(one: stepping.Settlement) -> Callable[..., list[Any]]:
        return _closing(lambda _: [stepping.settle_together(one)])

    with ThreadPoolExecutor(3) as pool:
        with transaction.atomic():
            accounts = Account.objects.filter(cycle_id=kept.cycle_id)
            assert list(accounts.select_for_update())
            assert pool.submit(_closing(write), []).result(SECONDS) == [None, None]
            waits = pool.submit(settle(kept), [])
            until_somebody_waits("transactionid")
            told = [pool.submit(settle(one), []).result(SECONDS) for one in (together, later)]
            assert all(settled.version for (settled,) in told)
            assert not waits.done()
        (settled,) = waits.result(SECONDS)
    assert settled.version


def _settlement(lease: Lease) -> stepping.Settlement:
    """Intend a lease's order; give what it did when it was filled whole."""
    row = Cycle.objects.get(pk=lease.cycle_id)
    call = intend(lease)
    whole = settling.order_settlement(row, call, filled(call), is_step_done=True)
    return replace(whole, owner=lease.owner, fence=lease.fence, is_noted=True)


def _row(lease: Lease) -> stepping.Row:
    return builders.intent_row(lease, Step.objects.filter(cycle_id=lease.cycle_id)[0])


def _closing(write: Callable[[Sequence[str]], list[Any]]) -> Callable[..., list[Any]]:
    """Give the thread's connection back after a write."""

    def act(ids: Sequence[str]) -> list[Any]:
        try:
            return write(ids)
        finally:
            connection.close()

    return act
