"""Readings are remembered for a moment, where a process says so, and never what they raise."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import OperationalError

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


def test_what_was_being_read_when_something_changed_is_not_remembered() -> None:
    names = iter(["before", "after"])

    @recent.recent
    def overtaken() -> str:
        name = next(names)
        if name == "before":
            recent.forget()
        return name

    recent.remember(60)
    assert [overtaken(), overtaken(), overtaken()] == ["before", "after", "after"]


def test_an_error_is_not_remembered() -> None:
    source = Source()
    recent.remember(60)
    for _ in range(2):
        with pytest.raises(LookupError):
            source.read("missing")
    assert source.reads == 2


def test_while_one_reads_anew_the_others_go_by_what_they_have() -> None:
    begins, goes_on, reads = threading.Event(), threading.Event(), []

    @recent.recent
    def slow() -> int:
        reads.append(1)
        if len(reads) > 1:
            begins.set()
            assert goes_on.wait(10)
        return len(reads)

    recent.remember(600)
    slow()
    _age_by(550)
    reader = threading.Thread(target=slow)
    reader.start()
    assert begins.wait(10)
    assert [slow(), slow()] == [1, 1]
    goes_on.set()
    reader.join(10)
    assert slow() == 2


def test_what_is_older_than_allowed_is_nobody_s_to_go_by_even_while_one_reads() -> None:
    source = Source()
    recent.remember(600)
    source.read("a")
    _age_by(700)
    with _being_read():
        assert source.read("a") == "a 2"


def test_a_reading_that_took_long_does_not_replace_a_newer_one() -> None:
    names = iter(["first", "slow", "newer"])

    @recent.recent
    def name_of() -> str:
        name = next(names)
        if name == "slow":
            _age_by(300)
            assert name_of() == "newer"
        return name

    recent.remember(600)
    name_of()
    _age_by(550)
    assert [name_of(), name_of()] == ["slow", "newer"]


def test_a_reading_that_fails_leaves_the_next_one_to_read_anew() -> None:
    answers = iter([1, 0, 3])

    @recent.recent
    def shaky() -> int:
        answer = next(answers)
        if not answer:
            raise LookupError("away")
        return answer

    recent.remember(600)
    shaky()
    _age_by(550)
    with pytest.raises(LookupError):
        shaky()
    assert shaky() == 3


def test_what_was_asked_for_lately_is_refreshed_before_anybody_waits_for_it() -> None:
    source = Source()
    recent.remember(600)
    source.read("a")
    recent.refresh()
    assert source.reads == 1  # it is young
    _age_by(300)
    recent.refresh()
    assert source.reads == 2
    assert source.read("a") == "a 2"


def test_who_comes_by_thirds_of_its_time_reads_at_every_second_turn() -> None:
    source = Source()
    recent.remember(600)
    source.read("a")
    reads = []
    for _ in range(4):
        _age_by(190)
        recent.refresh()
        reads.append(source.reads)
    assert reads == [1, 2, 2, 3]


def test_what_nobody_asks_for_any_more_is_forgotten_rather_than_refreshed() -> None:
    source = Source()
    recent.remember(600)
    source.read("a")
    _age_by(700)
    _ask_ago(recent.ASKED_LATELY_SECONDS + 1)
    recent.refresh()
    assert source.reads == 1
    assert not recent._memory.readings


def test_what_raised_and_nobody_asks_for_is_forgotten_too() -> None:
    shaky = Shaky()
    recent.remember(600)
    shaky.read()
    _age_by(300)
    recent.refresh()
    assert recent._memory.readings
    _age_by(550)
    recent.refresh()
    assert not recent._memory.readings


def test_what_somebody_reads_at_this_moment_is_not_refreshed() -> None:
    source = Source()
    recent.remember(600)
    source.read("a")
    _age_by(300)
    with _being_read():
        recent.refresh()
        assert source.reads == 1


def test_a_bug_in_one_reading_stops_no_other_and_shows_to_whoever_asks() -> None:
    source, shaky = Source(), Shaky()
    recent.remember(600)
    assert shaky.read() == 1
    source.read("a")
    _age_by(300)
    recent.refresh()
    recent.refresh()  # nobody has asked since
    assert (source.reads, shaky.reads) == (2, 2)
    _age_by(550)
    with pytest.raises(LookupError):
        shaky.read()


def test_a_database_that_is_away_ends_a_refresh() -> None:
    shaky = Shaky(OperationalError("away"))
    recent.remember(600)
    shaky.read()
    _age_by(300)
    with pytest.raises(OperationalError):
        recent.refresh()
    assert not recent._memory.being_read


class Shaky:
    """Answers once; then it raises."""

    def __init__(self, error: Exception | None = None) -> None:
        self.reads = 0
        self.error = error or LookupError("a bug")
        self.read = recent.recent(self._read)

    def _read(self) -> int:
        self.reads += 1
        if self.reads > 1:
            raise self.error
        return self.reads


@contextmanager
def _being_read() -> Iterator[None]:
    """Let somebody be reading the one thing that is remembered."""
    (question,) = recent._memory.readings
    assert recent._memory.is_mine_to_read(question)
    try:
        yield
    finally:
        recent._memory.is_read(question)


def _age_by(seconds: float) -> None:
    """Let what is remembered be so much older."""
    memory = recent._memory
    memory.readings = {key: (at - seconds, told) for key, (at, told) in memory.readings.items()}


def _ask_ago(seconds: float) -> None:
    """Let what was asked for have been asked so long ago."""
    memory = recent._memory
    memory.asked_at = {question: at - seconds for question, at in memory.asked_at.items()}
