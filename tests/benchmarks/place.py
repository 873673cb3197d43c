"""Where benchmarks that need a desk run: a database of their own, seeded against simulated venues."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.core.management.color import no_style
from django.core.management.sql import emit_post_migrate_signal, sql_flush
from django.db import connection, transaction
from django.test import override_settings
from django.test.utils import setup_databases, teardown_databases

from cycles.services import seeding
from exchanges import registry
from kimp import postgres
from kimp.demo.place import about_database
from tests.benchmarks.children import cpu_of, family
from tests.benchmarks.venues import Venues, simulated
from tests.groups import make_groups

# Limits that no benchmark reaches; the edge is not what is measured.
POLICY: dict[str, Any] = {
    "min_open_edge_bps": Decimal(-1000),
    "min_rebalance_edge_bps": Decimal(-5000),
    "max_open_cycles": 100_000,
    "max_open_cycles_per_asset": 100_000,
    "max_exposure_usdt": Decimal(10_000_000),
    "max_exposure_per_asset_usdt": Decimal(10_000_000),
    "max_book_age_seconds": 600,
}
CAPITAL_USDT = "10000000"


@contextlib.contextmanager
def database() -> Iterator[str]:
    """Make the run's own database and drop it at the end; gives the server's version."""
    before = setup_databases(verbosity=0, interactive=False)
    try:
        yield server_version()
    finally:
        teardown_databases(before, verbosity=0)


def server_version() -> str:
    """Ask the server what it is."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        row: Any = cursor.fetchone()
    return str(row[0])


def server_cpu_seconds() -> float:
    """Give the CPU seconds of all processes of the embedded server; NaN where the server is another."""
    postmaster = postgres.status(settings.KIMP_HOME).pid
    if settings.DATABASES["default"]["ENGINE"] != "kimp.database" or postmaster is None:
        return math.nan
    return sum(cpu_of(pid) for pid in family(postmaster))


@contextlib.contextmanager
def beside(name: str) -> Iterator[str]:
    """Make an empty database beside the run's own, on the same server, and drop it at the end; gives its URL."""
    whole = f"{connection.settings_dict['NAME']}_{name}"
    about_database("DROP DATABASE IF EXISTS {} WITH (FORCE)", whole)
    about_database("CREATE DATABASE {} TEMPLATE template0", whole)
    try:
        yield database_url(whole)
    finally:
        about_database("DROP DATABASE IF EXISTS {} WITH (FORCE)", whole)


def empty() -> None:
    """Empty every table, guards notwithstanding; the groups, which a migration made, are made again.

    TRUNCATE, for no benchmark reads through the rows of the one before.
    """
    statements = sql_flush(no_style(), connection, reset_sequences=True, allow_cascade=False)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for statement in statements:
            cursor.execute(statement)
    emit_post_migrate_signal(verbosity=0, interactive=False, db=connection.alias)
    make_groups()


@contextlib.contextmanager
def desk(*, speed: int = 1, korea: Sequence[str] = ("upbit",)) -> Iterator[Venues]:
    """Give an empty, seeded desk whose venues run in a process of their own; in Korea it trades at those named."""
    with simulated(speed=speed) as venues:
        facts = {
            "KIMP_SIMULATOR_URL": venues.control_url,
            "KIMP_TIME_SCALE": Decimal(speed),
            "KIMP_KOREA_VENUES": list(korea),
            "KIMP_FX_FRANKFURTER_URL": f"{venues.control_url}/fx/usdkrw",
            "KIMP_FX_ERAPI_URL": f"{venues.control_url}/fx/v6/latest/USD",
        }
        with override_settings(**facts):
            registry.forget()
            empty()
            rich = {"venue": registry.GLOBAL_VENUE, "asset": "USDT", "credit": CAPITAL_USDT}
            venues.tell("/control/balances", rich)
            seeding.seed(POLICY)
            yield venues
        registry.forget()


def child_environment(venues: Venues) -> dict[str, str]:
    """Give what a worker process needs to work on this database and these venues."""
    return {
        "DJANGO_SETTINGS_MODULE": "kimp.settings",
        "DATABASE_URL": database_url(),
        "KIMP_ENVIRONMENT": "test",
        "KIMP_ROLE": "initiator",
        "KIMP_HOME": str(settings.KIMP_HOME),
        "KIMP_SIMULATOR_URL": venues.control_url,
        "KIMP_LOG_FORMAT": "json",
        "KIMP_LOG_LEVEL": "INFO",
    }


def database_url(name: str = "") -> str:
    """Give the URL of the run's database, or of one beside it, password included: for children, not for output."""
    found = connection.get_connection_params()
    password = quote(str(found["password"]), safe="")
    server = f"{found['user']}:{password}@{found['host']}:{found['port']}"
    return f"postgresql://{server}/{name or found['dbname']}"
