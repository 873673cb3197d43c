"""Two finalizers and one cycle."""

from __future__ import annotations

import pytest
from django.db.models import F
from django.db.models.functions import Now

from cycles.domain.words import CycleStatus, Role
from cycles.models import Cycle
from cycles.services import leasing
from cycles.services.moving import Lease
from tests import builders
from tests.concurrency.meeting import Meeting, together

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


def test_the_negative_control_without_the_row_lock_both_believe_they_have_it() -> None:
    row = due()
    read = Meeting()

    def claim_unlocked(owner: str) -> bool:
        free = list(Cycle.objects.filter(pk=row.pk, lease_owner="").values_list("pk", flat=True))
        read.wait()
        return bool(
            Cycle.objects.filter(pk__in=free).update(
                lease_owner=owner, lease_expires_at=Now(), fence=F("fence") + 1
            )
        )

    got = together(lambda: claim_unlocked("one"), lambda: claim_unlocked("other"))
    assert got == [True, True]
    row.refresh_from_db()
    assert row.fence == 2
