"""Nothing turns an unknown outcome into a failed one by waiting: who writes what became of a request names its evidence."""

from __future__ import annotations

import ast
import re
from collections import Counter

import pytest
from django.db import connection

from tests.meta.outcomes import FINAL, constants, doors, modules, writers

# Each mention of a final outcome that is not only asked for, and by what right it is written.
EVIDENCE: dict[str, list[str]] = {
    "calling.called: NOT_SENT": ["its worker did not send it, and knows: it is who would have"],
    "calling._classified: DONE": ["the venue's answer"],
    "calling._told: REFUSED": ["the venue's answer: a refusal, and none that says that it has it"],
    "calling._told: NOT_SENT": ["the venue's answer, or the wire's, that certainly nothing was processed"],
    "calling._disown: NOT_SENT": ["its worker lost the database before it could send it, and knows"],
    "reconciling._asked: DONE": ["the venue's record"],
    "reconciling._missed_again: ABSENT": [
        "the venue, asked once more, has none, where its rule says that this proves it, nor locked what it would lock, if asked"
    ],
    "trading.adopt: DONE": ["the venue's record", "the same, on the instance"],
    "replaying._confirmed: DONE": ["the venue's record"],
    "replaying._written: DONE": ["the venue's record"],
    "resolving._close_calls: ABSENT": ["a person's word, with evidence, once the venue takes it no more"],
    "resolving._settle: DONE": ["what a look at the venue told, and a person's word that nothing came of it"],
}  # fmt: skip
# Who writes an outcome that the place does not name, and whose it is.
GIVEN: dict[str, str] = {
    "calling.write_outcome": "writes what it is given: once, to a call that is open",
    "calling.note": "`called` gave it",
    "calling._note": "`called` gave it",
    "calling._classified": "`_told` gave it",
    "reconciling.record": "`_asked`, `_missed_again` or `_begin_to_look` gave it",
    "reconciling._missed_again": "ABSENT, by its constant",
    "resolving._payload": "what an intervention keeps of a statement",
    "looking.take": "a sighting, no request's",
    "travel_rule._claim": "a deposit's, no request's",
    "travel_rule._ask": "a deposit's, no request's",
    "cycles.tasks._finish": "a job's, no request's",
    "exchanges.transport.calls._note": "a wire call's, for the log",
}
# Functions of the database that write rows of the journal, and the outcomes that they name.
IN_SQL = {
    "kimp_intend_v1": {"INTENDED", "DONE"},  # before anything is sent; DONE is its verdict
    "kimp_settle_v1": {"INTENDED", "DONE"},  # the venue's record, which it books; the release before's
    "kimp_settle_v2": {"INTENDED", "DONE"},  # the venue's record, which it books
}  # fmt: skip
NAMES = {"INTENDED", "UNKNOWN", *FINAL}
WRITES_A_CALL = re.compile(
    r"(UPDATE|INSERT INTO)\s+(ONLY\s+)?\"?cycles_exchangecall\b", re.IGNORECASE
)


def test_each_final_outcome_that_is_written_has_its_evidence() -> None:
    names = constants()
    found = Counter(told for module, tree in modules() for told in writers(module, tree, names))

    assert found == {told: len(reasons) for told, reasons in EVIDENCE.items()}


def test_each_outcome_that_is_handed_on_is_somebodys() -> None:
    assert {told for module, tree in modules() for told in doors(module, tree)} == set(GIVEN)


def test_absence_is_told_by_a_look_at_the_venue_alone() -> None:
    found = {
        f"{module}:{ast.unparse(node.value)}"
        for module, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg == "is_absent"
    }
    assert found == {"cycles.services.reconciling:is_absent"}


@pytest.mark.django_db
def test_no_function_of_the_database_fails_a_request() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
        )
        functions = dict(cursor.fetchall())
    named = {
        name: set(re.findall(r"'(\w+)'", text)) & NAMES
        for name, text in functions.items()
        if WRITES_A_CALL.search(text) or re.search(r"NEW\.outcome\s*:?=[^=]*;", text)
    }
    assert named == IN_SQL


def test_no_statement_of_the_code_writes_a_request() -> None:
    assert [
        f"{module}:{node.lineno}"
        for module, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and WRITES_A_CALL.search(str(node.value))
    ] == []


@pytest.mark.parametrize(
    "written",
    [
        "record(call, NEVER_ACCEPTED)",
        "write_outcome(call, Noted(outcome=CallOutcome.ABSENT))",
        "write_outcome(call, Noted(outcome='ABSENT'))",
        "write_outcome(call, Noted(outcome=CallOutcome('ABSENT')))",
        "open_calls.filter(intended_at__lt=old).update(outcome=words.CallOutcome.NOT_SENT)",
        "open_calls.update(**{'outcome': CallOutcome.REFUSED})",
        "changes['outcome'] = CallOutcome['REFUSED']",
        "call.outcome = CallOutcome.ABSENT if age > DAY else call.outcome",
        "in_transaction(lambda: write_outcome(call, reconciling.NEVER_ACCEPTED))",
    ],
)
def test_the_finder_finds_an_outcome_that_is_written_by_age(written: str) -> None:
    tree = ast.parse(f"def give_up(call):\n    if call.age > DAY:\n        {written}")

    assert len(writers("made_up", tree, constants())) == 1


@pytest.mark.parametrize(
    "written",
    [
        "write_outcome(call, noted)",
        "write_outcome(call, Noted(outcome=outcome))",
        "open_calls.update(outcome=F('next'))",
        "call.outcome = final_of(call)",
    ],
)
def test_the_finder_finds_an_outcome_that_is_handed_on(written: str) -> None:
    tree = ast.parse(f"def give_up(call):\n    {written}")

    assert doors("made_up", tree) == {"made_up.give_up"}


@pytest.mark.parametrize(
    "asked",
    [
        "return call.outcome == CallOutcome.ABSENT",
        "return calls.filter(outcome=CallOutcome.DONE).exists()",
        "return Q(outcome__in=[CallOutcome.DONE, 'REFUSED'])",
        "write_outcome(call, Noted(outcome=CallOutcome.UNKNOWN))",
    ],
)
def test_who_asks_for_an_outcome_writes_none(asked: str) -> None:
    tree = ast.parse(f"def look(call):\n    {asked}")

    assert (writers("made_up", tree, constants()), doors("made_up", tree)) == ([], set())
