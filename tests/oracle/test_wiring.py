"""What the guide says about other clients is so: each of its blocks runs as it stands."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.oracle.stage import Stage
from tests.oracle.talking import PROJECT, PYTHON, READY, MissingOracleError, demand_oracle

GUIDE = (PROJECT / "docs" / "clients.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
PINS = (PROJECT / "tests" / "oracle" / "requirements.in").read_text("utf-8").split()
PRINTED = {
    "ccxt.upbit": "50000000.0 100000.0",
    "ccxt.pro": "ws://127.0.0.1:",
    "max_retries": "{'KRW': '50000000'}",
    "Wallet": "100000.00000000",
}


@pytest.mark.parametrize("mark", PRINTED)
def test_a_block_of_the_guide_runs_as_it_stands(mark: str, stage: Stage) -> None:
    demand_oracle(READY)
    (block,) = [text for text in BLOCKS if mark in text]
    reply = subprocess.run(
        [PYTHON, "-c", block.replace("http://127.0.0.1:18080", stage.running.control_url)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert reply.returncode == 0, reply.stderr
    assert reply.stdout.startswith(PRINTED[mark])


def test_every_block_of_the_guide_is_run() -> None:
    assert len(BLOCKS) == len(PRINTED)


@pytest.mark.parametrize("pin", PINS)
def test_the_guide_names_every_pinned_version(pin: str) -> None:
    name, version = pin.split("==")
    row = next(line for line in GUIDE.splitlines() if line.startswith("|") and name in line)
    assert version in row


def test_without_the_clients_one_sentence_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(MissingOracleError, match=r"^ccxt and the SDKs .*: run `make oracle`$"):
        demand_oracle(tmp_path / "ready")
