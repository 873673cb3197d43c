"""The sweeps behind the roles: retries and expired leases are taken, through reconciliation."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from cycles.domain.progress import failed
from cycles.domain.words import CycleStatus, FailureClass, Role
from cycles.models import Cycle, ExchangeCall
from cycles.services import advancing, leasing, sweeping, verifying, working
from cycles.services.moving import Lease
from tests import builders
from tests.cycles.services.acts import (
    accepted,
    claimed,
    fail,
    give_back,
    make_due,
    outcomes,
    units_until,
)
from tests.desk import TestDesk

pytestmark = pytest.mark.django_db


def let_expire(row: Cycle) -> None:
    """Let the lease of a worker that died run out."""
    Cycle.objects.filter(pk=row.pk).update(lease_expires_at=Now() - timedelta(seconds=1))


def is_held(row: Cycle, lease: Lease) -> bool:
    """Say whether a lease is still the newest."""
    now = Cycle.objects.get(pk=row.pk)
    return (now.fence, now.lease_owner) == (lease.fence, lease.owner)


def test_a_held_cycle_is_not_claimed_until_its_lease_runs_out(desk: TestDesk) -> None:
    row = desk.open()
    first = claimed(row)
    assert leasing.claim(Role.INITIATOR, "other", limit=5) == []
    let_expire(row)
    (second,) = leasing.claim(Role.INITIATOR, "other", limit=5)
    assert second.fence == first.fence + 1
    assert not is_held(row, first)


def test_a_renewed_lease_lasts_and_only_its_owner_renews_it() -> None:
    row = builders.cycle()
    claimed(row)
    before = Cycle.objects.get(pk=row.pk).lease_expires_at
    assert before is not None
    assert not leasing.renew("somebody else", [row.pk])
    assert leasing.renew("tester", [row.pk]) == {row.pk}
    after = Cycle.objects.get(pk=row.pk).lease_expires_at
    assert after is not None
    assert after > before
    let_expire(row)
    assert not leasing.renew("tester", [row.pk])


def test_many_leases_are_renewed_by_as_many_statements_as_one() -> None:
    counts = []
    for count in (1, 12):
        mine = [claimed(builders.cycle()).cycle_id for _ in range(count)]
        with CaptureQueriesContext(connection) as made:
            assert leasing.renew("tester", mine) == set(mine)
        counts.append(len(made))
    assert counts[0] == counts[1]


def test_an_old_lease_hands_nothing_back() -> None:
    row = builders.cycle()
    old = claimed(row)
    let_expire(row)
    new = claimed(row)
    assert not leasing.release(old, wake_in=timedelta(hours=1))
    assert is_held(row, new)


def test_an_expired_lease_in_rebalancing_is_taken_over_through_reconciliation(
    desk: TestDesk,
) -> None:
    row = desk.drive_until(desk.open(), "INITIAL_TRADE_COMPLETED")
    lease = units_until(desk, row, "BUY", "upbit")
    path = "/v1/withdraws/coin"
    desk.fault(fault="F4", venue="upbit", method="POST", path_regex=f"{path}$", when="once")
    desk.unit(lease)
    assert outcomes(row)[-1] == "UNKNOWN"
    assert Cycle.objects.get(pk=row.pk).status == CycleStatus.REBALANCING_IN_PROGRESS
    assert sweeping.sweep_expired_leases() == 0  # its worker may be alive
    let_expire(row)
    assert sweeping.sweep_expired_leases() == 1
    assert not is_held(row, lease)
    desk.drive_until(row, "COMPLETED")
    assert desk.posts("upbit", path) == 1
    assert "UNKNOWN" not in outcomes(row)
    assert verifying.verify_ledger().matches_venues


@pytest.mark.parametrize("status", ["STARTED", "INITIAL_TRADE_COMPLETED", "AWAITING_REBALANCE"])
def test_an_expired_lease_in_any_running_status_is_taken_over(desk: TestDesk, status: str) -> None:
    row = desk.open()
    if status != "STARTED":
        desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    lease = desk.lease(row)
    if status == "AWAITING_REBALANCE":
        desk.unit(lease)
    assert Cycle.objects.get(pk=row.pk).status == status
    let_expire(row)
    assert sweeping.sweep_expired_leases() == 1
    assert not is_held(row, lease)


def test_due_retries_of_both_roles_are_swept(desk: TestDesk) -> None:
    going = fail(desk.open(), FailureClass.TRANSIENT)
    coming = fail(
        desk.drive_until(desk.open("SOL"), "INITIAL_TRADE_COMPLETED"), FailureClass.TRANSIENT
    )
    for row in (going, coming):
        make_due(row)
    assert sweeping.sweep_retries() == 2
    for row in (going, coming):
        row.refresh_from_db()
        assert row.status != CycleStatus.RETRY_PENDING


def test_a_sweep_claims_each_cycle_by_one_statement_when_its_turn_comes(desk: TestDesk) -> None:
    """Nobody renews a sweep's leases: what is claimed at once might be another's before it is driven."""
    cycles = 3
    for _ in range(cycles):
        make_due(fail(desk.open(), FailureClass.TRANSIENT))
    with CaptureQueriesContext(connection) as made:
        assert sweeping.sweep_retries() == cycles
    claims = [row for row in made.captured_queries if "SET lease_owner = " in row["sql"]]
    in_vain = 2  # one of each role that drives
    assert len(claims) == cycles + in_vain


def test_a_retry_that_is_not_due_is_left(desk: TestDesk) -> None:
    row = fail(desk.open(), FailureClass.TRANSIENT)
    Cycle.objects.filter(pk=row.pk).update(wake_at=Now() + timedelta(minutes=5))
    assert sweeping.sweep_retries() == 0


def test_sweeping_twice_does_nothing_twice(desk: TestDesk) -> None:
    row = fail(desk.open(), FailureClass.TRANSIENT)
    make_due(row)
    sweeping.sweep_retries()
    orders = desk.posts("binance", "/api/v3/order")
    sweeping.sweep_retries()
    assert desk.posts("binance", "/api/v3/order") == orders
    assert set(accepted(desk, "binance").values()) <= {1}


def test_a_claim_takes_no_more_than_its_limit_and_what_fell_due_first() -> None:
    rows = [builders.cycle() for _ in range(3)]
    for hours, row in enumerate(rows):
        Cycle.objects.filter(pk=row.pk).update(wake_at=Now() - timedelta(hours=hours))
    leases = leasing.claim(Role.INITIATOR, "tester", limit=2)
    assert [lease.cycle_id for lease in leases] == [rows[2].pk, rows[1].pk]


def test_a_role_that_drives_what_is_due_finishes_a_cycle(desk: TestDesk) -> None:
    row = desk.open()
    give_back(claimed(row))
    desk.sample()
    for _ in range(400):
        Cycle.objects.filter(pk=row.pk, wake_at__isnull=False).update(wake_at=Now())
        for role in (Role.INITIATOR, Role.FINALIZER):
            working.drive_due(role, "tester")
        row.refresh_from_db()
        if row.is_final:
            break
    assert row.status == CycleStatus.COMPLETED


def test_a_lease_raises_its_fence_by_one_and_no_version() -> None:
    row = builders.cycle()
    claimed(row)
    after = Cycle.objects.get(pk=row.pk)
    assert (after.fence, after.version) == (row.fence + 1, row.version)
    assert ExchangeCall.objects.count() == 0


@pytest.mark.parametrize("failure", [FailureClass.TRANSIENT, FailureClass.POLICY_DENIED])
def test_a_cycle_that_fails_gives_its_lease_up_by_that_and_by_no_statement_more(
    monkeypatch: pytest.MonkeyPatch, failure: FailureClass
) -> None:
    builders.cycle()
    (lease,) = leasing.claim(Role.INITIATOR, "tester", limit=1)
    monkeypatch.setattr(advancing, "one_unit", lambda *_: failed(failure, "of a test"))
    with CaptureQueriesContext(connection) as made:
        advancing.advance(lease)
    assert Cycle.objects.get().lease_owner == ""
    assert not [one for one in made.captured_queries if "kimp_release" in one["sql"]]
