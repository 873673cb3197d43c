"""How fast many dead letters go on, chosen by a filter, each with its audit row, and what claims notice of it.

A quarter as many died of something else and are left as they are; no two have the same money at risk, and most goes first.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from itertools import pairwise

from django.conf import settings

from cycles.domain.words import FailureClass, Role
from cycles.models import Cycle, Intervention, Transition
from cycles.services import leasing, redriving
from cycles.services.desk import database_now
from cycles.services.redriving import Filter, Redriven
from tests import builders
from tests.benchmarks import place
from tests.benchmarks.explaining import cpu_seconds, unhurried
from tests.benchmarks.findings import PROJECT, Figure, Findings, median
from tests.benchmarks.growth import DUE, LIMIT, begin_cycles, copy_cycles, settle_statistics
from tests.desk import operator

AIM_RATE, AIM_CLAIMS = ">= 10,000", "ratio <= 1.3"


CHOSEN = Filter(failure_class=FailureClass.REFUSED_RULES, asset="XRP", venue="binance")
OTHER = FailureClass.WALLET_CLOSED  # a quarter as many
SPREAD = 1_000_003  # a prime: multiples of another do not repeat below it


def run(*, dead: int, seconds: int, rounds: int) -> Findings:
    """Redrive alone, in turn with each batch durable; then by the command while this process claims: in turn with claims that nothing disturbs."""
    ways: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    normal: list[float] = []
    beside: list[float] = []
    template, misplaced = "", 0
    with unhurried():
        for turn in range(rounds):
            for is_durable in (turn % 2 == 1, turn % 2 == 0):
                template = _begun_anew(dead)
                with _each_batch_durable() if is_durable else nullcontext():
                    ways[is_durable].append(_redriven(dead))
                misplaced += _misplaced()
        for _ in range(rounds):
            normal += _claims(_for(seconds))
            _dead(template, dead)
            with _command(dead) as goes_on:
                beside += _claims(goes_on)
    alone, durably = (median(rate for rate, _ in ways[way]) for way in (False, True))
    a_cpu = median(by_cpu for _, by_cpu in ways[False])
    figures = (
        Figure(what="dead letters redriven by filter, each with audit and transition", value=alone, unit="1/s", aim=AIM_RATE),
        Figure(what="the same by CPU, ours and the server's", value=a_cpu, unit="1/CPU s", aim=AIM_RATE),
        Figure(
            what="the same, each batch durable as it commits", value=durably, unit="1/s",
            reference="one wait for the disk, at the end", reference_value=alone, aim=AIM_RATE,
        ),
        Figure(what="a claim meanwhile, p50", value=_p50(beside), unit="ms", reference="without", reference_value=_p50(normal)),
        Figure(
            what="a claim meanwhile, p99", value=_p99(beside), unit="ms",
            reference="without", reference_value=_p99(normal), aim=AIM_CLAIMS,
        ),
    )  # fmt: skip
    return Findings(
        name="bulk redrive",
        figures=figures,
        work=_work(dead) | {"runs": 1 + rounds, "out of order": misplaced},
    )


def _begun_anew(dead: int) -> str:
    """Empty every table, and write what each way begins with: neither goes on beside the other's rows. Gives the template."""
    place.empty()
    builders.desk()
    template = str(builders.dead_letter().pk)
    begin_cycles()
    _dead(template, dead // 4, OTHER)
    _dead(template, dead - 1)
    return template


def _work(dead: int) -> dict[str, object]:
    """Say what was really done since all was emptied last: one way alone, and by the command."""
    done = Transition.objects.filter(event="redrive")
    return {
        "dead": dead,
        "redriven": done.count(),
        "audited": Intervention.objects.filter(verb="redrive").values("cycle").distinct().count(),
        "filter": asdict(CHOSEN),
        "left dead": Cycle.objects.filter(status="DEAD_LETTER").count(),
        "redriven of others": done.filter(cycle__failure_class=OTHER).count(),
        "batch": redriving.BATCH,
    }


@contextmanager
def _each_batch_durable() -> Iterator[None]:
    """Let each batch of this process wait for the disk, as its own commit: the product waits once, at the end."""
    once = redriving.MOVED
    redriving.MOVED = once.replace("'synchronous_commit', 'off'", "'synchronous_commit', 'on'")
    assert once != redriving.MOVED
    try:
        yield
    finally:
        redriving.MOVED = once


def _redriven(dead: int) -> tuple[float, float]:
    """Give dead letters a second of the wall, and a second of CPU."""
    began, cpu = time.perf_counter(), cpu_seconds()
    done = _redrive()
    assert done.count == dead, done
    cpu = cpu_seconds() - cpu
    return done.count / (time.perf_counter() - began), done.count / max(cpu, 0.01)


def _redrive() -> Redriven:
    return redriving.redrive_all(redriving.look(CHOSEN), actor=operator(), reason="a benchmark")


def _misplaced() -> int:
    """Count the batches with more money at risk in a cycle than in one of the batch before."""
    moved = Transition.objects.filter(event="redrive").order_by("id")
    at_risk = list(moved.values_list("cycle__money_at_risk_krw", flat=True))
    batches = [at_risk[at : at + redriving.BATCH] for at in range(0, len(at_risk), redriving.BATCH)]
    return sum(max(later) > min(earlier) for earlier, later in pairwise(batches))


def _dead(template: str, number: int, failure: str = CHOSEN.failure_class) -> None:
    """Add dead letters, as they were born."""
    why = {
        "failure_class": f"'{failure}'",
        "money_at_risk_krw": f"10 * mod(g * 7919::bigint, {SPREAD})",
        "resume_status": "'STARTED'",
        "next_retry_at": "NULL",
        "status_since": "clock_timestamp()",
        "version": "2",
    }
    copy_cycles(template, number, "DEAD_LETTER", None, why)
    settle_statistics("cycles_cycle")


@contextmanager
def _command(dead: int) -> Iterator[Callable[[], bool]]:
    """Redrive by the command, in a process of its own; gives whether it is still at it."""
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "kimp.settings",
        "DATABASE_URL": place.database_url(),
        "KIMP_ENVIRONMENT": "test",
        "KIMP_ROLE": "web",
        "KIMP_HOME": str(settings.KIMP_HOME),
    }
    of = (f"--class={CHOSEN.failure_class}", f"--asset={CHOSEN.asset}", f"--venue={CHOSEN.venue}")
    words = ("redrive", "--all-matching", *of, "--count", str(dead), "--yes", "--as", "alice")
    seen = ("--seen-at", database_now().isoformat(), "--reason", "a benchmark")
    command = (sys.executable, "manage.py", *words, *seen)
    with subprocess.Popen(
        command, cwd=PROJECT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as child:
        assert child.stderr is not None
        assert b"cut short" in child.stderr.readline()  # from here on it redrives
        yield lambda: child.poll() is None
        told = child.stderr.read()
    assert child.returncode == 0, told


def _claims(goes_on: Callable[[], bool]) -> list[float]:
    """Claim and give back, over and over, while something else goes on; gives milliseconds."""
    took: list[float] = []
    while goes_on() or len(took) < 10:
        began = time.perf_counter()
        leases = leasing.claim(Role.FINALIZER, "bench", limit=LIMIT)
        took.append((time.perf_counter() - began) * 1000)
        assert len(leases) == min(LIMIT, DUE)
        for lease in leases:
            leasing.release(lease, wake_in=None)
        time.sleep(0.005)  # a worker has other things to do
    return took


def _for(seconds: int) -> Callable[[], bool]:
    ends_at = time.perf_counter() + seconds
    return lambda: time.perf_counter() < ends_at


def _p99(took: list[float]) -> float:
    return sorted(took)[len(took) * 99 // 100]


def _p50(took: list[float]) -> float:
    return sorted(took)[len(took) // 2]
