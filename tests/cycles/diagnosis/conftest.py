"""A desk that is ready for money: processes alive, schedule in step, alerts arriving, calls accepted before."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from cycles.diagnosis.findings import Finding
from cycles.domain.words import Role
from cycles.models import Alert
from cycles.services import alerting
from cycles.services.presence import beat
from kimp import schedules
from tests.cycles.telegram_sink import Sink, serving
from tests.desk import TestDesk

PROCESSES = {
    "feeder@here": Role.FEEDER,
    "initiator@here": Role.INITIATOR,
    "finalizer@here": Role.FINALIZER,
    "job:deliver_alerts": Role.WORKER,
}


@dataclass(kw_only=True)
class Report:
    """What one run of the doctor printed, and how it ended."""

    status: int
    text: str
    rows: list[dict[str, str]] = field(default_factory=list)

    def lines(self, section: str = "", level: str = "") -> list[dict[str, str]]:
        """Give the lines of a section and level; of all where none is named."""
        return [
            row
            for row in self.rows
            if section in {"", row["section"]} and level in {"", row["level"]}
        ]


def doctor(*words: str) -> Report:
    """Run the command; with --json its rows are read."""
    out, err, status = io.StringIO(), io.StringIO(), 0
    try:
        call_command("doctor", *words, stdout=out, stderr=err)
    except CommandError as error:
        status = error.returncode
        err.write(str(error))
    rows = json.loads(out.getvalue())["findings"] if "--json" in words else []
    return Report(status=status, text=out.getvalue() + err.getvalue(), rows=rows)


def line(found: Iterable[Finding], subject: str) -> Finding:
    """Give the one line on a subject."""
    (one,) = [row for row in found if row.subject == subject]
    return one


@pytest.fixture
def telegram(settings: Any) -> Iterator[Sink]:
    """Give people a channel."""
    with serving() as sink:
        settings.KIMP_TELEGRAM_BASE_URL = sink.url
        settings.KIMP_TELEGRAM_TOKEN, settings.KIMP_TELEGRAM_CHAT_ID = "123456:hushhush", "7"
        yield sink


@pytest.fixture
def ready(desk: TestDesk, telegram: Sink) -> TestDesk:
    """Give a desk of which every line is OK but for what no read tells of a Korean key."""
    for name, role in PROCESSES.items():
        beat(name, role)
    schedules.sync()
    alerting.raise_alert(key="hello", severity=Alert.Severity.INFO, title="The desk is up")
    assert alerting.deliver_due() == 1
    desk.sample()
    return desk
