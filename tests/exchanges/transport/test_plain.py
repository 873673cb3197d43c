"""The plain client tells what became of a post, and never repeats or shows its URL."""

from __future__ import annotations

import json

import pytest

from exchanges.errors import NotSentError, OutcomeUnknownError
from exchanges.transport.plain import get_json, post_json
from tests.exchanges.raw_server import Behaviour, hang, raw_server, reply, reset, truncate


def test_a_post_gives_status_and_body_whatever_the_status() -> None:
    with raw_server(reply(b'{"ok":true}'), reply(b"slow down", status=429)) as server:
        url = f"{server.url}/bot123:token/sendMessage?x=1"
        assert post_json(url, {"text": "premium ₩"}, 2) == (200, b'{"ok":true}')
        assert post_json(url, {}, 2) == (429, b"slow down")
        assert server.requests[0].startswith(b"POST /bot123:token/sendMessage?x=1 HTTP/1.1\r\n")
        assert json.loads(server.bodies()[0]) == {"text": "premium ₩"}


@pytest.mark.parametrize("behaviour", [reset, truncate, hang])
def test_a_lost_reply_is_unknown_and_posted_once(behaviour: Behaviour) -> None:
    with raw_server(behaviour) as server:
        with pytest.raises(OutcomeUnknownError) as caught:
            post_json(f"{server.url}/bot123:token/sendMessage", {}, 0.3)
        assert "token" not in repr(caught.value)
        assert caught.value.__cause__ is None
        assert len(server.requests) == 1


def test_a_refused_connection_is_not_sent() -> None:
    with pytest.raises(NotSentError) as caught:
        post_json("http://127.0.0.1:1/bot123:token/sendMessage", {}, 1)
    assert "token" not in repr(caught.value)


def test_a_redirect_is_given_back_not_followed() -> None:
    with raw_server(reply(b"", status=302, headers={"Location": "/elsewhere"})) as server:
        assert post_json(server.url, {}, 2)[0] == 302
        assert len(server.requests) == 1


@pytest.mark.parametrize("body", [b"<html>", b'["\xff"]', b"[" * 100_000])
def test_a_read_that_is_not_json_is_unknown(body: bytes) -> None:
    with raw_server(reply(body)) as server, pytest.raises(OutcomeUnknownError):
        get_json(server.url, 2)
