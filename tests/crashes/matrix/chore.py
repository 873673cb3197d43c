"""What a job of the queue has to do when it is killed: what all of these have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from django.db.models.functions import Now

from cycles.models import Cycle
from tests.crashes.matrix.sites import reached
from tests.crashes.matrix.world import Ended, Point, World, one_side_each
from tests.cycles.telegram_sink import Sink

ORDER_SENT = Point("STARTED: binance place_order | sent, not answered")


@dataclass
class Chore:
    """What one job has to do. `must`: words of places, and how often it must at least come by each.

    `seams`: those that only this job is killed at, as `sites` names them.
    """

    must: ClassVar[Mapping[str, int]]
    seams: ClassVar[frozenset[str]] = frozenset()
    times: ClassVar[int] = 1  # it is killed so many times at each of its places
    calls_venues: ClassVar[bool] = False
    only_reads_on_the_wire: ClassVar[bool] = False  # what dies in a call leaves its work as it was
    matrix: World
    sink: Sink
    begun: int = 0

    def begin(self) -> Any:
        """Make something for the job to do."""
        self.begun += 1
        return self.make(self.begun)

    def make(self, number: int) -> Any:
        """Make it, like no other."""
        raise NotImplementedError

    def let_time_pass(self, work: Any) -> None:
        """Let run out what the dead job had taken."""

    def found(self, work: Any, point: Point | None = None) -> Any:
        """Give what came of it, in words that are the same for all that it was given to do."""
        raise NotImplementedError

    def clear(self, work: Any) -> None:
        """Put right what would be in the way of the next."""

    def killed_at(self, ended: Ended, *, everywhere: bool) -> list[Point]:
        """Choose the places to die at, of those that an undisturbed run reached: all, or of each seam what tells most.

        Its own seams on both sides always: what is told behind a commit is missing only there.
        """
        points = [point for point in ended.points() if point.nth <= self.times]
        if everywhere:
            return points
        telling = [point for point in points if self.tells_most(point)]
        chosen = {*one_side_each(telling), *(one for one in telling if self.is_own(one))}
        return [point for point in points if point in chosen]

    def is_own(self, point: Point) -> bool:
        """Say whether a place lies at a seam that only this job is killed at."""
        return point.nth == 1 and not self.seams.isdisjoint(reached([point.name]))

    def tells_most(self, point: Point) -> bool:
        """Say whether a death there is unlike those beside it: a read that is over has changed nothing."""
        return not (
            self.only_reads_on_the_wire
            and point.name.endswith(("before the call", "after the call"))
        )

    def demand_work(self, ended: Ended) -> None:
        """Fail if the job had nothing to do."""
        for words, fewest in self.must.items():
            times = sum(words in name and "after" not in name for name in ended.reached)
            assert times >= fewest, (words, times, ended.reached)


class OnCycle(Chore):
    """Its work is a cycle, which must end as one whose job nobody killed. `own`: words of places of the job's own."""

    own: ClassVar[tuple[str, ...]]
    calls_venues = True

    def tells_most(self, point: Point) -> bool:
        """Leave out where every worker passes, and is killed."""
        return any(words in point.name for words in self.own)

    def let_time_pass(self, work: Cycle) -> None:
        mine = Cycle.objects.filter(pk=work.pk, ended_at=None).exclude(status="DEAD_LETTER")
        mine.update(wake_at=Now())
        mine.filter(lease_expires_at__isnull=False).update(lease_expires_at=Now())

    def orphan(self) -> Cycle:
        """Give a cycle whose worker died when its order was sent, and whose lease has run out."""
        cycle = self.matrix.die(ORDER_SENT)
        self.let_time_pass(cycle)
        return cycle
