"""A way is found once for all the processes of a run."""

from __future__ import annotations

import multiprocessing
from functools import partial
from pathlib import Path

import pytest

from tests.crashes.matrix.ways import Ways

PROCESSES = 4


def _find(folder: Path, number: int) -> list[int]:
    return Ways(folder).once("out and home", lambda: [number])


def test_all_processes_of_a_run_are_given_what_the_first_one_found(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        found = pool.starmap(_find, [(tmp_path, number) for number in range(PROCESSES)])
    assert found == [found[0]] * PROCESSES


def test_ways_of_other_names_are_found_apart(tmp_path: Path) -> None:
    names = ("F4", "F9", "F4")
    assert [Ways(tmp_path).once(name, partial(str, name)) for name in names] == [*names]


def test_where_it_could_not_be_found_the_next_one_tries(tmp_path: Path) -> None:
    ways = Ways(tmp_path)
    with pytest.raises(ZeroDivisionError):
        ways.once("F4", lambda: 1 // 0)
    assert ways.once("F4", lambda: 1) == 1
