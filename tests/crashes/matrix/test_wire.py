"""A call on the wire is a place to die at, whoever makes it and however it ends."""

from __future__ import annotations

import http.client

import pytest

from cycles.conf import Telegram
from cycles.services import telegram
from exchanges.transport.calls import VenueTransport
from exchanges.transport.http import HttpSender
from tests.crashes.matrix.seams import Seams, _watch_calls
from tests.cycles.telegram_sink import SILENT, serving

NOBODY = "http://127.0.0.1:1"


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give the places on the wire as this process reaches them; the watch ends with the test."""
    places: list[str] = []
    for owner, name in (
        (VenueTransport, "_send"), (HttpSender, "send"), (http.client.HTTPConnection, "getresponse"),
    ):  # fmt: skip
        monkeypatch.setattr(owner, name, getattr(owner, name))
    _watch_calls(Seams(tell=places.append))
    return places


def send(url: str) -> list[str]:
    """Send an alert; give what came of it."""
    channel = Telegram(base_url=url, token="1:test", chat_id="1")
    return [telegram.send(channel, "a test", timeout_seconds=0.5).outcome]


def kinds(told: list[str]) -> list[str]:
    assert all(place.startswith("telegram.send") for place in told)
    return [place.rpartition(" | ")[2] for place in told]


def test_an_alert_on_the_wire_is_a_place_to_die_at(told: list[str]) -> None:
    with serving() as sink:
        assert send(sink.url) == ["delivered"]
    assert kinds(told) == ["before the call", "sent, not answered", "after the call"]


def test_there_is_a_place_behind_a_call_that_was_never_answered(told: list[str]) -> None:
    with serving([SILENT]) as sink:
        assert send(sink.url) == ["lost"]
    assert kinds(told) == ["before the call", "sent, not answered", "after the call"]


def test_there_is_a_place_behind_a_call_that_never_left(told: list[str]) -> None:
    assert send(NOBODY) == ["lost"]
    assert kinds(told) == ["before the call", "after the call"]
