"""A busy role's claim is two statements: what the first has leased is driven, whatever becomes of the second."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import LiteralString

import pytest
from django.db import OperationalError, connection

from cycles.domain.words import Role
from cycles.services import desk, leasing
from tests import builders

pytestmark = pytest.mark.django_db(transaction=True)

FAILING: LiteralString = """
CREATE SEQUENCE kimp_test_claims;
CREATE FUNCTION kimp_test_fail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF nextval('kimp_test_claims') = 2 THEN
    RAISE EXCEPTION 'it fails' USING ERRCODE = TG_ARGV[0];
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER failing BEFORE UPDATE OF lease_owner ON cycles_cycle
  FOR EACH STATEMENT EXECUTE FUNCTION kimp_test_fail(
"""


@pytest.fixture
def busy_role(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let a role look above a mark, and the second claim's statement fail with an error of the server's."""
    mark = leasing._Mark(
        oldest=desk.database_now() - timedelta(hours=1), expires=timedelta(days=36_500)
    )
    monkeypatch.setattr(leasing, "_marks", dict.fromkeys(leasing.DUE, mark))
    with connection.cursor() as cursor:
        cursor.execute(f"{FAILING}'{request.param}')")
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION kimp_test_fail CASCADE; DROP SEQUENCE kimp_test_claims")


@pytest.mark.parametrize("busy_role", ["disk_full", "query_canceled"], indirect=True)
def test_what_was_leased_above_the_mark_is_given_where_the_look_below_it_fails(
    busy_role: None,
) -> None:
    row = builders.cycle()
    (lease,) = leasing.claim(Role.INITIATOR, "tester", limit=2)
    assert (lease.cycle_id, lease.fence) == (row.pk, 1)


@pytest.mark.parametrize("busy_role", ["disk_full"], indirect=True)
def test_a_claim_that_fails_with_nothing_leased_says_so(busy_role: None) -> None:
    with pytest.raises(OperationalError):
        leasing.claim(Role.INITIATOR, "tester", limit=2)
