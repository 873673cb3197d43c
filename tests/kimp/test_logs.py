"""Logs: one redacted stream of JSON lines in which every line carries the bound ids."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from decimal import Decimal

import pytest
import structlog
from django.conf import settings

from cycles.services.correlating import bound
from kimp import logs
from kimp.redaction import Redactor
from tests.kimp.log_lines import Lines, captured

SECRET = "an-exact-secret-value"
OPTIONS = {"format": "json", "role": "finalizer", "session_id": "s-default", "secrets": [SECRET]}


@pytest.fixture
def lines() -> Iterator[Lines]:
    with captured(logging.INFO, OPTIONS) as found:
        yield found


def fail(text: str) -> None:
    raise RuntimeError(text)


def test_a_line_carries_the_bound_ids_and_its_origin(lines: Lines) -> None:
    with bound(request_id="r1", cycle_id="CYC-1", session_id="s1", user_id="7"):
        structlog.get_logger("kimp.test").info("step.settled", quantity=Decimal("1.50"))
    assert lines.last | {"timestamp": ""} == {
        "event": "step.settled",
        "quantity": "1.50",
        "request_id": "r1",
        "cycle_id": "CYC-1",
        "session_id": "s1",
        "user_id": "7",
        "role": "finalizer",
        "level": "info",
        "logger": "kimp.test",
        "timestamp": "",
    }


def test_the_session_of_the_process_stands_in_when_none_is_bound(lines: Lines) -> None:
    structlog.get_logger("kimp.test").warning("tick")
    assert lines.last["session_id"] == "s-default"


def test_the_standard_library_joins_with_the_ids(lines: Lines) -> None:
    with bound(request_id="r1"):
        logging.getLogger("django-q").warning("worker %s is %s", 3, "ready")
    assert lines.last["event"] == "worker 3 is ready"
    assert lines.last["request_id"] == "r1"


def test_secrets_are_masked_at_every_level(lines: Lines) -> None:
    structlog.get_logger("kimp.test").info(
        "call.sent",
        api_key="abc",
        headers=[{"X-MBX-APIKEY": "abc", "Authorization": "Bearer abc.def"}],
        request={"nested": ({"secretKey": "abc", "withdrawal_address": "abc", "memo": "123"},)},
        key="dead-letter:CYC-1",
    )
    line = lines.last
    assert "abc" not in lines.texts[-1]
    assert "123" not in json.dumps(line["request"])
    assert line["key"] == "dead-letter:CYC-1"


@pytest.mark.parametrize(
    "text",
    [
        "GET /api/v3/order?symbol=XRPUSDT&signature=hushhush&timestamp=1",
        "Authorization: Bearer hushhush",
        "https://api.telegram.org/bot12345:hushhush-AAE/sendMessage",
        "postgresql://kimp:hushhush@localhost/kimp",
        "eyJhbGciOi.hushhush.sig",
        "{'secret_key': 'hushhush', 'side': 'bid'}",
        '{"access_key":"hushhush"}',
        "X-MBX-APIKEY: hushhush",
        f"value {SECRET}",
        "Transfer(address='hushhush', memo='hushhush')",
        "to 0x52908400098527886E0F7030069857D2E4169EE7",
        "to rDsbeomae4FXwgQTJp9Rs64Qg9vDiTCdBv",
        "to TJRabPrwbZy45sbavfcjinPJC18kjpRTv8",
        "to bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
        "to 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
        "to 4Nd1mYbHsyXuzxzdjTNDxR3rUL3TQJ7f6mWvBhvBqKzT",
    ],
)
@pytest.mark.parametrize("place", ["event", "fact", "exception", "standard library"])
def test_secrets_are_masked_in_texts(lines: Lines, text: str, place: str) -> None:
    log = structlog.get_logger("kimp.test")
    if place == "event":
        log.info(text)
    elif place == "fact":
        log.info("call.failed", errors=[text])
    elif place == "standard library":
        logging.getLogger("some.library").warning("retrying %s", text)
    else:
        try:
            fail(text)
        except RuntimeError:
            log.exception("call.failed")
        assert "RuntimeError" in lines.last["exception"]
    tail = text.removeprefix("to ")
    assert "hushhush" not in lines.texts[-1]
    assert SECRET not in lines.texts[-1]
    if text.startswith("to "):
        assert tail not in lines.texts[-1]
    assert "[redacted]" in lines.texts[-1]


@pytest.mark.parametrize(
    "text",
    [
        "CYC-0ABCDEFGHJKM",
        "kgezdgnbvgy3tqojqgezdgnbvgy3tqo11",
        "0190a3c2f0c47bd1a1b2c3d4e5f60718",
        "3fa85f6457174562b3fc2c963f66afa6",
        "postgresql://127.0.0.1:5432/kimp",
        "2 tokens were not taken",
        "KRW-XRP upbit order refused: insufficient_funds_bid",
    ],
)
def test_ordinary_texts_stay_as_they_are(text: str) -> None:
    assert Redactor().text(text) == text


def test_ids_are_never_masked(lines: Lines) -> None:
    given = "TJRabPrwbZy45sbavfcjinPJC18kjpRTv8"
    with bound(request_id=given):
        structlog.get_logger("kimp.test").info("tick")
    assert lines.last["request_id"] == given


def test_the_console_form_is_redacted_too() -> None:
    form = logs.formatter({"format": "console"})
    record = logging.LogRecord("kimp", logging.ERROR, "", 1, "token=hushhush", None, None)
    assert "hushhush" not in form.format(record)


def test_configuring_twice_writes_each_line_once() -> None:
    for _ in range(2):
        logs.configure(settings.LOGGING)
    names = [handler.get_name() for handler in logging.getLogger().handlers]
    assert names.count(logs.HANDLER) == 1
