"""What deleting old samples costs, as the product does it and by four ways of finding them, in a small and in a large table.

Each table of the four ways holds thirty days of five series. Days are deleted, the room they left is filled by new samples, as
it is every day, and the next day is deleted: what an index cannot forget shows only then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from cycles.selectors.premia import NEWEST
from tests import builders
from tests.benchmarks import pruning
from tests.benchmarks.explaining import explained, session_pages, unhurried, vacuumed
from tests.benchmarks.findings import Figure, Findings, median

TABLE = "bench_sample"
ASSETS = ("BTC", "ETH", "SOL", "USDT", "XRP")
DAYS = 30
REPLACED = 5  # days that go and whose room is used again
BATCHES = 10  # of each day that is deleted
DAY = timedelta(days=1)
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One way of keeping samples: further indexes, and how a slice of time is deleted."""

    name: str
    index: str
    delete: Callable[[datetime, datetime], Iterator[str]]
    is_partitioned: bool = False


def _by_series(low: datetime, high: datetime) -> Iterator[str]:
    """Delete by the statement that the product sends: by the index that finds the newest sample."""
    for asset in ASSETS:
        yield (
            f"DELETE FROM {TABLE} WHERE asset = '{asset}' AND korea_venue = 'upbit' "
            f"AND at >= '{low.isoformat()}' AND at < '{high.isoformat()}'"
        )


def _by_instant(low: datetime, high: datetime) -> Iterator[str]:
    """Delete by the instant alone; from where the last slice ended, else the dead were read again."""
    yield (f"DELETE FROM {TABLE} WHERE at >= '{low.isoformat()}' AND at < '{high.isoformat()}'")


SHAPES = (
    Shape(name="index of the newest", index="", delete=_by_series),
    Shape(name="b-tree", index=f"CREATE INDEX ON {TABLE} USING btree (at)", delete=_by_instant),
    Shape(name="BRIN", index=f"CREATE INDEX ON {TABLE} USING brin (at)", delete=_by_instant),
    Shape(name="partitions", index="", delete=_by_instant, is_partitioned=True),
)


def run(*, sizes: tuple[int, int], is_ours_only: bool = False) -> Findings:
    """Measure the product, and each shape unless told otherwise, at both sizes; ratio: large over small."""
    as_it_runs: list[str] = []
    with unhurried():
        figures = pruning.figures(sizes, as_it_runs)
    builders.sample()
    left: dict[str, list[str]] = {}
    for shape in () if is_ours_only else SHAPES:
        with unhurried():
            small, large = (_measured(shape, rows, left) for rows in sizes)
        figures += [
            Figure(
                what=f"{shape.name}: {what}", value=large[what], unit="pages",
                reference="the same, small", reference_value=small[what], aim="ratio <= 1.2",
            )
            for what in large
        ]  # fmt: skip
    _run(f"DROP TABLE IF EXISTS {TABLE}")
    return Findings(
        name="retention: thousand samples deleted, large tables over small ones",
        figures=tuple(figures),
        work={"samples": sizes, "days": DAYS, "batches": BATCHES, "left": left}
        | {"left as it runs": as_it_runs},
    )


def _measured(shape: Shape, rows: int, left: dict[str, list[str]]) -> dict[str, float]:
    """Give pages for a thousand rows, so that sizes can be compared; note what is left of the samples in the end."""
    _lay_out(shape)
    a_day = rows // DAYS
    _fill(BEGIN, DAYS, rows)
    _run(f"VACUUM ANALYZE {TABLE}")
    found = {"deleted, first day": _deleted(shape, BEGIN)}
    for number in range(1, REPLACED):
        _deleted(shape, BEGIN + number * DAY)
    if not shape.is_partitioned:
        found["vacuumed"] = vacuumed(TABLE) / (a_day * REPLACED) * 1000
    written = _fill(BEGIN + DAYS * DAY, REPLACED, a_day * REPLACED)
    found["written"] = written / (a_day * REPLACED) * 1000
    _run(f"VACUUM ANALYZE {TABLE}")
    found["deleted, when its room was used again"] = _deleted(shape, BEGIN + REPLACED * DAY)
    newest = NEWEST.replace("cycles_premiumsample", TABLE)
    found["newest read"] = explained(newest).buffers
    left.setdefault(shape.name, []).append(_left())
    return found


def _left() -> str:
    """Fingerprint what writing and deleting have left."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*), count(DISTINCT asset), min(at), max(at) FROM {TABLE}")
        rows, series, first, last = cursor.fetchone()
    return f"{rows} of {series} series, {first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S}"


def _deleted(shape: Shape, day: datetime) -> float:
    """Delete a day in slices, or its partition; gives pages for a thousand rows, the middle slice."""
    if shape.is_partitioned:
        return _dropped(day)
    costs = []
    for number in range(BATCHES):
        low, high = day + DAY * number / BATCHES, day + DAY * (number + 1) / BATCHES
        plans = [explained(sql) for sql in shape.delete(low, high)]
        rows = sum(plan.rows for plan in plans)
        assert rows, "nothing was deleted"
        assert not any(plan.scans for plan in plans), shape.name
        costs.append(sum(plan.buffers for plan in plans) / rows * 1000)
    return median(costs)


def _dropped(day: datetime) -> float:
    """Drop a partition; gives the pages of the catalogue it touches, as the session's counters tell."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {_partition(day)}")
        row: Any = cursor.fetchone()
        before = session_pages()
        cursor.execute(f"DROP TABLE {_partition(day)}")
    return (session_pages() - before) / int(row[0]) * 1000


def _partition(day: datetime) -> str:
    return f"{TABLE}_{day:%Y%m%d}"


def _lay_out(shape: Shape) -> None:
    """Make the table as the product has it, but for what the shape changes."""
    _run(f"DROP TABLE IF EXISTS {TABLE}")
    like = (
        f"CREATE TABLE {TABLE} (LIKE cycles_premiumsample INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"
    )
    if not shape.is_partitioned:
        _run(like)
        _run(f"ALTER TABLE {TABLE} ADD PRIMARY KEY (id)")
    else:
        _run(f"{like} PARTITION BY RANGE (at)")
        _run(f"CREATE INDEX ON {TABLE} (id)")
    _run(f"CREATE INDEX ON {TABLE} (asset, korea_venue, at DESC)")
    if shape.index:
        _run(shape.index)
    for number in range(DAYS + REPLACED + 1 if shape.is_partitioned else 0):
        day = BEGIN + number * DAY
        _run(
            f"CREATE TABLE {_partition(day)} PARTITION OF {TABLE} "
            f"FOR VALUES FROM ('{day.isoformat()}') TO ('{(day + DAY).isoformat()}')"
        )


def _fill(begin: datetime, days: int, rows: int) -> float:
    """Write samples evenly over days, all series at each instant; gives the pages touched."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name FROM information_schema.columns "
            "WHERE table_name = 'cycles_premiumsample' AND table_schema = current_schema()"
        )
        names = [name for (name,) in cursor.fetchall()]
    step = days * DAY / (rows // len(ASSETS))
    first = begin.isoformat()
    changed = {
        "id": "nextval('cycles_premiumsample_id_seq')",
        "asset": "a.asset",
        "at": f"'{first}'::timestamptz + g * '{step.total_seconds()} s'::interval",
    }
    values = ", ".join(changed.get(name, f"s.{name}") for name in names)
    series = ", ".join(f"('{asset}')" for asset in ASSETS)
    plan = explained(
        f"INSERT INTO {TABLE} ({', '.join(names)}) SELECT {values} "
        f"FROM generate_series(0, {rows // len(ASSETS) - 1}) g "
        f"CROSS JOIN (VALUES {series}) a(asset) CROSS JOIN cycles_premiumsample s"
    )
    return plan.buffers


def _run(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)
