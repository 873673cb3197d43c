"""A busy role's claim is two statements: what the first has leased is driven, whatever becomes of the second."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import LiteralString

import pytest
from django.db import OperationalError, connection
from pytest_django import Settings

from cycles.domain.words import Role
from cycles.errors import DatabaseBusyError
from cycles.models import Cycle
from cycles.services import desk, leasing
from tests import builders

pytestmark = pytest.mark.django_db(transaction=True)

LEASE_SECONDS = 1
A_THIRD = "0.4"  # of it, and somewhat more
FAILING: LiteralString = """
CREATE SEQUENCE kimp_test_claims;
CREATE FUNCTION kimp_test_fail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF nextval('kimp_test_claims') > 1 THEN
    PERFORM pg_sleep(TG_ARGV[1]::float);
    RAISE EXCEPTION 'it fails' USING ERRCODE = TG_ARGV[0];
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER failing BEFORE UPDATE OF lease_owner ON cycles_cycle
  FOR EACH STATEMENT EXECUTE FUNCTION kimp_test_fail(
"""
TROUBLES: dict[LiteralString, type[Exception]] = {
    "disk_full": OperationalError,
    "query_canceled": OperationalError,
    "lock_not_available": DatabaseBusyError,  # after several tries
}


@pytest.fixture
def busy_role(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let a role look above a mark, and leave no trigger behind."""
    mark = leasing._Mark(
        oldest=desk.database_now() - timedelta(hours=1), expires=timedelta(days=36_500)
    )
    monkeypatch.setattr(leasing, "_marks", dict.fromkeys(leasing.DUE, mark))
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION kimp_test_fail CASCADE; DROP SEQUENCE kimp_test_claims")


def second_fails(trouble: LiteralString, *, after: LiteralString = "0") -> None:
    """Let every claim's statement but the first fail with an error of the server's, after so many seconds."""
    with connection.cursor() as cursor:
        cursor.execute(f"{FAILING}'{trouble}', '{after}')")


@pytest.mark.parametrize("trouble", TROUBLES)
def test_what_was_leased_above_the_mark_is_given_where_the_look_below_it_fails(
    busy_role: None, trouble: LiteralString
) -> None:
    second_fails(trouble)
    row = builders.cycle()
    (lease,) = leasing.claim(Role.INITIATOR, "tester", limit=2)
    assert (lease.cycle_id, lease.fence) == (row.pk, 1)


@pytest.mark.parametrize("trouble", TROUBLES)
def test_what_was_leased_above_the_mark_is_not_given_once_a_third_of_its_lease_has_passed(
    busy_role: None, settings: Settings, trouble: LiteralString
) -> None:
    """It would be held as if it were new, and driven while somebody else claims it."""
    settings.KIMP_LEASE_SECONDS = LEASE_SECONDS
    second_fails(trouble, after=A_THIRD)
    row = builders.cycle()
    with pytest.raises(TROUBLES[trouble]):
        leasing.claim(Role.INITIATOR, "tester", limit=2)
    assert Cycle.objects.get(pk=row.pk).fence == 1


def test_a_claim_that_fails_with_nothing_leased_says_so(busy_role: None) -> None:
    second_fails("disk_full")
    with pytest.raises(OperationalError):
        leasing.claim(Role.INITIATOR, "tester", limit=2)
