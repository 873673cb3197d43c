"""Files of a recording: each readable alone, and up to the tear when the process was killed."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from exchanges.feeds.states import Lack, NoBook, State
from exchanges.recording import writer
from exchanges.recording.folder import chunks_of, files_of, read, recorded
from exchanges.recording.moments import LostRate, Moment, moments
from exchanges.recording.writer import Recorder, Segment
from exchanges.values import Book, Level, Market, NetworkRules, RateQuote
from tests.exchanges.feeds.conftest import eventually

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
XRP = Market("XRP", "KRW")


class Clock:
    """Goes on by a millisecond at each look."""

    def __init__(self) -> None:
        self.now, self.guard = NOW, threading.Lock()

    def __call__(self) -> datetime:
        with self.guard:
            self.now += timedelta(milliseconds=1)
            return self.now


def book(number: int, market: Market = XRP) -> Book:
    return Book(
        venue="upbit",
        market=market,
        bids=tuple(Level(Decimal(3000 - n), Decimal(number + n)) for n in range(10)),
        asks=tuple(Level(Decimal(3001 + n), Decimal(number * 7 + n + 1)) for n in range(10)),
        venue_at=NOW,
        received_at=NOW + timedelta(milliseconds=number),
        update_id=number,
    )


@pytest.fixture
def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    """Give a recorder that flushes often."""
    monkeypatch.setattr(writer, "FLUSH_SECONDS", 0.02)
    recorder = Recorder(tmp_path, clock=Clock())
    recorder.start()
    yield recorder
    recorder.stop()


def seen_in(folder: Path) -> list[object]:
    return [moment.what for moment in recorded(folder)]


def test_what_was_told_is_what_is_read(tmp_path: Path, recorder: Recorder) -> None:
    told: list[State] = [book(1), book(2), NoBook(venue="upbit", market=XRP, lack=Lack.GAP, at=NOW)]
    for state in told:
        recorder.heard(state)
    recorder.stop()
    assert seen_in(tmp_path) == told


def test_a_finished_file_is_plain_gzip_of_json_lines(tmp_path: Path, recorder: Recorder) -> None:
    recorder.heard(book(1))
    recorder.stop()
    (path,) = files_of(tmp_path)
    with gzip.open(path, "rt") as lines:
        assert [line[:11] for line in lines] == ['{"k":"head"', '{"k":"book"']


def test_what_was_flushed_is_read_while_the_file_is_still_open(
    tmp_path: Path, recorder: Recorder
) -> None:
    recorder.heard(book(1))
    eventually(lambda: seen_in(tmp_path) == [book(1)])


def test_a_torn_file_is_read_up_to_its_tear(tmp_path: Path) -> None:
    segment, told = Segment(tmp_path, NOW), [book(number) for number in range(1, 61)]
    flushed_at = []
    for state in told:
        segment.write(state)
        segment.flush()
        flushed_at.append((tmp_path / segment.name).stat().st_size)
    segment.close()
    content = (tmp_path / segment.name).read_bytes()
    for size in range(0, len(content), 7):
        got = [moment.what for moment in moments(read([content[:size]]))]
        assert got == told[: len(got)]
        assert len(got) >= sum(at <= size for at in flushed_at)


def test_a_damaged_file_is_read_up_to_the_damage(tmp_path: Path) -> None:
    segment = Segment(tmp_path, NOW)
    for number in range(1, 31):
        segment.write(book(number))
        segment.flush()
    segment.close()
    content = bytearray((tmp_path / segment.name).read_bytes())
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    got = [moment.what for moment in moments(read([bytes(content)]))]
    assert got == [book(number) for number in range(1, len(got) + 1)]
    assert 5 < len(got) < 30


def test_each_file_tells_all_that_was_known_before_it(
    tmp_path: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet, quote = book(5, Market("BTC", "KRW")), RateQuote(
        source="frankfurter", krw_per_usd=Decimal(1400), quoted_at=NOW, fetched_at=NOW
    )  # fmt: skip
    recorder.heard(quiet)
    recorder.rates({"frankfurter": quote})
    recorder.heard(book(1))
    eventually(lambda: len(seen_in(tmp_path)) == 3)
    monkeypatch.setattr(writer, "LONGEST_FILE", timedelta(0))
    eventually(lambda: len(files_of(tmp_path)) > 2)
    recorder.heard(book(2))
    eventually(lambda: book(2) in seen_in(tmp_path))
    recorder.stop()
    last = [m.what for m in moments(read(chunks_of(files_of(tmp_path)[-1])))]
    assert {quiet, quote, book(2)} <= set(last)


def test_rates_and_wallets_are_written_when_they_change(tmp_path: Path, recorder: Recorder) -> None:
    quote = RateQuote(source="x", krw_per_usd=Decimal(1400), quoted_at=NOW, fetched_at=NOW)
    wallet = NetworkRules(
        venue="upbit", asset="XRP", network="XRP", withdraw_is_open=True, deposit_is_open=True,
        withdraw_fee=Decimal(1), withdraw_minimum=Decimal(2), withdraw_step=Decimal("0.1"),
        memo_is_required=True, confirmations=None, fetched_at=NOW,
    )  # fmt: skip
    for later in range(3):
        recorder.rates({"x": quote})
        recorder.wallets([_fetched(wallet, later)])
    shut = _closed(wallet)
    recorder.wallets([shut])
    recorder.rates({})
    recorder.stop()
    assert seen_in(tmp_path) == [quote, wallet, shut, LostRate(source="x")]


def _fetched(rules: NetworkRules, minutes: int) -> NetworkRules:
    return replace(rules, fetched_at=NOW + timedelta(minutes=minutes))


def _closed(rules: NetworkRules) -> NetworkRules:
    return replace(rules, withdraw_is_open=False)


def test_a_disk_that_does_not_keep_up_is_said_and_costs_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MOST_WAITING", 3)
    recorder = Recorder(tmp_path, clock=Clock())  # its thread has not begun: nothing is taken in
    for number in range(1, 11):
        recorder.heard(book(number))
    assert recorder._waiting.qsize() == 3
    recorder.start()
    recorder.stop()
    assert seen_in(tmp_path) == [book(1), book(2), book(3)]


def test_a_folder_that_cannot_be_written_says_so_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        Recorder(tmp_path / "file", clock=Clock()).start()


def test_a_folder_without_a_recording_is_named(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="no recording"):
        recorded(tmp_path)


def test_files_are_read_in_the_order_they_were_begun(tmp_path: Path) -> None:
    for number, hours in ((2, 1), (1, 0), (3, 2)):
        segment = Segment(tmp_path, NOW + timedelta(hours=hours))
        segment.write(book(number))
        segment.close()
    assert list(recorded(tmp_path)) == [Moment(book(n).received_at, book(n)) for n in (1, 2, 3)]


def unwritable() -> Book:
    """Give what no line can be made of."""
    return Book(
        venue="upbit",
        market=Market("BAD", "KRW"),
        bids=(object(),),  # type: ignore[arg-type]  # rubbish
        asks=(),
        venue_at=None,
        received_at=NOW,
    )


def test_what_cannot_be_written_is_left_out_and_said_once_and_the_rest_is_recorded(
    tmp_path: Path,
    recorder: Recorder,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for number in range(1, 4):
        recorder.heard(book(number))
        recorder.heard(unwritable())
    eventually(lambda: seen_in(tmp_path) == [book(1), book(2), book(3)])
    monkeypatch.setattr(
        writer, "LONGEST_FILE", timedelta(0)
    )  # each file begins with all that is known
    eventually(lambda: len(files_of(tmp_path)) > 2)
    recorder.heard(book(4))
    eventually(lambda: book(4) in seen_in(tmp_path))
    assert caplog.text.count("recording.failed") == 1


def test_a_disk_that_stays_full_is_said_once(
    tmp_path: Path,
    recorder: Recorder,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tries = threading.Semaphore(0)

    class Full(Segment):
        def __init__(self, folder: Path, at: datetime) -> None:
            tries.release()
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer, "FAILED_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(writer, "LONGEST_FILE", timedelta(0))
    monkeypatch.setattr(writer, "Segment", Full)
    for _ in range(5):
        assert tries.acquire(timeout=20)
    monkeypatch.setattr(writer, "Segment", Segment)
    recorder.heard(book(1))
    eventually(lambda: book(1) in seen_in(tmp_path))
    assert caplog.text.count("recording.failed") == 1
