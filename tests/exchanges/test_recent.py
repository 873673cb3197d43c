"""Readings are remembered for a moment, where a process says so, and never what they raise."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from exchanges import recent


class Source:
    """Counts how often it is read."""

    def __init__(self) -> None:
        self.reads = 0
        self.read = recent.recent(self._read)

    def _read(self, name: str) -> str:
        self.reads += 1
        if name == "missing":
            raise LookupError(name)
        return f"{name} {self.reads}"


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    yield
    recent.remember(0)


def test_a_process_that_says_nothing_reads_anew_each_time() -> None:
    source = Source()
    assert [source.read("a"), source.read("a")] == ["a 1", "a 2"]


def test_a_busy_process_reads_once_for_each_question() -> None:
    source = Source()
    recent.remember(60)
    assert [source.read("a"), source.read("b"), source.read("a")] == ["a 1", "b 2", "a 1"]


def test_what_is_older_than_allowed_is_read_again() -> None:
    source = Source()
    recent.remember(1e-9)
    assert [source.read("a"), source.read("a")] == ["a 1", "a 2"]


def test_what_has_changed_is_read_again_once_somebody_says_so() -> None:
    source = Source()
    recent.remember(60)
    source.read("a")
    recent.forget()
    assert source.read("a") == "a 2"


def test_an_error_is_not_remembered() -> None:
    source = Source()
    recent.remember(60)
    for _ in range(2):
        with pytest.raises(LookupError):
            source.read("missing")
    assert source.reads == 2
