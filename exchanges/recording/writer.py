"""Writes a recording: a thread takes what is seen, compresses it and lets it reach the disk each second.

What has been flushed survives the process: the compressed stream is brought to a byte boundary, so that
a file without an end is read up to its last flush.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
import zlib
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import structlog

from exchanges.feeds.states import NoBook, State
from exchanges.metrics import RECORDED
from exchanges.recording.folder import GZIP
from exchanges.recording.lines import Head, Line, Rate, RateLost, Wallet, encode
from exchanges.recording.moments import Writing, of_rate, of_wallet
from exchanges.transport.decoding import to_milliseconds
from exchanges.trouble import Trouble
from exchanges.values import Book, NetworkRules, RateQuote

FLUSH_SECONDS = 1.0
FAILED_PAUSE_SECONDS = 1.0
STOP_SECONDS = 5.0
MOST_WAITING = 100_000  # a disk that hangs must not take the memory
LARGEST_FILE = 64 * 1024 * 1024  # compressed
LONGEST_FILE = timedelta(hours=1)
LEVEL = 6

log = structlog.get_logger(__name__)

Seen = State | Line


class Segment:
    """One file: compressed lines, whole books first."""

    def __init__(self, folder: Path, at: datetime) -> None:
        """Begin a file that is named for its first instant; one that exists is never written on."""
        folder.mkdir(parents=True, exist_ok=True)
        self.name = f"kimp-{at:%Y%m%dT%H%M%S}.{at.microsecond // 1000:03d}Z.jsonl.gz"
        self.began_at, self.size = at, 0
        self._file: BinaryIO = (folder / self.name).open("xb")
        self._squeeze = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP)
        self._writing = Writing()
        self.write(Head(t=to_milliseconds(at)))

    def write(self, seen: Seen) -> None:
        """Take something that was seen. Raises whatever making a line of it raises: nothing of it is written."""
        try:
            line = seen if isinstance(seen, Line) else self._writing.state(seen)
            text = encode(line)
        except Exception:
            if not isinstance(seen, Line):
                self._writing.forget(seen)
            raise
        self._put(self._squeeze.compress(text))
        RECORDED.labels(kind=type(line).__name__.lower()).inc()

    def flush(self) -> None:
        """Let everything so far reach the operating system, readable."""
        self._put(self._squeeze.flush(zlib.Z_SYNC_FLUSH))
        self._file.flush()

    def close(self) -> None:
        """End the file."""
        self._put(self._squeeze.flush(zlib.Z_FINISH))
        self._file.close()

    def abandon(self) -> None:
        """Give the file back without an end: it is read as far as it goes."""
        with contextlib.suppress(OSError):
            self._file.close()

    def _put(self, squeezed: bytes) -> None:
        self.size += len(squeezed)
        self._file.write(squeezed)


class Recorder:
    """Records what it is told, from any thread, until it is stopped.

    Each file begins with all that was known before it, so that it can be read by itself.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], datetime]) -> None:
        self._folder, self._clock = folder, clock
        self._waiting: queue.SimpleQueue[Seen | None] = queue.SimpleQueue()
        self._segment: Segment | None = None
        self._known: dict[Hashable, Seen] = {}
        self._lags = False
        self._trouble = Trouble("recorder", event="recording.failed", is_needed=False)
        self._rates: dict[str, RateQuote] = {}
        self._wallets: dict[tuple[str, str, str], NetworkRules] = {}
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)

    def start(self) -> None:
        """Begin the first file. Raises OSError if it cannot be written."""
        self._segment = Segment(self._folder, self._clock())
        self._thread.start()

    def stop(self) -> None:
        """Write what waits and end the file."""
        self._waiting.put(None)
        self._thread.join(STOP_SECONDS)

    def heard(self, seen: Seen) -> None:
        """Take something that was seen; while the disk does not keep up it is left out, and said."""
        lags = self._waiting.qsize() >= MOST_WAITING
        if lags and not self._lags:
            log.error("recording.fell_behind", waiting=MOST_WAITING)
        self._lags = lags
        if not lags:
            self._waiting.put(seen)

    def rates(self, quotes: Mapping[str, RateQuote]) -> None:
        """Record the official rates that are new, and the sources that have none any more."""
        for source in self._rates.keys() - quotes.keys():
            self.heard(RateLost(t=to_milliseconds(self._clock()), s=source))
        for source, quote in quotes.items():
            if self._rates.get(source) != quote:
                self.heard(of_rate(quote))
        self._rates = dict(quotes)

    def wallets(self, rules: Iterable[NetworkRules]) -> None:
        """Record how assets move where that has changed."""
        for one in rules:
            key = (one.venue, one.asset, one.network)
            before = self._wallets.get(key)
            if before is None or replace(before, fetched_at=one.fetched_at) != one:
                self.heard(of_wallet(one, self._clock()))
                self._wallets[key] = one

    def _work(self) -> None:
        goes_on = True
        while goes_on:
            try:
                goes_on = self._take_in()
                self._trouble.over()
            except Exception as error:  # noqa: BLE001  told there; a full disk is no reason to stop feeding
                self._trouble.tell(error)
                self._abandon()
                time.sleep(FAILED_PAUSE_SECONDS)

    def _abandon(self) -> None:
        """Leave a file that cannot be written as it is; the next one begins anew."""
        segment, self._segment = self._segment, None
        if segment is not None:
            segment.abandon()

    def _take_in(self) -> bool:
        """Write what comes in for a second, then flush; False once told to stop."""
        segment = self._segment = self._segment or self._begin()
        goes_on = self._write_some(segment)
        if not goes_on:
            segment.close()
            return False
        segment.flush()
        if segment.size >= LARGEST_FILE or self._clock() - segment.began_at >= LONGEST_FILE:
            segment.close()
            self._segment = None
        return True

    def _begin(self) -> Segment:
        segment = Segment(self._folder, self._clock())
        for seen in self._known.values():
            segment.write(seen)
        return segment

    def _write_some(self, segment: Segment) -> bool:
        ends_at = time.monotonic() + FLUSH_SECONDS
        while (left := ends_at - time.monotonic()) > 0:
            try:
                seen = self._waiting.get(timeout=left)
            except queue.Empty:
                return True
            if seen is None:
                return False
            self._write(segment, seen)
        return True

    def _write(self, segment: Segment, seen: Seen) -> None:
        """Write one thing; what no line can be made of is left out, and told: each file would break on it anew."""
        try:
            segment.write(seen)
        except OSError:
            self._known[_key(seen)] = seen  # the next file begins with it
            raise
        except Exception as error:  # noqa: BLE001  told there
            self._trouble.tell(error)
        else:
            self._known[_key(seen)] = seen


def _key(seen: Seen) -> Hashable:
    """Give what a newer line of the same thing replaces."""
    if isinstance(seen, Book | NoBook):
        return (seen.venue, seen.market)
    if isinstance(seen, Rate | RateLost):
        return ("rate", seen.s)
    return (seen.v, seen.a, seen.n) if isinstance(seen, Wallet) else type(seen)
