"""Every seam of ours is one that some process is killed at, or says why none need be; each seam has its name."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exchanges.own_connection import own_connection
from exchanges.port import ONLY_ASKS, Venue
from tests.crashes.matrix import acts, seams, sites, test_deeds
from tests.crashes.matrix.chores import CHORES
from tests.crashes.matrix.journeys import JOURNEYS, OPENING
from tests.crashes.matrix.losing import MOVING
from tests.meta.alone_proofs import PARTS, PLACES
from tests.meta.seam_proofs import ELSEWHERE, Elsewhere

PROJECT = Path(__file__).resolve().parents[2]
# The test of each holds that it was reached, and kills there.
KILLED_AT = OPENING.union(
    *(journey.seams for journey in JOURNEYS.values()),
    *(chore.seams for chore in CHORES.values()),
    *acts.SEAMS.values(),
    test_deeds.SEAMS,
)
TWICE = """
def act(reach):
    reach()
    reach()
"""


def test_every_seam_is_killed_at_or_says_why_it_need_not_be() -> None:
    """A new commit or call fails here until something that is killed comes by it, or a reason and a test are given."""
    told = Counter(seam for row in ELSEWHERE for seam in row.seams) + Counter(KILLED_AT)
    assert sorted(told) == sorted(sites.sites())
    assert [seam for seam, times in told.items() if times > 1] == []


def test_every_act_and_every_job_says_which_seams_are_its_own() -> None:
    assert set(acts.SEAMS) == {*acts.ON_CYCLES, *acts.ON_DESK, *acts.IN_PARTS}
    assert set(CHORES) == set(acts.JOBS)


def test_what_only_carries_others_work_is_found_by_what_those_others_say() -> None:
    assert sites.carriers() == sites.CARRIED_BY.keys()
    assert set(sites.CARRIED_BY.values()) <= sites.COMMITTING | sites.COMMITTING_BY_MODULE


def test_what_commits_by_itself_is_still_there() -> None:
    """A place that is gone, or renamed, would excuse another that takes its name."""
    assert (PLACES | PARTS) - _functions() == set()


def _functions() -> set[str]:
    """Give every function of ours, as `module.Class.function`."""
    found: set[str] = set()

    def walk(node: ast.AST, names: tuple[str, ...]) -> None:
        for child in ast.iter_child_nodes(node):
            inner = names
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                inner = (*names, child.name)
            if isinstance(child, ast.FunctionDef):
                found.add(".".join(inner))
            walk(child, inner)

    for room in seams.ROOMS:
        for path in PROJECT.joinpath(room).rglob("*.py"):
            walk(ast.parse(path.read_text("utf-8")), (path.stem,))
    return found


@pytest.mark.parametrize("row", ELSEWHERE, ids=lambda row: row.seams[0])
def test_what_goes_there_instead_exists(row: Elsewhere) -> None:
    module, _, function = row.test.partition(":")
    tree = ast.parse((PROJECT / module).read_text("utf-8"))
    assert function in {one.name for one in ast.walk(tree) if isinstance(one, ast.FunctionDef)}
    assert row.why


def test_a_new_commit_or_call_is_found_by_reading() -> None:
    text = """
class Desk:
    @wrapped
    def act(self):
        with transaction.atomic():
            pass
        return in_transaction(
            work
        )

def send():
    note = [calling.called(call, lambda: venue.withdraw(one)) for call in calls]
    stepping.intend(row)
    settle()

def tell():
    registry.venue("upbit").verify_deposit(held)
    later(venue.verify_deposit)
    post_json(url, payload)
    registry.venue("upbit").deposits(asset)
"""
    assert sites.read(text, "new") == {
        "new.Desk.act": sites.Site("new.Desk.act", 2),
        "new.Desk.act#2": sites.Site("new.Desk.act", 4),
        "new.send": sites.Site("new.send", None, "withdraw"),
        "new.send#2": sites.Site("new.send", 2, is_alone=True),
        "new.tell": sites.Site("new.tell", None, "verify_deposit"),
        "new.tell#2": sites.Site("new.tell", None, "verify_deposit"),
        "new.tell#3": sites.Site("new.tell", 3),
    }


def test_below_the_business_nothing_is_found_but_what_commits() -> None:
    assert sites.read("def act():\n    self._venue.verify_deposit(d)", "new", calls=False) == {}


def test_what_acts_at_a_venue_is_all_of_the_port_that_does_not_only_ask() -> None:
    """A new method of the port acts until the port says that it only asks; what moves money has its intent in the journal."""
    assert vars(Venue).keys() > ONLY_ASKS
    assert {*MOVING, "verify_deposit"} == sites.ACTING


def test_a_call_counts_as_reached_where_it_was_sent_and_its_function_was_passed() -> None:
    passed = "STARTED: travel_rule._ask:21 < travel_rule.release:7 | before the commit"
    sent = "STARTED: upbit verify_deposit | before the call"
    assert sites.reached([passed]) == sites.reached([sent]) == set()
    assert sites.reached([passed, sent]) == {"travel_rule._ask"}


def test_no_two_places_of_ours_send_the_same_to_a_venue() -> None:
    """Else the second would count as killed at wherever the first was sent: let both go by one function that sends."""
    assert sites.doubtful(sites.sites()) == set()
    assert {one.sends for one in sites.sites().values() if one.line is None} == sites.ACTING


@pytest.mark.parametrize("second", ["act", "other"])
def test_a_second_place_that_sends_what_another_sends_is_found(second: str) -> None:
    """In another branch of the same function, or in another function that is passed as well."""
    first = "def act():\n    venue.withdraw(one)\n    venue.place_order(one)\n"
    more = "    if late:\n        venue.place_order(two)\n"
    found = sites.read(first + (more if second == "act" else f"def {second}():\n{more}"), "new")
    name = "new.act#3" if second == "act" else "new.other"
    assert sites.doubtful(found) == {"new.act#2", name}


def test_what_goes_on_the_wire_is_sent_by_a_venues_transport_or_by_the_plain_client() -> None:
    """Whatever sends otherwise is a place that nobody reads of."""
    found = {
        str(path.relative_to(PROJECT)): _sending_otherwise(path.read_text("utf-8"))
        for path in sites.sources()
        if "transport" not in path.parts
    }
    assert {name: lines for name, lines in found.items() if lines} == {}


def _sending_otherwise(text: str) -> list[int]:
    """Give the lines where a sender is made, or handed on, that is not a venue's transport's."""
    tree = ast.parse(text)
    given = {
        id(named)
        for one in ast.walk(tree)
        if isinstance(one, ast.Call) and ast.unparse(one.func) == "VenueTransport"
        for argument in one.args
        for named in ast.walk(argument)
    }
    return [
        one.lineno
        for one in ast.walk(tree)
        if isinstance(one, ast.Name) and one.id == "HttpSender" and id(one) not in given
    ]


def test_a_sender_of_its_own_is_found() -> None:
    assert _sending_otherwise("VenueTransport(d, HttpSender(a))\nHttpSender(b).send(one)") == [2]


def test_no_transaction_is_opened_around_a_whole_function() -> None:
    """Nothing would be killed there by that function's name: `with transaction.atomic():` stands within it."""
    found = {path.name: sites.unplaced(path.read_text("utf-8")) for path in sites.sources()}
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "opens",
    ["@transaction.atomic", "@atomic", "@atomic(durable=True)", "@method_decorator(atomic)"],
)
def test_what_opens_one_around_a_function_is_found(opens: str) -> None:
    assert sites.unplaced(f"{opens}\ndef act(): ...") == [1]


def test_what_opens_one_within_a_function_is_not() -> None:
    within = "with transaction.atomic(durable=True): work()"
    assert sites.unplaced(f"@wrapped(1)\ndef act():\n    {within}") == []


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO a", "UPDATE a", "DELETE FROM a", "MERGE INTO a", "TRUNCATE a",
        "SELECT kimp_release_v1(1)", "SELECT kimp_lock_cycles(1)", "SELECT * FROM kimp_standing(1)",
    ],
)  # fmt: skip
def test_a_statement_that_writes_is_a_place(sql: str) -> None:
    assert seams.WRITES.search(sql)


@pytest.mark.parametrize(
    "sql",
    ["SELECT kimp_home()", "SELECT * FROM kimp_standing_v3(1)", "LISTEN kimp_due", "SELECT date_trunc('hour', at)"],
)  # fmt: skip
def test_a_statement_that_only_reads_is_none(sql: str) -> None:
    assert not seams.WRITES.search(sql)


@pytest.mark.parametrize("is_within", [True, False])
def test_a_statement_commits_by_itself_where_its_own_connection_has_no_transaction(
    *, is_within: bool
) -> None:
    """Whatever the connection has that its thread works with otherwise."""
    told: list[str] = []
    watched = seams._statement_of(seams.Seams(tell=told.append))
    line = own_connection()
    line.in_atomic_block = is_within
    watched(lambda *_: None, "UPDATE a", (), False, {"connection": line})
    kinds = [place.rpartition(" | ")[2] for place in told]
    assert kinds == ([] if is_within else ["before the commit", "after the commit"])


def test_a_site_counts_as_reached_by_its_own_line_only() -> None:
    first, second = (sites.sites()[name] for name in ("rolling_up.roll_up", "rolling_up.roll_up#2"))
    place = f"job: rolling_up.roll_up:{first.line} < tasks.roll_up_samples:3 | before the commit"
    assert sites.reached([place]) == {"rolling_up.roll_up"}
    assert first.line != second.line


def _placed(text: str) -> Callable[..., Any]:
    """Give a function as if it stood in a module of ours."""
    made: dict[str, Any] = {}
    exec(compile(text, f"{PROJECT}/cycles/services/new.py", "exec"), made)
    return made["act"]  # type: ignore[no-any-return]


def test_two_commits_in_one_function_are_two_places() -> None:
    found: list[str] = []
    _placed(TWICE)(lambda: found.append(seams._here()))
    assert found == ["new.act:1", "new.act:2"]


@pytest.mark.parametrize(("name", "at"), [("new.act", 1), ("new.act:2", 2)])
def test_a_place_is_found_by_its_line_and_without_one_at_any(
    monkeypatch: pytest.MonkeyPatch, name: str, at: int
) -> None:
    killed: list[int] = []
    told: list[str] = []
    monkeypatch.setattr("os.kill", lambda _pid, _sign: killed.append(len(told)))
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    watching = seams.Seams(tell=told.append, name=name)
    _placed(TWICE)(lambda: watching.reach(seams._here()))
    assert killed == [at]
