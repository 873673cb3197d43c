"""Counters and histograms of venue calls, for the process that makes them."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

VENUE_CALLS = Counter(
    "kimp_venue_calls_total",
    "Calls to venues, by what became of them.",
    ["venue", "operation", "outcome"],
)
VENUE_CALL_SECONDS = Histogram(
    "kimp_venue_call_seconds",
    "How long an attempt at a venue call took.",
    ["venue", "operation"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)


def observe_call(*, venue: str, operation: str, outcome: str, seconds: float) -> None:
    """Count one attempt at a venue call; `seconds` is its duration."""
    VENUE_CALLS.labels(venue=venue, operation=operation, outcome=outcome).inc()
    VENUE_CALL_SECONDS.labels(venue=venue, operation=operation).observe(seconds)


STREAM_EVENTS = Counter(
    "kimp_stream_events_total",
    "What the keepers of streamed books met: frames, late ones, gaps, and other reasons for no book.",
    ["venue", "event"],
)
STREAM_CONNECTS = Counter(
    "kimp_stream_connects_total",
    "WebSocket connections made, by why the one before had ended.",
    ["venue", "after"],
)
STREAM_READS = Counter(
    "kimp_stream_reads_total",
    "Books read by request in place of a stream, or to begin from.",
    ["venue", "outcome"],
)
STREAMS_OPEN = Gauge("kimp_streams_open", "WebSocket connections that are open.", ["venue"])
BOOK_AGE_SECONDS = Gauge(
    "kimp_book_age_seconds",
    "Age of the newest book of a market; infinite where there is none.",
    ["venue", "market"],
)
RECORDED = Counter("kimp_recorded_total", "Lines written to a recording, by kind.", ["kind"])
