"""The table of the crash matrix tells every kill; a place of a way that nobody was killed at fails it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kimp.documents import killings
from tests.crashes.matrix.__main__ import KILLING, MOST_SECONDS, _asked, keep, summary, wanting
from tests.crashes.matrix.tables import counted, passed_by_some, problems, table

CLEAN = "cabf6355f4bd"
FACTS: dict[str, Any] = {
    "at": "2026-11-29T12:00:00+00:00", "machine": {"cores": 2}, "processes": 6, "python": "3.11.2",
    "revision": CLEAN, "revision at the end": CLEAN, "seed": "7", "seconds": 1261, "tests": 190,
}  # fmt: skip
BEFORE, AFTER = (
    "STARTED: calling.intend | before the commit",
    "STARTED: calling.intend | after the commit",
)
WAY: dict[str, Any] = {
    "way": "F9",
    "enumerated": [[BEFORE, 1], [AFTER, 1], [BEFORE, 2], [AFTER, 2]],
}


def share(*killed: list[Any], missed: tuple[list[Any], ...] = ()) -> dict[str, Any]:
    return {"column": "F9", "way": "F9", "killed": [*killed], "missed": [*missed], "tended": 0}


def test_a_way_whose_shares_were_killed_at_every_place_of_it_is_whole() -> None:
    rows = [WAY, share([BEFORE, 1], [AFTER, 1]), share([BEFORE, 2], [AFTER, 2])]
    assert problems(rows) == []


def test_a_place_that_no_share_was_killed_at_is_told() -> None:
    rows = [WAY, share([BEFORE, 1], [AFTER, 1]), share([BEFORE, 2])]
    assert problems(rows) == [f"F9: nobody was killed at {AFTER} (2)"]


def test_a_place_of_any_enumeration_of_a_way_counts() -> None:
    other = {"way": "F9", "enumerated": [[BEFORE, 3], [AFTER, 3]]}
    rows = [WAY, other, share(*WAY["enumerated"], [BEFORE, 3])]
    assert problems(rows) == [f"F9: nobody was killed at {AFTER} (3)"]


def test_another_ways_kill_is_none_of_this_one() -> None:
    elsewhere = share(*WAY["enumerated"]) | {"way": "F4"}
    assert problems([WAY, elsewhere]) == [
        "F9: nobody was killed at any of its 4 places: run its shares too"
    ]


def test_what_was_missed_is_told_and_may_be_one_place() -> None:
    most = share([AFTER, 1], [AFTER, 2], missed=([BEFORE, 2],))
    assert problems([WAY, most, share([BEFORE, 1])]) == []
    assert problems([WAY, most, share(missed=([BEFORE, 1],))]) == [
        "F9: 2 of 4 places were not reached, which is too many"
    ]


def test_of_a_whole_way_one_place_in_forty_may_be_missed() -> None:
    places = [[one, nth] for nth in range(1, 61) for one in (BEFORE, AFTER)]
    way = {"way": "F9", "enumerated": places}
    assert problems([way, share(*places[3:], missed=(*places[:3],))]) == []
    assert problems([way, share(*places[4:], missed=(*places[:4],))]) == [
        "F9: 4 of 120 places were not reached, which is too many"
    ]


def test_what_only_some_undisturbed_ones_come_by_is_told_and_not_asked_for() -> None:
    way = WAY | {"by_some": [[BEFORE, 3]]}
    rows = [way, share(*WAY["enumerated"][:2]) | {"seldom": WAY["enumerated"][2:]}]
    assert problems(rows) == []
    assert passed_by_some(rows) == [
        f"F9: only some undisturbed ones come by {AFTER} (2), {BEFORE} (2), {BEFORE} (3)"
    ]
    assert "| where only some undisturbed ones come by | 3 |" in table(rows)


def test_what_only_some_came_by_before_the_kills_excuses_no_place_of_the_way() -> None:
    rows = [WAY | {"by_some": [[AFTER, 2]]}, share(*WAY["enumerated"][:3])]
    assert problems(rows) == [f"F9: nobody was killed at {AFTER} (2)"]


def test_of_a_way_no_more_than_a_third_may_be_left_out_as_what_only_some_come_by() -> None:
    places = [[one, nth] for nth in range(1, 61) for one in (BEFORE, AFTER)]
    way = {"way": "F9", "enumerated": places}
    some = [[one, nth] for nth in range(61, 71) for one in (BEFORE, AFTER)]
    rest = share(*places[20:]) | {"seldom": places[:20]}
    assert problems([way | {"by_some": some}, rest]) == []
    assert problems([way | {"by_some": [*some, [BEFORE, 71]]}, rest]) == [
        "F9: only some undisturbed ones come by 41 places, which is too many beside 120"
    ]


def test_a_side_that_lacks_its_other_is_told() -> None:
    rows = [{"way": "F9", "enumerated": [[BEFORE, 1]]}, share([BEFORE, 1])]
    assert problems(rows) == [f"F9: {BEFORE} (1) has no place after the commit"]


def test_the_table_counts_each_time_that_a_place_is_killed_at() -> None:
    told = table([WAY, share([BEFORE, 1], [BEFORE, 2], missed=([AFTER, 2],))])
    assert "| before the commit | 2 |" in told
    assert "| tried 4 times and not reached | 1 |" in told
    assert told.endswith("2 kills at 1 places")


def test_what_was_run_is_told_with_its_revision_and_what_is_wanting() -> None:
    rows = [WAY, share([BEFORE, 1], [AFTER, 1]), share([BEFORE, 2])]
    told = summary(rows, seed="7", at="cabf6355f4bd+", seconds=61, code=0).splitlines()
    assert told[-1] == "revision cabf6355f4bd+, 61 s, pytest ended with 0"
    assert set(problems(rows)) <= set(told)


def test_a_run_that_takes_longer_than_half_an_hour_fails_and_says_so() -> None:
    whole = [WAY, share(*WAY["enumerated"])]
    assert wanting(whole, MOST_SECONDS) == []
    (told,) = wanting(whole, MOST_SECONDS + 1)
    assert told == "it took 1801 s, which is more than 1800"
    assert told in summary(whole, seed="1", at="abc", seconds=MOST_SECONDS + 1, code=0)


def test_every_module_that_kills_is_run_and_counted() -> None:
    """One that is left out would be in no table."""
    modules = [path for path in Path(__file__).parent.glob("*.py") if path != Path(__file__)]
    texts = {path.stem: path.read_text("utf-8") for path in modules}
    counting = {name for name, text in texts.items() if "    note_kills(" in text}
    killing = {
        name for name, text in texts.items() if name.startswith("test_") and ".was_killed" in text
    }
    assert killing <= counting
    assert counting == {*KILLING} - {"stops"}  # which kills nobody


def test_a_kept_run_is_what_the_documents_tell(tmp_path: Path) -> None:
    assert killings.seen(tmp_path) == killings.some("killed-deeds", tmp_path) == killings.NONE_KEPT
    rows = [share([BEFORE, 1], [BEFORE, 2]), share([AFTER, 1]) | {"column": "door"}]
    assert keep(counted(rows) | FACTS, tmp_path)
    assert "3 kills at 2 places" in killings.seen(tmp_path)
    assert (
        f"in 21 minutes 1 seconds.\n\n*`make crash-matrix`, 2026-11-29, revision {CLEAN}"
        in killings.seen(tmp_path)
    )
    assert (
        "| killed | door |\n| --- | --- |\n| before the commit | 0 |\n| after the commit | 1 |"
        in killings.some("killed-deeds", tmp_path)
    )
    assert "| before the commit | 2 |" in killings.some("killed-round-trip", tmp_path)
    assert killings.some("killed-other-ways", tmp_path) == killings.NOT_RUN


def test_a_column_that_no_table_names_is_told_with_what_loses_replies(tmp_path: Path) -> None:
    assert keep(counted([share([BEFORE, 1]) | {"column": "new F4"}]) | FACTS, tmp_path)
    assert "| killed | new F4 |" in killings.some(killings.REST, tmp_path)


@pytest.mark.parametrize(
    "facts",
    [{"revision": f"{CLEAN}+"}, {"revision at the end": f"{CLEAN}+"}],
    ids=["before", "behind"],
)
def test_a_run_of_no_committed_code_is_not_kept(tmp_path: Path, facts: dict[str, Any]) -> None:
    assert not keep(counted([share([BEFORE, 1])]) | FACTS | facts, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_part_of_the_matrix_is_not_kept(capsys: pytest.CaptureFixture[str]) -> None:
    assert _asked(["-k", "door"])[1] == ["-k", "door"]
    with pytest.raises(SystemExit):
        _asked(["--keep", "-k", "door"])
    assert "a part of the matrix is not kept" in capsys.readouterr().err
