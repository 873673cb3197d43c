"""What a thread meets that nobody foresaw: said once a kind, then ever more seldom, and it pauses."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from exchanges import trouble
from exchanges.trouble import LONGEST_PAUSE, Trouble, lasting


def met(work: Callable[[], object]) -> Exception:
    """Give what work raises, with the place where it did."""
    try:
        work()
    except Exception as error:  # noqa: BLE001  given back
        return error
    raise AssertionError("it raised nothing")


NOTHING: dict[str, str] = {}


def bug() -> Exception:
    return met(lambda: NOTHING["nobody foresaw this"])


def other_bug() -> Exception:
    return met(lambda: NOTHING["nor this"])


def test_a_kind_is_said_once_and_another_of_the_same_type_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    mine = Trouble("tester")
    for _ in range(20):
        mine.tell(bug())
        mine.tell(other_bug())
    assert caplog.text.count("thread.broken") == 2


def test_what_goes_on_is_said_again_after_a_silence_with_how_often_it_was_met(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trouble, "FIRST_SILENCE", timedelta(0))
    monkeypatch.setattr(trouble, "LONGEST_SILENCE", timedelta(0))
    mine = Trouble("tester")
    mine.tell(bug())
    mine.tell(bug())
    assert caplog.text.count("thread.broken") == 2


def test_each_turn_in_a_row_is_followed_by_a_longer_pause_up_to_a_bound() -> None:
    mine = Trouble("tester")
    pauses = [mine.tell(bug()) for _ in range(12)]
    assert pauses == sorted(pauses)
    assert timedelta(0) < pauses[0] < pauses[1]
    assert pauses[-1] == LONGEST_PAUSE


def test_a_thread_that_does_not_get_on_is_named_until_a_turn_goes_well() -> None:
    mine = Trouble("tester")
    mine.tell(bug())
    assert lasting() == []
    for _ in range(trouble.LASTING):
        mine.tell(bug())
    assert lasting() == ["tester"]
    mine.over()
    assert lasting() == []


def test_a_thread_that_the_desk_can_do_without_is_not_named() -> None:
    """A full disk ends a recording, and nothing else."""
    mine = Trouble("recorder", is_needed=False)
    for _ in range(trouble.LASTING + 1):
        mine.tell(bug())
    assert lasting() == []
