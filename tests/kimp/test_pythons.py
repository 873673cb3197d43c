"""`make setup` takes the quickest Python of the version that `python3` is; here each says itself how quick it is."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from kimp import pythons


def interpreter(path: Path, version: tuple[int, int, int], seconds: float) -> str:
    """Make a program that answers as an interpreter of that version does, which took so long."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{json.dumps([version, seconds])}'\n", "ascii")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def first(tmp_path: Path) -> str:
    return interpreter(tmp_path / "first" / "python3", (3, 11, 7), 1.0)


@pytest.fixture
def folders(tmp_path: Path) -> list[str]:
    return [str(tmp_path / "first"), str(tmp_path / "usual"), str(tmp_path / "none")]


def test_a_quicker_one_of_the_same_version_is_taken_and_told(
    tmp_path: Path, first: str, folders: list[str]
) -> None:
    quick = interpreter(tmp_path / "usual" / "python3.11", (3, 11, 2), 0.75)
    path, why = pythons.choice(first, folders)
    assert path == quick
    assert why == f"{quick} (3.11.2) takes 25 % less time than {first}: it is taken"


def test_one_that_is_hardly_quicker_is_not(tmp_path: Path, first: str, folders: list[str]) -> None:
    interpreter(tmp_path / "usual" / "python3.11", (3, 11, 2), 0.95)
    assert pythons.choice(first, folders) == (first, "")


def test_a_folder_that_cannot_be_looked_into_is_passed_over(
    tmp_path: Path, first: str, folders: list[str]
) -> None:
    quick = interpreter(tmp_path / "usual" / "python3.11", (3, 11, 2), 0.5)
    assert pythons.choice(first, ["n" * 300, *folders])[0] == quick


def test_one_of_another_version_is_not(tmp_path: Path, first: str, folders: list[str]) -> None:
    interpreter(tmp_path / "usual" / "python3.13", (3, 13, 0), 0.1)
    assert pythons.choice(first, folders) == (first, "")


def test_one_that_cannot_make_an_environment_is_not(
    tmp_path: Path, first: str, folders: list[str]
) -> None:
    broken = Path(interpreter(tmp_path / "usual" / "python3.11", (3, 11, 2), 0.1))
    broken.write_text("#!/bin/sh\nexit 1\n", "ascii")
    assert pythons.choice(first, folders) == (first, "")


def test_where_python3_is_too_old_it_is_left_to_be_refused(
    tmp_path: Path, folders: list[str]
) -> None:
    old = interpreter(tmp_path / "first" / "python3", (3, 9, 2), 1.0)
    interpreter(tmp_path / "usual" / "python3.9", (3, 9, 18), 0.1)
    assert pythons.choice(old, folders) == (old, "")


def test_a_real_one_does_the_work_and_tells_its_version() -> None:
    found = pythons.measured(sys.executable)
    assert found is not None
    assert found.version == sys.version_info[:3]
    assert found.seconds > 0
