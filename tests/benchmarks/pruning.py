"""What the product's own pruning touches, runs as it has them each hour: probes and marks too, and nothing vacuumed in between."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Count, Max, Min

from cycles import conf
from cycles.models import PremiumSample, RollUpMark
from cycles.selectors.premia import NEWEST
from cycles.services import retention
from tests import builders
from tests.benchmarks import copying
from tests.benchmarks.explaining import explained, session_pages, unvacuumed, vacuumed
from tests.benchmarks.findings import Figure

TABLE = "cycles_premiumsample"
ASSETS = ("BTC", "ETH", "SOL", "USDT", "XRP")
BEGIN = datetime(2012, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DEAD = 0.2  # of the table: what PostgreSQL leaves until it vacuums, if nothing is set
FEW, MANY = "a run, what one run deleted is dead", "a run, a fifth of the table is dead"
AGAIN = "a run, room used again"
# Of the newest rows one of each series, copied instant by instant.
NEW = f"t.id > (SELECT max(id) FROM {TABLE}) - {len(ASSETS)} ORDER BY g, t.id"


def figures(sizes: tuple[int, int], left: list[str]) -> list[Figure]:
    """Measure at both sizes, as dense at both: at most a sample a second of each series."""
    an_hour = min(len(ASSETS) * 3600, sizes[0] // 20)
    small, large = (_Samples(rows, an_hour).measured(left) for rows in sizes)
    empty()
    found = [
        Figure(
            what=f"as it runs: {what}", value=large[what], unit="pages",
            reference="the same, small", reference_value=small[what], aim="ratio <= 1.2",
        )
        for what in large
    ]  # fmt: skip
    beside = Figure(
        what=f"as it runs: {MANY}", value=large[MANY], unit="pages",
        reference=FEW, reference_value=large[FEW], aim="ratio <= 1.2",
    )  # fmt: skip
    return [*found, beside]


def empty() -> None:
    """Empty what pruning works on: here nothing else was written."""
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {TABLE}, cycles_rollupmark RESTART IDENTITY")


class _Samples:
    """The product's table with so many samples, the hours of five series; all are rolled up, though into nothing."""

    def __init__(self, rows: int, an_hour: int) -> None:
        self.an_hour, self.hours = an_hour // len(ASSETS) * len(ASSETS), 0
        empty()
        for asset in ASSETS:
            builders.sample(asset, at=BEGIN)
        RollUpMark.objects.create()
        self._write(rows // an_hour)
        with connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM {TABLE} WHERE id <= %s", [len(ASSETS)])
            cursor.execute(f"VACUUM ANALYZE {TABLE}")

    def measured(self, left: list[str]) -> dict[str, float]:
        """Give pages for a thousand rows; note what is left in the end."""
        dead = max(3, int(self.hours * DEAD))
        with unvacuumed(TABLE):
            self._run(1)
            found = {FEW: self._run(2)}
            self._prune_to(dead - 1)
            found[MANY] = self._run(dead)
            found["vacuumed"] = vacuumed(TABLE) / (dead * self.an_hour) * 1000
            found["written"] = self._counted(lambda: self._write(dead))
            self._run(dead + 1)  # looks at all that was written since the last one
            found[AGAIN] = self._run(dead + 2)
            found["newest read"] = explained(NEWEST).buffers
        ends = PremiumSample.objects.aggregate(n=Count("pk"), first=Min("at"), last=Max("at"))
        left.append("{n} from {first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S}".format(**ends))
        return found

    def _run(self, hour: int) -> float:
        """Let an hour pass, in which feeders write on, and prune what has become too old by then."""
        self._write(1)
        return self._counted(lambda: self._prune_to(hour))

    def _prune_to(self, hour: int) -> int:
        """Let runs go until all is gone that is older than an hour of ours; gives how many samples went."""
        now, gone = BEGIN + conf.samples_kept() + hour * HOUR, 0
        while more := retention.prune_premia(now).samples:
            gone += more
        return gone

    def _counted(self, work: Callable[[], int]) -> float:
        before = session_pages()
        rows = work()
        assert not rows % self.an_hour, rows
        return (session_pages() - before) / rows * 1000

    def _write(self, hours: int) -> int:
        """Write some hours more, all series at each instant; gives how many samples."""
        instants = self.an_hour // len(ASSETS)
        for _ in range(hours):
            begin = BEGIN + self.hours * HOUR
            at = f"'{begin.isoformat()}'::timestamptz + (g - 1) * interval '{3600 / instants} s'"
            copying.copy(TABLE, instants, copying.OWN_ID | {"at": at}, where=NEW)
            self.hours += 1
        newest: Any = PremiumSample.objects.aggregate(newest=Max("id"))["newest"]
        RollUpMark.objects.update(done_to=newest)
        return hours * self.an_hour
