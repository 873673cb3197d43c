"""The kinds of harm, as data: each a small function of the storm, and what it is for."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction

from cycles.models import Alert, Transition
from cycles.services.alerting import raise_alert
from exchanges import registry
from exchanges.simulator.core.fault_table import TABLE
from exchanges.simulator.core.scenarios import troubles
from exchanges.simulator.core.scenarios.scenario import RuleSpec
from tests.crashes.chaos import channel, deeds, sessions
from tests.crashes.chaos.shifted import set_clock
from tests.crashes.running import LEASE_SECONDS

if TYPE_CHECKING:
    from tests.crashes.chaos.storm import Storm

SIMULATOR = "simulator"
# Half of them within what a clock may be off (5 s): under such a one a worker goes on, under the others it refuses to.
CLOCK_SECONDS = (-7200.0, -90.0, -6.0, -4.5, -3.0, -1.5, 1.5, 3.0, 4.5, 6.0, 90.0, 7200.0)
SKEW_MILLISECONDS = (-4000, -700, 400, 3000, 12_000)
WITH_CLOCK = ("feeder", "initiator", "finalizer", "worker")
AT_ONCE = (1, 1, 2, 3)
FLOOD = 40  # alerts at once: more than a run of the queue's job takes while the channel is ill
LOST: tuple[RuleSpec, ...] = (*troubles.LOST_ORDERS, *troubles.LOST_WITHDRAWALS)
# But for coins that a venue never shows: such a cycle waits, loudly, for as long as nobody finds them.
TRANSFERS = tuple(
    rule for rule in troubles.BAD_TRANSFERS if rule.get("args") != {"value": "wrong_tag"}
)
FAULTS: tuple[RuleSpec, ...] = (*LOST, *TRANSFERS, *troubles.BAD_ORDERS, *troubles.BAD_READS)
HANG_MILLISECONDS = 1500
BY_ACT = "storm"  # the label of what the act "fault" sets


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One kind of harm. `owns_server`: it needs a database server that nobody else uses."""

    name: str
    does: str
    do: Callable[[Storm], None]
    owns_server: bool = False


def _kill(storm: Storm) -> None:
    """Kill a process, or several at the same instant, as when a machine is lost."""
    names = storm.some_processes(storm.source.choice(AT_ONCE))
    if SIMULATOR in names:
        storm.count_struck()
    for name in names:
        if name.startswith(deeds.DECIDING):
            storm.forget_clock(name)  # what it has done is counted while its number is known
        storm.desk.kill(name)
        storm.forget_later(name)
        storm.killed[name.partition("-")[0]] += 1
    storm.done["kill"] += len(names) - 1  # the storm counts one
    storm.desk.start(*(name for name in names if name != SIMULATOR))
    if SIMULATOR in names:
        storm.desk.start_venues()
        storm.prepare_venues()


def _stop(storm: Storm) -> None:
    """Stop any role; and, as soon as one is met, a worker that has a lease, until another may have it."""
    name, lasts = storm.any_role(), LEASE_SECONDS * storm.source.uniform(1.5, 3)
    storm.stop(name, lasts)
    storm.to_stop.append(lasts + LEASE_SECONDS)


def _hang(storm: Storm) -> None:
    storm.stop(SIMULATOR, storm.source.uniform(0.5, 2))


def _cut(storm: Storm) -> None:
    storm.seen["connections cut"] += sessions.cut_all()


def _crash_server(storm: Storm) -> None:
    storm.restart_server(signal.SIGQUIT)


def _restart_server(storm: Storm) -> None:
    storm.restart_server(signal.SIGINT)


def _clock(storm: Storm) -> None:
    """Set a process's clock; it is set right again some seconds later."""
    name, ahead = storm.any_role(*WITH_CLOCK), storm.source.choice(CLOCK_SECONDS)
    lasts = storm.source.uniform(
        2, 8
    )  # drawn before anything can fail: what is drawn next hangs on no database
    storm.forget_clock(name)
    file, count = storm.desk.clock(name), deeds.counting_under_a_clock(storm, name)
    set_clock(file, ahead)

    def set_right() -> None:
        count()
        set_clock(file, 0.0)

    storm.later(lasts, f"clock {name}", set_right)


def _skew(storm: Storm) -> None:
    venue = storm.source.choice(registry.desk_venues())
    off, lasts = storm.source.choice(SKEW_MILLISECONDS), storm.source.uniform(2, 6)

    def set_to(milliseconds: int) -> None:
        storm.control("/control/skew", {"venue": venue, "ms": milliseconds})

    set_to(off)
    storm.later(lasts, "", lambda: set_to(0))


def _locks(storm: Storm) -> None:
    storm.sessions.keep(storm.source.choice(sorted(sessions.ROWS)))


def _deadlock(storm: Storm) -> None:
    storm.sessions.cross()


def _outbox(storm: Storm) -> None:
    """Let the channel be ill for a while, and fill the outbox with more than it could take."""
    storm.channel.mood = storm.source.choice(channel.TROUBLES)
    lasts = storm.source.uniform(10, 70)
    keys = [f"storm:{storm.done['outbox']}:{number}" for number in range(FLOOD)]
    with transaction.atomic():
        told = [raise_alert(key=key, severity=Alert.Severity.INFO, title=key) for key in keys]
    storm.seen["alerts raised by us"] += sum(told)
    before, began = Transition.objects.count(), time.monotonic()

    def recover() -> None:
        storm.channel.mood = "takes"
        deeds.note_outbox(
            storm.seen,
            moved=Transition.objects.count() - before,
            seconds=time.monotonic() - began,
        )

    storm.later(lasts, "", recover)


def _fault(storm: Storm) -> None:
    """Let a fault of the table strike the next few requests that it is for."""
    rule = briefly(storm.source.choice(storm.faults))
    times, chance = storm.source.randint(1, 4), storm.source.choice(("0.3", "0.6", "1"))
    when = {"when": {"prob": chance}, "times": times, "label": BY_ACT}
    storm.control("/control/faults", rule | when)
    storm.seen[f"fault {rule['fault']}"] += 1


def briefly(rule: RuleSpec) -> dict[str, object]:
    """Let a fault that hangs end soon: a storm has many."""
    given = rule.get("args", {})
    args = dict(given) if isinstance(given, dict) else {}
    if rule.get("action", TABLE[str(rule["fault"])].action) == "hang":
        args = {"milliseconds": HANG_MILLISECONDS} | args
    return {**rule, "args": args}


ACTS: dict[str, Act] = {
    act.name: act
    for act in (
        Act(name="kill", does="SIGKILL of any process, the venues' included", do=_kill),
        Act(name="stop", does="SIGSTOP for longer than a lease, then SIGCONT", do=_stop),
        Act(name="hang", does="the venues stand still for a moment", do=_hang),
        Act(name="cut", does="the server terminates every connection (a failover)", do=_cut),
        Act(
            name="crash", does="the database server is ended at once, and recovers",
            do=_crash_server, owns_server=True,
        ),
        Act(
            name="restart", does="the database server is restarted in good order",
            do=_restart_server, owns_server=True,
        ),
        Act(name="clock", does="the clock of a process is set, by up to two hours", do=_clock),
        Act(name="skew", does="the clock of a venue is set", do=_skew),
        Act(name="locks", does="rows are kept for longer than lock_timeout", do=_locks),
        Act(name="deadlock", does="rows are locked against the order", do=_deadlock),
        Act(name="outbox", does="alerts pile up, their channel fails or hangs", do=_outbox),
        Act(name="fault", does="a fault of the table strikes the venues", do=_fault),
    )
}  # fmt: skip
