"""What many threads ask the database at one moment is read together."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from django.db import connection, transaction

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
