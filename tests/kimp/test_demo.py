"""The demonstration as a newcomer runs it: one command, its own place, an honest exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.processes
@pytest.mark.timeout(240)
def test_the_demonstration_proves_every_claim_and_prints_one_json_object(db: None) -> None:
    environment = {name: text for name, text in os.environ.items() if name != "KIMP_ROLE"}

    ran = subprocess.run(
        [sys.executable, "manage.py", "demo", "--json"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=220,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr[-3000:]
    told = json.loads(ran.stdout)
    assert sum(told["cycles"].values()) >= 12
    assert told["cycles"]["FAILED"] >= 1
    assert told["retried"] >= 1
    assert told["dead_lettered"] >= 1
    assert told["redriven"] >= 1
    assert told["orders_sent"] == told["orders_at_venues"] > 0
    assert told["duplicate_orders"] == 0
    assert told["ledger_balanced"] is True
    assert told["ledger_matches_venues"] is True
    assert "crash-2024-12-03" in ran.stderr


@pytest.mark.processes
def test_a_demonstration_that_cannot_prove_its_claims_fails(db: None) -> None:
    environment = {name: text for name, text in os.environ.items() if name != "KIMP_ROLE"}

    ran = subprocess.run(
        [sys.executable, "manage.py", "demo", "--stretch", "no-such-stretch"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert ran.returncode == 1
    assert "no-such-stretch" in ran.stderr
