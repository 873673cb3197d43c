"""The long storm, on a database server of its own. Not part of `make test`: `make chaos` runs it."""

from __future__ import annotations

import io
import json
import os
import time
from dataclasses import fields
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command

from exchanges import registry
from tests.builders import person
from tests.crashes.chaos import claims, report
from tests.crashes.chaos.acts import ACTS
from tests.crashes.chaos.channel import Channel
from tests.crashes.chaos.desk import HarmedDesk
from tests.crashes.chaos.storm import Script, Storm

pytestmark = [pytest.mark.processes, pytest.mark.timeout(4 * 3600)]

ROLES = (
    "feeder-1",
    *(f"initiator-{number}" for number in (1, 2, 3)),
    *(f"finalizer-{number}" for number in (1, 2, 3)),
    "worker-1",
    "web-1",
)


def _script() -> Script:
    asked = json.loads(os.environ["CHAOS_SCRIPT"])
    assert set(asked) <= {one.name for one in fields(Script)}
    return Script(roles=ROLES, acts=tuple(ACTS), **asked)


def test_no_storm_sends_twice_strands_a_cycle_or_bends_the_ledger(
    harmed: HarmedDesk, channel: Channel
) -> None:
    person("alice", "administrator")
    call_command("sync_schedules", stdout=io.StringIO())
    storm = Storm(
        desk=harmed, channel=channel, script=_script(), server_home=settings.KIMP_HOME,
        say=lambda text: print(text, flush=True),
    )  # fmt: skip
    began = time.monotonic()

    storm.rage()
    storm.calm()

    outbox = claims.no_alert_is_lost(channel.taken, raised=storm.seen["alerts raised by us"])
    found = [
        *claims.examine(harmed), outbox, claims.no_job_is_put_off(),
        claims.harm_was_done(storm.done, storm.seen),
    ]  # fmt: skip
    told = report.document(storm, found, seconds=time.monotonic() - began)
    Path(os.environ["CHAOS_FILE"]).write_text(json.dumps(told, indent=1), "utf-8")
    assert [claim.name for claim in found if not claim.holds] == []
    assert claims.venues_with_orders(harmed) == set(registry.desk_venues())
    assert storm.operators.puzzles == {}
    assert [name for name in ACTS if not storm.done[name]] == []
    assert storm.done["kill"] >= storm.script.kills
    assert storm.trader.opened >= storm.script.cycles
    assert told["server"]["deadlocks"]
    assert told["server"]["lock time-outs"]
