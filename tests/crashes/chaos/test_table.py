"""The table of a storm says of which code it tells; only of one that everybody has is anything kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kimp.documents.measured import KEPT
from kimp.documents.storms import LONG, NAME, NONE_KEPT, PARTS, storm
from tests.crashes.chaos.__main__ import KILLS_KEPT, _asked, _facts, keep, main, objection
from tests.crashes.chaos.table import LINES, table

CLEAN, OTHER = "cabf6355f4bd", "e7a3cae00000"
STORM: dict[str, Any] = {
    **{name: {} for name in LINES}, **{name: {} for name in PARTS.values()},
    "acts": {"kill": 1002}, "does": {"kill": "SIGKILL of any process"}, "kills": {"web": 1002},
    "claims": {"nothing twice": {"holds": True, "orders": 1754, "problems": []}},
    "seed": 7, "seconds": 300, "processes": 10, "revision": CLEAN, "revision at the end": CLEAN,
    "arguments": ["--kills", "1000"], "at": "2026-11-29T12:00:00+00:00", "python": "3.11.2", "machine": {"cores": 2},
}  # fmt: skip


def test_a_storm_is_told_with_its_revision() -> None:
    told = table(STORM | {"revision": f"{CLEAN}+"})
    assert told.splitlines()[-1].startswith(f"revision {CLEAN}+, seed 7, 300 s")


def test_a_kept_storm_is_what_the_document_tells(tmp_path: Path) -> None:
    assert storm(tmp_path) == NONE_KEPT
    assert keep(STORM, tmp_path)
    assert json.loads((tmp_path / f"{NAME}.json").read_text("utf-8")) == STORM
    told = storm(tmp_path)
    assert "| SIGKILL of any process | 1,002 |" in told
    assert "| **holds**: nothing twice | 1,754 orders |" in told
    assert f'*`make chaos ARGS="--kills 1000"`, 2026-11-29, revision {CLEAN}, Python 3.11.2' in told


@pytest.mark.parametrize(
    "facts",
    [
        {"revision": f"{CLEAN}+", "revision at the end": f"{CLEAN}+"},
        {"revision at the end": f"{CLEAN}+"},
        {"revision at the end": OTHER},
        {"revision": "unknown", "revision at the end": "unknown"},
        {"claims": {"nothing twice": {"holds": False, "problems": ["it was"]}}},
    ],
    ids=["not committed", "changed on the way", "another at the end", "no clone", "does not hold"],
)
def test_a_result_that_tells_of_no_committed_code_or_failed_is_not_kept(
    tmp_path: Path, facts: dict[str, Any]
) -> None:
    assert not keep(STORM | facts, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_short_storm_is_not_kept(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--keep"])
    assert f"--kills {KILLS_KEPT} or more" in capsys.readouterr().err


def test_a_result_names_the_command_that_anybody_can_run() -> None:
    asked = _asked([*LONG.split(), "--seed", "20261129", "--keep"])
    again = _asked([*_facts(asked, CLEAN)["arguments"], "--keep"])
    assert vars(again) == vars(asked)


def test_the_storm_that_the_documents_tell_of_is_of_one_committed_revision() -> None:
    if storm() == NONE_KEPT:
        return
    found = json.loads((KEPT / f"{NAME}.json").read_text("utf-8"))
    assert not objection(found["revision"], found["revision at the end"])
    assert all(claim["holds"] for claim in found["claims"].values())
    _asked([*found["arguments"], "--keep"])
