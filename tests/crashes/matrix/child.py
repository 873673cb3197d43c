"""What a forked worker does: drive cycles, or act once, watched at every place where it could die."""

from __future__ import annotations

import importlib
import os
import re
import signal
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.core.management import call_command
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now

from cycles.domain.words import CallOutcome, Role
from cycles.models import Cycle, ExchangeCall
from cycles.services import advancing, desk, leasing, looking, rating, verifying, watching
from cycles.services.leasing import DUE
from tests.crashes.matrix.left import wake
from tests.crashes.matrix.seams import Seams, watch
from tests.desk import why

SAMPLE_SECONDS = 2.0
END_SECONDS = (
    120.0  # one worker drives forty cycles home, on a machine that may be busy with others
)
AGE = timedelta(minutes=3)
TURN_SECONDS = 4.0  # then samples are taken anew
RESTS = timedelta(seconds=11)  # longer than an order may rest, and no longer than one is waited for
AT_ONCE = timedelta(seconds=0.5)  # what has not rested for that long may be filled any moment


def do(order: dict[str, Any], tell: Callable[[str], object]) -> None:
    """Do one order; `tell` hears of each place as it is reached."""
    name, nth = order["die_at"] or ("", 1)
    seams = Seams(tell=tell, name=name, nth=nth)
    if "role" in order:
        seams.sign, seams.known = signal.SIGTERM, frozenset(order["known"])
        seams.may = re.compile(order["may"])
    watch(seams)
    looking.QUICKEST = timedelta(0)  # nobody watches the venues but this worker
    verifying.TRIES = 1  # what is open here stays open: nobody else works
    if "role" in order:
        _work(order["role"], UUID(order["cycle"]))
    elif order["do"] == "drive":
        _drive(seams, [UUID(one) for one in order["cycles"]], order["halts_in"])
    else:
        module, _, function = order["do"].rpartition(".")
        seams.context = function
        getattr(importlib.import_module(module), function)(**order.get("with", {}))


def _work(role: str, cycle_id: UUID) -> None:
    """Be a role's process until it is told to stop: at a new place, or once there is nothing more to do for it."""

    def stop_once_done() -> None:
        ends_at = time.monotonic() + TURN_SECONDS
        mine = Cycle.objects.filter(DUE[Role(role)], pk=cycle_id)
        while time.monotonic() < ends_at and mine.exists():
            time.sleep(0.02)
        connection.close()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop_once_done, daemon=True).start()
    call_command(role, "--no-metrics")


def _drive(seams: Seams, ids: list[UUID], halts_in: str) -> None:
    """Claim and drive these cycles as both roles do, until each is final or a person's; halt the desk in a status."""

    def context(cycle_id: UUID) -> bool:
        with seams.unwatched():
            seams.context = Cycle.objects.values_list("status", flat=True).get(pk=cycle_id)
            if halts_in == seams.context and _is_travelling(cycle_id):
                desk.halt_by_system("a test")
        return True

    rates, sampled_at = rating.Rates(), time.monotonic()  # the test sampled a moment ago
    ends_at = time.monotonic() + END_SECONDS
    rows = Cycle.objects.filter(pk__in=ids, ended_at=None).exclude(status="DEAD_LETTER")
    while time.monotonic() < ends_at:
        with seams.unwatched():
            if time.monotonic() - sampled_at > SAMPLE_SECONDS:
                watching.tick(rates)
                sampled_at = time.monotonic()
            if not rows.exists():
                return
        for role in (Role.INITIATOR, Role.FINALIZER):
            seams.context = ""
            for lease in leasing.claim(role, f"{role.value}:matrix:{os.getpid()}", limit=50):
                advancing.advance(lease, may_go_on=partial(context, lease.cycle_id))
        with seams.unwatched():
            _let_time_pass(ids)
        time.sleep(0.005)
    raise TimeoutError([f"{row} {row.status}: {why(row)}" for row in rows])


def _is_travelling(cycle_id: UUID) -> bool:
    """Say whether a cycle has sent its coins in the passage under way, or unwinds."""
    cycle = Cycle.objects.get(pk=cycle_id)
    passage = "OUTBOUND" if cycle.status == "STARTED" else "RETURN"
    sent = ExchangeCall.objects.filter(cycle=cycle, operation="WITHDRAW", outcome="DONE")
    return cycle.plan == "UNWIND" or sent.filter(step__passage=passage).exists()


def _let_time_pass(ids: list[UUID]) -> None:
    """Make what is unknown older than any venue's window, and what rests due for a cancel: a worker would wait."""
    unknown = ExchangeCall.objects.filter(cycle__in=ids, outcome=CallOutcome.UNKNOWN)
    unknown.filter(noted_at__gt=Now() - AGE).update(noted_at=F("noted_at") - AGE)
    unknown.filter(missed_at__gt=Now() - AGE).update(missed_at=F("missed_at") - AGE)
    resting = ExchangeCall.objects.filter(
        cycle__in=ids, operation="PLACE_ORDER", outcome=CallOutcome.DONE, is_settled=False
    )
    resting.filter(noted_at__range=(Now() - RESTS, Now() - AT_ONCE)).update(
        noted_at=F("noted_at") - RESTS
    )
    wake(ids)
