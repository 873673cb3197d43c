"""A host that is suspended between the intent of a request and its first byte: its lease ran out while it slept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Event

import pytest

from cycles.domain.words import CallOutcome
from cycles.models import ExchangeCall
from cycles.services import calling
from cycles.services.calling import Noted
from exchanges import lasting as clock, registry
from exchanges.lasting import lasting
from tests import builders
from tests.concurrency.test_lost_lease import claim, intended
from tests.exchanges.raw_server import raw_server, reply
from tests.exchanges.transport.sleeping import suspend, when_connected
from tests.exchanges.transport.test_losses import MONEY, transport_to

pytestmark = [
    pytest.mark.concurrency,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="only Linux stops its clock"),
]
LEASE = timedelta(seconds=30)


@pytest.fixture
def call() -> ExchangeCall:
    """Commit an intent under a lease of half a minute."""
    builders.right_clocks()
    builders.cycle()
    return intended(claim("worker"), lease_left=LEASE)


@contextmanager
def at_the_venue() -> Iterator[tuple[list[bytes], Callable[[ExchangeCall], Noted]]]:
    """Give what has come to a venue, and how it is called over the real wire."""
    with raw_server(reply(b"{}")) as server, transport_to(server.url) as transport:

        def called(call: ExchangeCall) -> Noted:
            return calling.called(call, lambda: transport.call(MONEY, lambda _reply: None))

        yield server.requests, called


def test_a_request_is_sent_while_its_lease_stands_by_the_lasting_clock(call: ExchangeCall) -> None:
    assert timedelta() < call.send_until - lasting() <= calling.SEND_WITHIN < LEASE
    assert calling.send_before(call) > registry.utc_now()
    with at_the_venue() as (requests, called):
        assert called(call).outcome == CallOutcome.DONE
        assert len(requests) == 1


def test_who_wakes_with_its_host_sends_nothing(
    call: ExchangeCall, monkeypatch: pytest.MonkeyPatch
) -> None:
    suspend(monkeypatch)
    sent: list[str] = []
    noted = calling.called(call, lambda: sent.append("sent"))
    assert (noted.outcome, sent) == (CallOutcome.NOT_SENT, [])
    assert "the lease ran out" in noted.error
    assert calling.send_before(call) < registry.utc_now()


def test_nor_does_who_slept_while_it_connected(
    call: ExchangeCall, monkeypatch: pytest.MonkeyPatch
) -> None:
    when_connected(monkeypatch, lambda: suspend(monkeypatch))
    with at_the_venue() as (requests, called):
        noted = called(call)
        assert (noted.outcome, requests) == (CallOutcome.NOT_SENT, [])


def test_control_by_a_clock_that_stands_still_meanwhile_it_is_sent(
    call: ExchangeCall, monkeypatch: pytest.MonkeyPatch
) -> None:
    call.send_until += timedelta(seconds=time.monotonic()) - lasting()
    monkeypatch.setattr(clock, "_CLOCK", time.CLOCK_MONOTONIC)
    when_connected(monkeypatch, lambda: suspend(monkeypatch))
    with at_the_venue() as (requests, called):
        assert called(call).outcome == CallOutcome.DONE
        assert len(requests) == 1


def test_nor_does_one_whose_lease_ran_out_while_it_connected(
    call: ExchangeCall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No deadline of the call holds it back: it is the lease that does."""

    def ran_out() -> None:
        call.send_until = lasting()

    when_connected(monkeypatch, ran_out)
    with at_the_venue() as (requests, called):
        noted = called(call)
        assert (noted.outcome, requests) == (CallOutcome.NOT_SENT, [])
        assert "the lease ran out" in noted.error


def test_nor_does_one_whose_cycle_was_handed_back_while_it_connected(
    call: ExchangeCall, monkeypatch: pytest.MonkeyPatch
) -> None:
    call.given_up = given_up = Event()
    when_connected(monkeypatch, given_up.set)
    with at_the_venue() as (requests, called):
        noted = called(call)
        assert (noted.outcome, requests) == (CallOutcome.NOT_SENT, [])
        assert "handed the cycle back" in noted.error
