"""What an upgrade makes of addresses that were registered before there was an address book."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from psycopg import sql
from pytest_django.plugin import DjangoDbBlocker

LONG_AGO = datetime(2026, 1, 5, tzinfo=UTC)
BEFORE = [("exchanges", "0001_initial"), ("cycles", "0004_index_ended_cycles")]


@pytest.fixture
def _old_database(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Speak to a schema of its own, as the database was before the address book."""
    options = connection.settings_dict["OPTIONS"]
    usual = options["options"]
    with django_db_blocker.unblock(), created("old"):
        connection.close()
        options["options"] = f"{usual} -c search_path=old"
        try:
            MigrationExecutor(connection).migrate(BEFORE)
            yield
        finally:
            connection.close()
            options["options"] = usual


@contextmanager
def created(name: str) -> Iterator[None]:
    """Keep a schema while the block runs."""
    with connection.cursor() as server:
        server.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
    try:
        yield
    finally:
        with connection.cursor() as server:
            server.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(name)))


def addresses(at: list[tuple[str, str]]) -> Any:
    """Give the rows of the address book as they are after some migrations."""
    state = MigrationExecutor(connection).loader.project_state(at)
    return state.apps.get_model("exchanges", "RegisteredAddress").objects


def upgraded() -> Any:
    """Upgrade the old database; give the rows of the address book."""
    executor = MigrationExecutor(connection)
    newest = executor.loader.graph.leaf_nodes()
    executor.migrate(newest)
    return addresses(newest)


def register(address: str, *, days: int = 0, memo: str = "", asset: str = "XRP") -> None:
    at = LONG_AGO + timedelta(days=days)
    addresses(BEFORE).create(
        venue="upbit",
        asset=asset,
        network=asset,
        address=address,
        memo=memo,
        confirmed_at=at,
        fetched_at=at,
    )


@pytest.mark.usefixtures("_old_database")
def test_old_addresses_are_proposals_and_of_several_for_one_place_only_the_newest_lives_on() -> (
    None
):
    register("rOlder", days=1)
    register("rNewest", days=2, memo="4711")
    register("rOldest", days=0)
    register("TElsewhere", asset="TRX")

    rows = upgraded()

    assert dict(rows.values_list("address", "state")) == {
        "rNewest": "PROPOSED",
        "rOlder": "RETIRED",
        "rOldest": "RETIRED",
        "TElsewhere": "PROPOSED",
    }
    assert not rows.filter(confirmed_at__isnull=False).exists()
    assert rows.filter(state="RETIRED", retired_because="").count() == 0
    newest = rows.get(address="rNewest")
    assert (newest.memo, newest.proposed_at) == ("4711", LONG_AGO + timedelta(days=2))
    assert len(set(rows.values_list("code", flat=True))) == 4
