"""The documents' figures are what benchmarks have found: whole runs of a revision that everybody has."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from kimp.documents import killings, measured, storms
from tests.benchmarks.__main__ import SIZES, asked
from tests.benchmarks.findings import Figure, Findings, document, write


def _keep(
    folder: Path, *figures: Figure, name: str = "waking", arguments: tuple[str, ...] = ()
) -> None:
    found = Findings(name=name, figures=figures)
    facts = document([found], server="18.6", is_quick=False, arguments=arguments or (name,))
    write(folder / f"{name}.json", facts)


def _figure(what: str, value: float, **facts: Any) -> Figure:
    return Figure(what=what, value=value, unit="ms", **facts)


def test_every_benchmark_has_its_results_kept() -> None:
    assert sorted(measured.NAMES) == sorted(SIZES)
    kept = {path.stem for path in measured.KEPT.iterdir()} - {storms.NAME, killings.NAME}
    assert sorted(kept) == sorted([*SIZES, *measured.LARGE.values()])


@pytest.mark.parametrize("name", measured.ALL)
def test_what_is_kept_is_of_full_size_and_of_a_committed_revision(name: str) -> None:
    found = measured.kept(name)
    assert not found["is_quick"]
    assert not found["revision"].endswith("+"), "commit first: nobody else has what was measured"


@pytest.mark.parametrize("name", measured.ALL)
def test_what_is_kept_names_a_command_that_anybody_can_run(name: str) -> None:
    arguments = measured.kept(name)["arguments"]
    assert name in {arguments[0], measured.LARGE.get(arguments[0])}
    assert not any("/" in one for one in arguments), "no place of somebody's machine"
    asked(arguments)


def test_tiny_sizes_are_not_kept(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        asked(["waking", "--quick", "--keep"])
    assert "without --quick" in capsys.readouterr().err


def test_a_large_run_is_kept_beside_the_usual_one_and_not_instead_of_another(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert asked(["retention", "--rows", "9", "--keep-large"]).keep_large
    for words in (["--keep-large"], ["retention", "waking", "--keep-large"]):
        with pytest.raises(SystemExit):
            asked(words)
        assert "--keep-large is for retention; name nothing else" in capsys.readouterr().err


def test_a_missed_aim_is_shown_as_missed(tmp_path: Path) -> None:
    _keep(tmp_path, _figure("p50", 7.25, aim="<= 5"))
    assert "| p50 | 7.25 ms |  |  | <= 5 | MISSED |" in measured.measured("waking", tmp_path)


def test_what_missed_its_aim_stands_among_the_aims(tmp_path: Path) -> None:
    for name in measured.ALL:
        _keep(tmp_path, name=name)
    late, memory = _figure("p50", 7.25, aim="<= 5"), _figure("memory", 81, aim="<= 150")
    _keep(tmp_path, late, memory, _figure("nothing is aimed at", 3))
    assert measured.aims(tmp_path).split("\n")[2:] == ["| `waking` | 1 | p50: 7.25, aim <= 5 |"]


def test_what_a_machine_cannot_tell_is_no_aim_that_was_met(tmp_path: Path) -> None:
    for name in measured.ALL:
        _keep(tmp_path, name=name)
    _keep(
        tmp_path,
        _figure("CPU of a far server", math.nan, aim="<= 5"),
        _figure("p50", 4, aim="<= 5"),
    )
    assert measured.aims(tmp_path).split("\n")[2:] == ["| `waking` | 1 |  |"]


def test_of_a_statement_of_both_roles_and_plans_the_worst_is_shown(tmp_path: Path) -> None:
    small, large = (
        _figure(f"{role}: a claim{plan}", value, reference="few", reference_value=10, aim="ratio <= 1.2")
        for role, plan, value in (("initiator", ", generic plan", 15), ("finalizer", "", 11))
    )  # fmt: skip
    _keep(tmp_path, small, large)
    told = measured.measured("waking", tmp_path)
    assert "| a claim | 15 ms | 10 (few) | 1.50 | ratio <= 1.2 | MISSED |" in told
    assert "| a claim | 11" not in told


def test_what_is_told_for_each_of_several_stands_with_what_it_is_told_for(tmp_path: Path) -> None:
    _keep(
        tmp_path,
        _figure("one", 1, reference="it", reference_value=2),
        _figure("CPU", 3),
        _figure("two", 4, reference="it", reference_value=2),
        _figure("CPU", 5),
    )
    told = measured.measured("waking", tmp_path)
    assert "| one | 1 ms | 2 (it) | 0.50 |  |  | CPU: 3 ms |" in told
    assert "| two | 4 ms | 2 (it) | 2 |  |  | CPU: 5 ms |" in told


def test_the_command_that_found_it_stands_below(tmp_path: Path) -> None:
    _keep(tmp_path, _figure("p50", 7))
    assert "*`make bench ARGS=waking`, " in measured.measured("waking", tmp_path)
    _keep(tmp_path, _figure("a", 7), name="growth", arguments=("growth", "--rows", "9"))
    assert '*`make bench ARGS="growth --rows 9"`, ' in measured.measured("growth", tmp_path)


def test_results_are_json_with_what_was_asked_for(tmp_path: Path) -> None:
    _keep(tmp_path, _figure("p50", 7))
    assert json.loads((tmp_path / "waking.json").read_text("utf-8"))["arguments"] == ["waking"]
