"""Metrics: a role's process serves what it counted, on loopback; a forking cluster as one."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from cycles import metrics
from exchanges.metrics import observe_call
from kimp.sockets import free_port


def scrape(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as reply:
        return str(reply.read().decode())


def test_a_process_serves_its_steps_and_its_venue_calls() -> None:
    metrics.STEP_SECONDS.labels(kind="BUY").observe(0.2)
    metrics.TRANSITIONS.labels(to_status="COMPLETED", event="closed").inc()
    observe_call(venue="upbit", operation="place_order", outcome="done", seconds=0.1)
    port = free_port()
    stop = metrics.serve(port)
    try:
        page = scrape(port)
    finally:
        stop()
    assert 'kimp_step_seconds_bucket{kind="BUY",le="0.25"}' in page
    assert 'kimp_transitions_total{event="closed",to_status="COMPLETED"}' in page
    assert 'kimp_venue_calls_total{operation="place_order",outcome="done",venue="upbit"}' in page


def test_the_port_is_free_again_after_stopping() -> None:
    port = free_port()
    metrics.serve(port)()
    metrics.serve(port)()


def test_a_taken_port_is_an_os_error() -> None:
    port = free_port()
    stop = metrics.serve(port)
    try:
        with pytest.raises(OSError, match="in use"):
            metrics.serve(port)
    finally:
        stop()


FORKING = """
import os, sys, urllib.request
from cycles import metrics
child = os.fork()
if child == 0:
    metrics.CLAIMS.labels(role="worker").inc(3)
    os._exit(0)
os.waitpid(child, 0)
stop = metrics.serve(int(sys.argv[1]))
print(urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/metrics").read().decode())
stop()
"""


@pytest.mark.parametrize(("shares_folder", "is_seen"), [(True, True), (False, False)])
def test_what_forked_workers_counted_is_seen_through_the_shared_folder(
    tmp_path: Path, *, shares_folder: bool, is_seen: bool
) -> None:
    environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    if not shares_folder:
        del environ["PROMETHEUS_MULTIPROC_DIR"]
    done = subprocess.run(
        [sys.executable, "-c", FORKING, str(free_port())],
        env=environ, capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    assert ('kimp_claims_total{role="worker"} 3.0' in done.stdout) is is_seen
