"""Two finalizers and one cycle."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from django.db import transaction
from django.db.models import Q

from cycles.domain.words import CycleStatus, Role
from cycles.models import Cycle
from cycles.services import leasing
from cycles.services.locking import lock_cycle
from cycles.services.moving import Lease
from tests import builders
from tests.concurrency.meeting import SECONDS, queued, together, told

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]


def due() -> Cycle:
    """Give a cycle that waits for a finalizer."""
    return builders.moved_to(builders.cycle(), CycleStatus.INITIAL_TRADE_COMPLETED)


def test_of_two_finalizers_one_gets_the_cycle() -> None:
    row = due()

    def claim(owner: str) -> list[Lease]:
        return leasing.claim(Role.FINALIZER, owner, limit=1)

    got = together(lambda: claim("one"), lambda: claim("other"))
    leases = [lease for found in got if isinstance(found, list) for lease in found]
    assert [lease.cycle_id for lease in leases] == [row.pk]
    row.refresh_from_db()
    assert (row.lease_owner, row.fence) == (leases[0].owner, 1)


def test_many_finalizers_share_many_cycles_without_overlap() -> None:
    rows = {due().pk for _ in range(8)}

    def claim(owner: str) -> list[Lease]:
        return leasing.claim(Role.FINALIZER, owner, limit=3)

    got = together(*[lambda owner=str(n): claim(owner) for n in range(4)])
    ids = [lease.cycle_id for found in got if isinstance(found, list) for lease in found]
    assert len(ids) == len(set(ids))
    assert set(ids) <= rows
    assert len(ids) >= 3


def claim(row: Cycle, owner: str) -> list[Lease]:
    """Claim one cycle, by a statement that is composed anew."""
    return leasing.claim(Role.FINALIZER, owner, limit=1, only=Q(pk=row.pk))


def test_a_cycle_that_somebody_holds_is_passed_by_and_not_waited_for() -> None:
    row = due()
    with ThreadPoolExecutor(2) as pool, transaction.atomic():
        lock_cycle(row.pk)
        tasks = [pool.submit(told, partial(claim, row, owner)) for owner in ("one", "other")]
        assert [task.result(SECONDS) for task in tasks] == [[], []]
    (lease,) = claim(row, "one")
    assert (lease.fence, claim(row, "other")) == (1, [])


def test_the_negative_control_without_the_row_lock_both_believe_they_have_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    row = due()
    monkeypatch.setattr(leasing, "FREE_ROWS_ONLY", "")
    got = queued(lambda: lock_cycle(row.pk), lambda: claim(row, "one"), lambda: claim(row, "other"))
    leases = [lease for found in got if isinstance(found, list) for lease in found]
    assert {lease.owner for lease in leases} == {"one", "other"}
    row.refresh_from_db()
    assert row.fence == 2
