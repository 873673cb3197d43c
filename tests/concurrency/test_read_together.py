"""What many threads ask the database at one moment is read together."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from django.db import InterfaceError, OperationalError, connection, transaction

from cycles.domain.words import Role
from cycles.models import ExchangeCall
from cycles.services import leasing, recovering
from tests import builders
from tests.concurrency.meeting import SECONDS, until_somebody_waits
from tests.concurrency.orders import intend
from tests.desk import eventually

pytestmark = pytest.mark.concurrency


@pytest.mark.django_db(transaction=True)
def test_who_takes_many_cycles_over_reads_their_open_requests_together() -> None:
    builders.right_clocks()
    builders.desk()
    rows = [builders.cycle() for _ in range(6)]
    calls = {
        lease.cycle_id: intend(lease).pk for lease in leasing.claim(Role.INITIATOR, "w", limit=5)
    }

    def read(cycle_id: UUID) -> ExchangeCall | None:
        try:
            return recovering.first_loose_call_together(cycle_id)
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("LOCK TABLE cycles_exchangecall IN ACCESS EXCLUSIVE MODE")
            told = {rows[0].pk: pool.submit(read, rows[0].pk)}
            until_somebody_waits("relation")
            for row in rows[1:]:
                told[row.pk] = pool.submit(read, row.pk)
            eventually(lambda: len(recovering.read_together.waiting) == 5)
        found = {pk: task.result(SECONDS) for pk, task in told.items()}
    assert {pk: call.pk for pk, call in found.items() if call} == calls
    assert sum(call is None for call in found.values()) == 1  # it has none


# Of this database: others may have the same numbers for their tables.
KILL_WHO_READS = """SELECT pg_terminate_backend(l.pid, 20000) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
    WHERE NOT l.granted AND l.relation = 'cycles_exchangecall'::regclass AND d.datname = current_database()"""


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_dies_as_many_read_over_it_costs_its_own_thread_only() -> None:
    builders.right_clocks()
    builders.desk()
    for _ in range(6):
        builders.cycle()
    calls = {
        lease.cycle_id: intend(lease).pk for lease in leasing.claim(Role.INITIATOR, "w", limit=6)
    }

    def read(cycle_id: UUID) -> ExchangeCall | None:
        connection.ensure_connection()
        try:
            return recovering.first_loose_call_together(cycle_id)
        finally:
            connection.close()

    first, *rest = calls
    with ThreadPoolExecutor(6) as pool:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("LOCK TABLE cycles_exchangecall IN ACCESS EXCLUSIVE MODE")
            alone = pool.submit(read, first)
            until_somebody_waits("relation")
            told = [pool.submit(read, pk) for pk in rest]
            eventually(lambda: len(recovering.read_together.waiting) == len(rest))
            cursor.execute(KILL_WHO_READS)
            assert isinstance(alone.exception(SECONDS), OperationalError)
            until_somebody_waits("relation")  # who reads for all others
            cursor.execute(KILL_WHO_READS)
            assert len(cursor.fetchall()) == 1
        errors = [task.exception(SECONDS) for task in told]
    assert sum(isinstance(error, OperationalError | InterfaceError) for error in errors) == 1
    found = [
        (pk, task.result())
        for pk, task, error in zip(rest, told, errors, strict=True)
        if error is None
    ]
    assert len(found) == len(rest) - 1
    assert all(call and call.pk == calls[pk] for pk, call in found)
