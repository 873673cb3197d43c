"""The demonstration as a newcomer runs it: one command, its own place, an honest exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from exchanges.simulator.core.scenarios.library import SCENARIOS

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


def test_a_stretch_that_was_not_recorded_is_named_and_nothing_is_played() -> None:
    with pytest.raises(CommandError, match="no-such-stretch"):
        call_command("demo", "--stretch", "no-such-stretch")


TOLD = f"there is no scenario 'nope': {', '.join(SCENARIOS)}"


@pytest.mark.parametrize("command", ["demo", "simulator"])
def test_a_scenario_that_nobody_knows_gets_a_sentence_with_all_names(command: str) -> None:
    with pytest.raises(CommandError, match=TOLD):
        call_command(command, "--scenario", "nope")


@pytest.mark.processes
@pytest.mark.parametrize("words", [["--scenario", "nope"], []], ids=["option", "setting"])
def test_up_knows_the_same_names_from_its_option_and_its_setting(
    words: list[str], tmp_path: Path
) -> None:
    ran = subprocess.run(
        [sys.executable, "manage.py", "up", "--first-port", "27300", *words],
        cwd=ROOT,
        env={**os.environ, "KIMP_HOME": str(tmp_path / "home"), "KIMP_SCENARIO": "nope"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (ran.returncode, ran.stderr.strip()) == (1, f"CommandError: {TOLD}")


@pytest.mark.processes
@pytest.mark.timeout(240)
def test_a_day_in_a_scenario_proves_every_claim_through_kills(db: None) -> None:
    words = ["demo", "--json", "--scenario", "calm", "--cycles", "4", "--kills", "2"]
    ran = subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=ROOT,
        env={name: text for name, text in os.environ.items() if name != "KIMP_ROLE"},
        capture_output=True,
        text=True,
        timeout=220,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr[-3000:]
    told = json.loads(ran.stdout)
    assert set(told["claims"].values()) == {True}
    assert sum(told["cycles"].values()) >= 4
    assert sum(told["kills"].values()) == 2
    assert (told["scenario"], told["faults"]) == ("calm", {})
    assert told["orders"] >= 8
    assert told["withdrawals"] >= 8
