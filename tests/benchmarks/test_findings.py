"""What a benchmark found, held against what is aimed at, shown and kept."""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.benchmarks.findings import (
    AIM,
    Figure,
    Findings,
    document,
    median,
    of_pairs,
    table,
    write,
)

HERE = Path(__file__).parent


def figure(aim: str, *, value: float = 30.0, reference_value: float | None = 60.0) -> Figure:
    return Figure(what="steps", value=value, unit="1/s", reference="plain", reference_value=reference_value, aim=aim)  # fmt: skip


def beside(pairs: Sequence[tuple[float, float]], aim: str = "") -> Figure:
    return of_pairs(pairs, what="steps", unit="1/s", reference="plain", aim=aim)


def test_findings_are_shown_with_their_ratio_and_kept_as_json(tmp_path: Path) -> None:
    found = [Findings(name="durable", figures=(figure("ratio >= 0.4"),), work={"cycles": 3})]
    assert "0.50" in table(found)
    write(
        tmp_path / "deep" / "bench.json",
        document(found, server="18", is_quick=True, settings={"fsync": "on"}),
    )
    kept = json.loads((tmp_path / "deep" / "bench.json").read_text())
    (shown,) = kept["benchmarks"][0]["figures"]
    assert (shown["ratio"], shown["is_met"]) == (0.5, True)
    assert kept["settings"] == {"fsync": "on"}
    assert kept["revision"]
    assert kept["machine"]["cores"]


@pytest.mark.parametrize(
    ("aim", "is_met"),
    [
        ("ratio >= 0.5", True),
        ("ratio >= 0.51", False),
        ("ratio <= 0.5", True),
        ("ratio <= 0.49", False),
        (">= 30", True),
        (">= 10,000", False),
        ("<= 30", True),
        ("<= 29.9", False),
        ("", None),
    ],
)
def test_an_aim_is_met_by_the_value_or_the_ratio_as_it_says(aim: str, is_met: bool | None) -> None:
    assert figure(aim).is_met is is_met


def test_the_table_says_which_aims_were_met_and_which_missed() -> None:
    aims = ("ratio >= 0.5", "ratio >= 0.85", "")
    found = Findings(name="durable", figures=tuple(figure(aim) for aim in aims))
    rows = table([found]).splitlines()[-3:]
    assert [row.split()[-1] for row in rows] == ["met", "MISSED", "0.50"]


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    assert figure("ratio >= 0.5", reference_value=None).is_met is None
    assert figure("<= 5", value=math.nan).is_met is None


def test_the_ratio_of_several_rounds_is_the_median_of_the_ratios_of_each() -> None:
    rounds = ((10.0, 20.0), (30.0, 40.0), (100.0, 90.0))  # 0.5, 0.75, 1.11; of the medians 0.75 too
    busy = ((10.0, 20.0), (30.0, 30.0), (20.0, 60.0))  # 0.5, 1, 0.33; of the medians 0.67
    assert beside(rounds).ratio == 0.75
    assert beside(busy).ratio == 0.5
    assert (beside(busy).value, beside(busy).reference_value) == (20, 30)
    assert beside(busy, aim="ratio >= 0.6").is_met is False


@pytest.mark.parametrize("aim", ["0.85", "< 1 ms", ">= 10,000 a second"])
def test_an_aim_that_cannot_be_read_is_no_aim(aim: str) -> None:
    with pytest.raises(ValueError, match="not an aim"):
        assert figure(aim).is_met is None


def test_every_aim_that_a_benchmark_names_can_be_read() -> None:
    texts = [
        str(found.value)
        for path in HERE.glob("*.py")
        if not path.name.startswith("test_")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.keyword) and node.arg == "aim"
        for found in ast.walk(node.value)
        if isinstance(found, ast.Constant)
    ]
    aims = [text for text in texts if any(map(str.isdigit, text))]
    assert len(aims) >= 15
    assert [aim for aim in aims if not AIM.fullmatch(aim)] == []


@pytest.mark.parametrize(("given", "middle"), [([3, 1, 2], 2), ([4, 1, 2, 3], 2.5), ([7], 7)])
def test_a_median_is_the_middle(given: list[float], middle: float) -> None:
    assert median(given) == middle
