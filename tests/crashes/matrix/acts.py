"""What a person or the queue does in a process of its own, by name: every verb of an operator, every job."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from uuid import UUID

from cycles import tasks
from cycles.domain.words import Mode, PauseScope
from cycles.models import Cycle, Desk, Pause
from cycles.services import desk, intervening, opening, redriving, resolving
from cycles.services.intervening import Actor
from cycles.services.resolving import Resolution, ResolutionOutcome
from tests.desk import operator

REASON = "a test"
SETTLED = Resolution(outcome=ResolutionOutcome.COMPLETED, evidence="ticket 1")

OnCycle = Callable[[UUID, Actor, int], object]
OnDesk = Callable[[Actor], object]

ON_CYCLES: dict[str, OnCycle] = {
    name: partial(
        lambda act, pk, actor, seen: act(pk, actor=actor, reason=REASON, seen_version=seen), verb
    )
    for name, verb in {
        "redrive": intervening.redrive,
        "unwind": intervening.unwind,
        "acknowledge": intervening.acknowledge,
        "resolve": partial(resolving.resolve, resolution=SETTLED),
        "write_off": resolving.write_off,
    }.items()
}


def _redrive_all(_pk: UUID, actor: Actor, _seen: int) -> object:
    seen = redriving.look(redriving.Filter(), actor=actor)
    return redriving.redrive_all(seen, actor=actor, reason=REASON)


ON_CYCLES["redrive, all that match"] = _redrive_all


def _resume(actor: Actor) -> object:
    seen = Desk.objects.get(pk=1).version
    return desk.set_mode(Mode.RUN, actor=actor, reason=REASON, seen_version=seen)


def _unpause(actor: Actor) -> None:
    desk.unpause(Pause.objects.get(key="SOL").pk, actor=actor, reason=REASON)


ON_DESK: dict[str, OnDesk] = {
    "halt": lambda actor: desk.set_mode(Mode.HALT, actor=actor, reason=REASON),
    "resume": _resume,
    "pause": lambda actor: desk.pause(PauseScope.ASSET, "SOL", actor=actor, reason=REASON),
    "unpause": _unpause,
    "open": lambda actor: opening.open_by_hand(
        asset="XRP", notional_usdt=Decimal(120), actor=actor, reason=REASON
    ),
}
JOBS = tuple(scheduled.name for scheduled in tasks.SCHEDULES)


def on_cycle(verb: str, cycle: str, seen: int) -> None:
    """Do an operator's verb on a cycle."""
    pk = UUID(cycle)
    assert Cycle.objects.filter(pk=pk).exists()
    ON_CYCLES[verb](pk, operator(), seen)


def on_desk(verb: str) -> None:
    """Do an operator's verb on the desk."""
    ON_DESK[verb](operator())


def job(name: str) -> None:
    """Run one of the queue's jobs."""
    getattr(tasks, name)()
