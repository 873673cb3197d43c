"""Alerts reach people once each, over a real socket, whatever the channel does."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from cycles import conf
from cycles.models import Alert
from cycles.services import telegram
from cycles.services.alerting import (
    MAX_ATTEMPTS,
    Telling,
    backoff_seconds,
    deliver_due,
    raise_alert,
    raise_alerts,
)
from cycles.services.correlating import bound
from tests.cycles.telegram_sink import BROKEN, SILENT, Sink, serving, throttled
from tests.exchanges.raw_server import raw_server, reply

TOKEN = "12345:hushhush-token"
State = Alert.State


@pytest.fixture
def sink(settings: Any) -> Iterator[Sink]:
    with serving() as running:
        settings.KIMP_TELEGRAM_BASE_URL = running.url
        settings.KIMP_TELEGRAM_TOKEN = TOKEN
        settings.KIMP_TELEGRAM_CHAT_ID = "-1001"
        yield running


def tell(key: str = "dead-letter:1", title: str = "CYC-1 is dead") -> bool:
    return raise_alert(key=key, severity=Alert.Severity.CRITICAL, title=title, body="why")


def become_due() -> None:
    Alert.objects.update(due_at=Now() - timedelta(seconds=1))


@pytest.mark.django_db
def test_an_alert_is_delivered_with_its_text(sink: Sink) -> None:
    tell()
    assert deliver_due() == 1
    assert sink.paths == [f"/bot{TOKEN}/sendMessage"]
    assert sink.messages[0]["chat_id"] == "-1001"
    assert sink.texts == ["[CRITICAL] CYC-1 is dead\nwhy"]
    assert Alert.objects.get().state == State.DELIVERED


@pytest.mark.django_db
def test_the_same_key_is_told_once(sink: Sink) -> None:
    assert [tell(), tell(title="again")] == [True, False]
    assert deliver_due() == 1
    assert tell() is False
    assert deliver_due() == 0
    assert len(sink.messages) == 1


@pytest.mark.django_db
def test_an_alert_keeps_the_ids_it_was_raised_under() -> None:
    with bound(request_id="r1", session_id="s1"):
        tell()
    alert = Alert.objects.get()
    assert (alert.request_id, alert.session_id, alert.trace_id) == ("r1", "s1", "")


@pytest.mark.django_db(transaction=True)
def test_an_alert_of_a_transaction_that_rolls_back_is_never_told(sink: Sink) -> None:
    with transaction.atomic():
        tell()
        transaction.set_rollback(True)
    assert deliver_due() == 0
    assert sink.messages == []


@pytest.mark.django_db
def test_a_failing_channel_is_tried_again_later(sink: Sink) -> None:
    sink.script = [BROKEN]
    tell()
    assert deliver_due() == 0
    alert = Alert.objects.get()
    assert (alert.state, alert.attempts) == (State.PENDING, 1)
    assert alert.last_error == "HTTP 500 Internal Server Error"
    assert deliver_due() == 0, "not before its pause is over"
    become_due()
    assert deliver_due() == 1
    assert len(sink.messages) == 2


@pytest.mark.django_db
def test_a_failing_channel_is_not_asked_for_every_alert(sink: Sink) -> None:
    sink.script = [BROKEN]
    tell("a")
    tell("b")
    assert deliver_due() == 0
    assert len(sink.messages) == 1
    assert deliver_due() == 1, "the other takes its turn"


@pytest.mark.django_db
def test_the_channels_own_pause_is_kept_for_every_alert(sink: Sink) -> None:
    sink.script = [throttled(300)]
    tell("a")
    tell("b")
    assert deliver_due() == 0
    assert Alert.objects.filter(due_at__gt=Now() + timedelta(seconds=290)).count() == 2
    become_due()
    assert deliver_due() == 2


@pytest.mark.django_db
def test_being_throttled_never_gives_an_alert_up(sink: Sink) -> None:
    sink.script = [throttled(1)]
    tell()
    Alert.objects.update(attempts=MAX_ATTEMPTS + 5)
    deliver_due()
    assert Alert.objects.get().state == State.PENDING


@pytest.mark.django_db
def test_a_silent_channel_times_out_and_is_tried_again(sink: Sink) -> None:
    sink.script = [SILENT]
    tell()
    assert deliver_due(timeout_seconds=0.2) == 0
    assert Alert.objects.get().state == State.PENDING
    become_due()
    assert deliver_due() == 1


@pytest.mark.django_db
def test_an_alert_is_given_up_after_the_last_attempt(sink: Sink) -> None:
    sink.script = [BROKEN, BROKEN]
    tell()
    for already, state in ((MAX_ATTEMPTS - 2, State.PENDING), (MAX_ATTEMPTS - 1, State.GIVEN_UP)):
        become_due()
        Alert.objects.update(attempts=already)
        deliver_due()
        assert Alert.objects.get().state == state


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 5), (2, 10), (5, 80), (12, 3600)])
def test_pauses_double_up_to_an_hour(attempt: int, seconds: int) -> None:
    assert backoff_seconds(attempt) == seconds


@pytest.mark.django_db
def test_without_a_token_alerts_are_logged(
    settings: Any, sink: Sink, caplog: pytest.LogCaptureFixture
) -> None:
    settings.KIMP_TELEGRAM_TOKEN = ""
    tell()
    with caplog.at_level(logging.INFO):
        assert deliver_due() == 1
    assert sink.messages == []
    assert Alert.objects.get().state == State.LOGGED
    assert "alert.logged" in caplog.text
    assert "CRITICAL" in {record.levelname for record in caplog.records}


@pytest.mark.django_db
def test_many_alerts_are_written_by_one_statement() -> None:
    for count in (1, 20):
        told = [
            Telling(key=f"{count}: {number}", severity=Alert.Severity.INFO, title="many")
            for number in range(count)
        ]
        with CaptureQueriesContext(connection) as made:
            assert raise_alerts(told) == count
        assert len(made) == 1


def statements_to_deliver(alerts: int) -> int:
    """Deliver so many, and count the statements of it."""
    for number in range(alerts):
        tell(f"{alerts}: {number}")
    with CaptureQueriesContext(connection) as made:
        assert deliver_due() == alerts
    return len(made)


@pytest.mark.django_db
def test_without_a_channel_many_alerts_take_as_many_statements_as_two() -> None:
    assert statements_to_deliver(2) == statements_to_deliver(20)


@pytest.mark.django_db
def test_an_alert_with_a_channel_takes_a_claim_and_a_note_of_its_own(sink: Sink) -> None:
    """A claim is for one attempt, and what was told is noted before the next is tried."""
    a_claim, in_vain, a_note = 4, 3, 1  # with the savepoints that stand for BEGIN and COMMIT here
    for alerts in (2, 20):
        assert statements_to_deliver(alerts) == alerts * (a_claim + a_note) + in_vain


@pytest.mark.django_db
@pytest.mark.parametrize(
    "answer", [BROKEN, SILENT, throttled(1), (401, {"description": f"bad {TOKEN}"}), None]
)
def test_the_token_is_in_no_log_line_and_no_row(
    sink: Sink, settings: Any, caplog: pytest.LogCaptureFixture, answer: Any
) -> None:
    if answer is None:  # nobody listens
        settings.KIMP_TELEGRAM_BASE_URL = "http://127.0.0.1:9"
    sink.script = [answer]
    tell()
    with caplog.at_level(logging.DEBUG):
        assert deliver_due(timeout_seconds=0.2) == 0
    assert "hushhush" not in caplog.text + Alert.objects.get().last_error
    assert "hushhush" not in repr(conf.telegram())
    assert Alert.objects.get().last_error != ""


@pytest.mark.django_db
def test_the_command_delivers_and_says_how_many(
    sink: Sink, capsys: pytest.CaptureFixture[str]
) -> None:
    tell()
    call_command("deliver_alerts", "--json")
    assert capsys.readouterr().out == '{"handled": 1}\n'
    assert len(sink.messages) == 1


def two_at_once(work: Any) -> None:
    """Run `work(barrier)` in two threads with connections of their own."""
    barrier = threading.Barrier(2, timeout=20)
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work(barrier)
        except BaseException as error:  # noqa: BLE001  shown by the assertion below
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_deliver_each_alert_once(sink: Sink) -> None:
    keys = [f"alert {number}" for number in range(12)]
    for key in keys:
        tell(key, title=key)

    def work(barrier: threading.Barrier) -> None:
        barrier.wait()
        deliver_due()

    two_at_once(work)
    assert sorted(sink.texts) == sorted(f"[CRITICAL] {key}\nwhy" for key in keys)
    assert not Alert.objects.exclude(state=State.DELIVERED).exists()


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
def test_without_a_claim_two_workers_deliver_twice(sink: Sink) -> None:
    """The negative control: reading what is due and sending it is not enough."""
    tell()

    def work(barrier: threading.Barrier) -> None:
        alert = Alert.objects.get(state="PENDING")
        barrier.wait()
        telegram.send(conf.telegram(), alert.title, 5)

    two_at_once(work)
    assert len(sink.messages) == 2


@pytest.mark.parametrize("body", [b'{"ok":true,"description":"\xff"}', b'{"x":' + b"[" * 100_000])
def test_an_answer_of_spoilt_bytes_fails_the_attempt_and_breaks_nothing(body: bytes) -> None:
    with raw_server(reply(body, status=502)) as server:
        channel = conf.Telegram(base_url=server.url, token=TOKEN, chat_id="-1001")
        attempt = telegram.send(channel, "text", 5)
    assert (attempt.outcome, attempt.error) == ("failed", "HTTP 502")
