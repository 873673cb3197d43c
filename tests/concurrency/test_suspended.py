"""A host that is suspended between the intent of a request and its sending: its lease ran out while it slept."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from cycles.domain.words import CallOutcome
from cycles.models import ExchangeCall
from cycles.services import calling
from cycles.services.lasting import lasting
from exchanges import registry
from tests import builders
from tests.concurrency.test_lost_lease import claim, intended

pytestmark = [
    pytest.mark.concurrency,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="only Linux stops its clock"),
]
AN_HOUR = 3600


@pytest.fixture
def call() -> ExchangeCall:
    """Commit an intent under a lease of half a minute."""
    builders.right_clocks()
    builders.cycle()
    return intended(claim("worker"), lease_left=timedelta(seconds=30))


def suspend(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the host have slept for an hour, as its clocks tell it: the monotonic one has not moved."""
    read = time.clock_gettime

    def woken(clock: int) -> float:
        return read(clock) + (AN_HOUR if clock == time.CLOCK_BOOTTIME else 0)

    monkeypatch.setattr(time, "clock_gettime", woken)


def test_a_request_is_sent_while_its_lease_stands_by_the_lasting_clock(call: ExchangeCall) -> None:
    assert timedelta() < call.send_until - lasting() <= timedelta(seconds=30)
    assert calling.send_before(call) > registry.utc_now()
    assert calling.called(call, lambda: None).outcome == CallOutcome.DONE


def test_who_wakes_with_its_host_sends_nothing(
    call: ExchangeCall, monkeypatch: pytest.MonkeyPatch
) -> None:
    suspend(monkeypatch)
    sent: list[str] = []
    noted = calling.called(call, lambda: sent.append("sent"))
    assert (noted.outcome, sent) == (CallOutcome.NOT_SENT, [])
    assert "the lease ran out" in noted.error
    assert calling.send_before(call) < registry.utc_now()
