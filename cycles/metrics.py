"""What a process counts and times; gauges over the database stand in `kimp.metrics`."""

from __future__ import annotations

import os
from collections.abc import Callable

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    multiprocess,
    start_http_server,
)

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)

TRANSITIONS = Counter("kimp_transitions", "Changes of status.", ["to_status", "event"])
STEP_SECONDS = Histogram(
    "kimp_step_seconds", "From a step's start to its settlement.", ["kind"], buckets=_SECONDS
)
RETRIES = Counter("kimp_retries", "Failures that led to a retry.", ["failure_class"])
CLAIMS = Counter("kimp_claims", "Cycles leased.", ["role"])
SAMPLES = Counter("kimp_samples", "Premium samples written.", ["asset", "korea_venue"])
TASK_SECONDS = Histogram(
    "kimp_task_seconds", "Scheduled tasks.", ["task", "outcome"], buckets=_SECONDS
)
LOOKS = Counter(
    "kimp_watch_looks",
    "Looks at a venue for all cycles at once, by what they came to.",
    ["venue", "kind", "outcome"],
)
HINTS = Counter(
    "kimp_watch_hints", "Events of private streams that made a look due at once.", ["venue", "kind"]
)
WOKEN = Counter("kimp_cycles_woken", "Cycles woken before their time, by what was seen.", ["by"])
LISTENING = Gauge(
    "kimp_private_streams_open",
    "1 while this process hears a venue's private stream; 0 everywhere: looks alone.",
    ["venue"],
    multiprocess_mode="livesum",
)
ALERTS = Counter("kimp_alerts_sent", "Attempts to deliver an alert.", ["outcome"])


def serve(port: int, address: str = "127.0.0.1") -> Callable[[], None]:
    """Serve this process's metrics on `/metrics`; returns what stops it. OSError: port taken."""
    server, thread = start_http_server(port, addr=address, registry=_registry())

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop


def _registry() -> CollectorRegistry:
    """Read one process, or all of a forking cluster when it shares a folder for that."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # no types there
    return registry
