"""How often a worker claims, where claiming again at once brings nothing: counted, never timed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import LiteralString

import pytest
from django.db import connection

from cycles.domain.words import Role
from cycles.models import Cycle
from cycles.services.crew import Crew, Job
from cycles.services.working import Worker
from tests.desk import TestDesk

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 20
REFUSING: LiteralString = """
CREATE FUNCTION kimp_test_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'could not extend the file' USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER refused BEFORE INSERT ON cycles_exchangecall EXECUTE FUNCTION kimp_test_refuse();
"""


class Here(Crew):
    """Does each job before the next claim, on the claiming thread."""

    def submit(self, job: Job | None) -> None:
        """Do it."""
        if job is not None:
            job()


@contextmanager
def full_disk() -> Iterator[None]:
    """Let the database claim and read, and refuse every intent."""
    with connection.cursor() as cursor:
        cursor.execute(REFUSING)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION kimp_test_refuse CASCADE")


def test_a_cycle_whose_driving_the_database_refuses_is_left_alone_for_longer_and_longer(
    committed_desk: TestDesk, caplog: pytest.LogCaptureFixture
) -> None:
    """A database whose disk is full leases cycles, and takes no intent."""
    row = committed_desk.open()
    worker, crew = Worker(Role.INITIATOR), Here(0, "initiator")
    with full_disk():
        for _ in range(ROUNDS):
            worker._claimed(crew)
    assert "DiskFull" in caplog.text
    assert 1 <= Cycle.objects.get(pk=row.pk).fence <= ROUNDS / 2
