"""A worker renews what it holds: a locked row costs the others nothing, and a thread that hangs keeps no cycle."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from django.db import OperationalError, connection, transaction

from cycles import conf
from cycles.domain.words import Role
from cycles.models import Alert, Cycle
from cycles.services import holding, leasing
from cycles.services.holding import Holdings
from cycles.services.locking import locked
from cycles.services.moving import Lease
from cycles.services.outage import Outage
from tests import builders

pytestmark = pytest.mark.django_db(transaction=True)


@dataclass
class Clock:
    """A clock that a test moves, in leases."""

    leases: int = 0
    thirds: int = 0

    def __call__(self) -> timedelta:
        return timedelta(seconds=conf.lease_seconds()) * (self.leases + self.thirds / 3)


@dataclass
class Holder:
    """A process that holds some cycles."""

    clock: Clock = field(default_factory=Clock)
    leases: list[Lease] = field(default_factory=list)

    def __post_init__(self) -> None:
        for _ in range(3):
            builders.cycle()
        self.held = Holdings("tester", self.clock)
        self.leases = leasing.claim(Role.INITIATOR, "tester", limit=3)
        for lease in self.leases:
            self.held.take(lease)

    def expiry(self, lease: Lease) -> datetime:
        found = Cycle.objects.get(pk=lease.cycle_id).lease_expires_at
        assert found is not None
        return found

    def live(self, leases: int, *, but: Lease | None = None) -> None:
        """Let time pass, and all threads get on but one."""
        for _ in range(leases):
            self.clock.leases += 1
            for lease in self.leases:
                if lease is not but:
                    self.held.note_unit(lease)
            self.held.renew()


@contextmanager
def locked_elsewhere(lease: Lease) -> Iterator[None]:
    """Let somebody else hold a cycle's row."""
    is_locked, is_over = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                locked(Cycle.objects.filter(pk=lease.cycle_id)).get()
                is_locked.set()
                assert is_over.wait(30)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(hold)
        assert is_locked.wait(30)
        yield
        is_over.set()
        done.result(30)


def test_a_row_that_somebody_has_locked_costs_the_other_leases_nothing_and_is_renewed_next() -> (
    None
):
    holder = Holder()
    first, *others = holder.leases
    before = {lease.cycle_id: holder.expiry(lease) for lease in holder.leases}
    holder.clock.thirds += 1
    with locked_elsewhere(first):
        holder.held.renew()
    assert holder.expiry(first) == before[first.cycle_id]
    assert all(holder.expiry(lease) > before[lease.cycle_id] for lease in others)
    after = {lease.cycle_id: holder.expiry(lease) for lease in others}
    holder.held.renew()
    assert holder.expiry(first) > before[first.cycle_id]
    assert all(holder.expiry(lease) == after[lease.cycle_id] for lease in others)


def test_what_is_not_due_for_it_is_not_renewed(django_assert_num_queries: object) -> None:
    holder = Holder()
    with django_assert_num_queries(0):  # type: ignore[operator]
        holder.held.renew()


def test_a_thread_that_hangs_keeps_its_cycle_no_longer_and_people_are_told_once() -> None:
    holder = Holder()
    hanging, *others = holder.leases
    holder.live(holding.HANGS_AFTER_LEASES - 1, but=hanging)
    assert not Alert.objects.exists()
    before = holder.expiry(hanging)
    holder.live(3, but=hanging)
    assert holder.expiry(hanging) == before
    assert all(holder.expiry(lease) > before for lease in others)
    alert = Alert.objects.get()
    assert (alert.severity, alert.cycle_id) == ("CRITICAL", hanging.cycle_id)
    assert len(holder.held) == 3  # its thread is still not free


def test_one_that_gets_on_again_is_renewed_again() -> None:
    holder = Holder()
    slow = holder.leases[0]
    holder.live(holding.HANGS_AFTER_LEASES + 1, but=slow)
    before = holder.expiry(slow)
    holder.live(1)
    assert holder.expiry(slow) > before


def test_a_process_that_stood_still_takes_none_of_its_threads_for_hanging() -> None:
    holder = Holder()
    holder.clock.leases += 10 * holding.HANGS_AFTER_LEASES
    holder.held.renew()
    assert not Alert.objects.exists()


def test_a_cycle_claimed_anew_beside_a_thread_that_hangs_counts_twice() -> None:
    holder = Holder()
    old = holder.leases[0]
    holder.held.take(Lease(cycle_id=old.cycle_id, owner=old.owner, fence=old.fence + 1))
    assert len(holder.held) == 4
    holder.held.drop(old)
    assert len(holder.held) == 3


def test_a_lock_that_somebody_kept_too_long_is_no_outage(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lease = Holder().leases[0]

    def wait_briefly() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '50ms'")
            locked(Cycle.objects.filter(pk=lease.cycle_id)).get()

    with locked_elsewhere(lease), pytest.raises(OperationalError) as kept:
        wait_briefly()
    Outage().tell(kept.value)
    assert "database.busy" in caplog.text
    assert "database.unreachable" not in caplog.text


def test_of_a_thread_that_hangs_people_are_told_once_the_database_takes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And until then the other leases are renewed all the same."""
    holder = Holder()
    hanging, *others = holder.leases
    holder.live(holding.HANGS_AFTER_LEASES - 1, but=hanging)
    before = [holder.expiry(lease) for lease in others]
    with monkeypatch.context() as patched:
        patched.setattr(holding, "raise_alert", _away)
        with pytest.raises(OperationalError):
            holder.live(1, but=hanging)
    assert all(holder.expiry(one) > then for one, then in zip(others, before, strict=True))
    holder.live(1, but=hanging)
    holder.live(1, but=hanging)
    assert Alert.objects.get().cycle_id == hanging.cycle_id


def _away(**_: object) -> bool:
    raise OperationalError("the connection was lost")
