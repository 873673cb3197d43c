"""What the same server does without us: durable single-row transactions by psycopg and by pgbench.

Run as a module it is one psycopg client.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import psycopg
from django.db import connection

from tests.benchmarks import pgbench
from tests.benchmarks.children import answer, together

MODULE = "tests.benchmarks.references"
TABLE = "bench_row"
STATEMENT = f"UPDATE {TABLE} SET n = n + 1 WHERE id = "


def prepare() -> None:
    """Make the table with a row for each client."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {TABLE}")
        cursor.execute(f"CREATE TABLE {TABLE} (id int PRIMARY KEY, n bigint NOT NULL)")
        cursor.execute(f"INSERT INTO {TABLE} SELECT g, 0 FROM generate_series(0, 63) g")


def psycopg_rate(url: str, *, clients: int, transactions: int) -> float:
    """Give commits a second of `clients` processes that update a row of their own each time."""
    share = transactions // clients
    specs = [{"url": url, "row": row, "transactions": share} for row in range(clients)]
    results = together(MODULE, specs, {})
    return share * clients / max(float(result["seconds"]) for result in results)


def client(spec: dict[str, Any]) -> Callable[[], dict[str, Any]]:
    """Connect; each transaction is one UPDATE of one row, committed by itself."""
    line = psycopg.connect(spec["url"], autocommit=True, prepare_threshold=1)
    statement = (STATEMENT + "%s").encode()

    def work() -> dict[str, Any]:
        began = time.perf_counter()
        for _ in range(spec["transactions"]):
            line.execute(statement, [spec["row"]])
        seconds = time.perf_counter() - began
        line.close()
        return {"seconds": seconds}

    return work


def pgbench_rate(*, clients: int, transactions: int) -> float | None:
    """Give pgbench's commits a second of the same transaction; None where there is no pgbench."""
    if pgbench.program() is None:
        return None
    return pgbench.run(f"{STATEMENT}:client_id;\n", clients=clients, each=transactions // clients)


if __name__ == "__main__":
    answer(client)
