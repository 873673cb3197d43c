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
PRIVATE_STREAM_CONNECTS = Counter(
    "kimp_private_stream_connects_total",
    "Connections to private streams that were taken, by why the one before had ended.",
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
THREAD_FAULTS = Counter(
    "kimp_thread_faults_total",
    "Turns of threads that ended by what nobody foresaw; the thread pauses and goes on.",
    ["thread"],
)
RECORDED = Counter("kimp_recorded_total", "Lines written to a recording, by kind.", ["kind"])

WAIT_SECONDS = Histogram(
    "kimp_venue_wait_seconds",
    "How long a call waited for its turn under the venue's limits; given up counts as well.",
    ["venue", "group", "priority"],
    buckets=(0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2),
)
KEPT_BACK = Counter(
    "kimp_venue_kept_back_total",
    "Calls that were not sent because the venue's limit was used up for longer than they may wait.",
    ["venue", "group", "priority"],
)
TOKENS_LEFT = Gauge(
    "kimp_venue_tokens_left",
    "Units that the desk had left of a venue's window when this process last took some.",
    ["venue", "group"],
    multiprocess_mode="mostrecent",
)
HOLDS = Counter(
    "kimp_venue_holds_total",
    "Pauses that a venue asked for: banned (418), walled_off (403), turned_away (429), used_up.",
    ["venue", "group", "cause"],
)
UNSHARED = Counter(
    "kimp_venue_unshared_total",
    "Requests for tokens that this process answered from its own share, the database being away.",
    ["venue"],
)


def observe_wait(*, venue: str, group: str, priority: str, seconds: float, went: bool) -> None:
    """Note how long a call waited for its turn, and whether it got it."""
    WAIT_SECONDS.labels(venue=venue, group=group, priority=priority).observe(seconds)
    if not went:
        KEPT_BACK.labels(venue=venue, group=group, priority=priority).inc()


def note_tokens_left(*, venue: str, group: str, left: int) -> None:
    """Note what is left of a window."""
    TOKENS_LEFT.labels(venue=venue, group=group).set(left)


def note_hold(*, venue: str, group: str, cause: str) -> None:
    """Count a pause."""
    HOLDS.labels(venue=venue, group=group, cause=cause).inc()


def note_unshared(*, venue: str) -> None:
    """Count a request for tokens that the shared store did not answer."""
    UNSHARED.labels(venue=venue).inc()


CLOCK_AHEAD = Gauge(
    "kimp_venue_clock_ahead_seconds",
    "How far the venue's clock is ahead of this host's, as last measured; negative: behind.",
    ["venue"],
    multiprocess_mode="mostrecent",
)
CLOCK_DOUBT = Gauge(
    "kimp_venue_clock_doubt_seconds",
    "By how much that may be wrong, either way.",
    ["venue"],
    multiprocess_mode="mostrecent",
)
CLOCK_REFUSALS = Counter(
    "kimp_venue_clock_refusals_total", "Calls that the venue refused for their stamp.", ["venue"]
)


def note_clock(*, venue: str, ahead: float, doubt: float) -> None:
    """Note where a venue's clock stands, in seconds."""
    CLOCK_AHEAD.labels(venue=venue).set(ahead)
    CLOCK_DOUBT.labels(venue=venue).set(doubt)


def note_clock_refusal(*, venue: str) -> None:
    """Count a call that was refused for its stamp."""
    CLOCK_REFUSALS.labels(venue=venue).inc()
