"""A statement whose connection died without a word costs those that are in it time, and nobody else."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from cycles.services import committing
from tests.concurrency.meeting import SECONDS
from tests.concurrency.test_group_commit import Desk
from tests.desk import eventually

pytestmark = pytest.mark.concurrency


@pytest.fixture(autouse=True)
def _patience_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committing, "PATIENCE_SECONDS", 0.2)


def test_nobody_waits_for_long_behind_a_statement_that_hangs() -> None:
    """Its connection is half dead: nothing tells the one who leads."""
    desk = Desk(list)
    with ThreadPoolExecutor(4) as pool:
        hangs = pool.submit(desk.group, "a")
        eventually(lambda: desk.writes == [["a"]])
        others = [pool.submit(desk.group, row) for row in "bc"]
        assert [task.result(SECONDS) for task in others] == ["b", "c"]
        assert pool.submit(desk.group, "d").result(SECONDS) == "d"
        assert not hangs.done()
        desk.may_go.set()
        assert hangs.result(SECONDS) == "a"
    assert desk.group("e") == "e"
    assert sorted(row for rows in desk.writes for row in rows) == list("abcde")


def test_what_is_in_a_statement_that_hangs_waits_for_it_and_is_never_written_twice() -> None:
    """It may stand already."""
    may_go = threading.Event()

    def write(rows: Sequence[str]) -> Sequence[str]:
        assert "c" not in rows or may_go.wait(SECONDS)
        return list(rows)

    desk = Desk(write)
    with ThreadPoolExecutor(4) as pool:
        tasks = {"a": pool.submit(desk.group, "a")}
        eventually(lambda: desk.writes == [["a"]])
        tasks |= {row: pool.submit(desk.group, row) for row in "bc"}
        eventually(lambda: any("c" in rows for rows in desk.writes))
        # Whoever comes later is patient for as long as they were, and then for nobody.
        assert pool.submit(desk.group, "d").result(SECONDS) == "d"
        assert not tasks["c"].done()
        may_go.set()
        desk.may_go.set()
        assert [tasks[row].result(SECONDS) for row in "abc"] == list("abc")
    assert sorted(row for rows in desk.writes for row in rows) == list("abcd")
    assert desk.waited == []
