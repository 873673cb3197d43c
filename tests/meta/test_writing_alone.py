"""The watch over what commits by itself sees it, and sees nothing where there is nothing."""

from __future__ import annotations

from typing import Any

import pytest

from cycles.models import Heartbeat
from tests.crashes.matrix import sites
from tests.crashes.matrix.seams import PROJECT
from tests.writing_alone import is_known, known

pytestmark = pytest.mark.django_db

ALONE = "new.act writes outside of any transaction"
WRITE = "Heartbeat.objects.filter(name='nobody').update(role='WORKER')"
TELL = "alerting.raise_alert(key='a', severity=Alert.Severity.INFO, title='a')"
CREATE = "Heartbeat.objects.get_or_create(name='a', defaults={'role': 'WORKER', 'beat_at': Now()})"


def act(strays: list[str], *lines: str, module: str = "new") -> list[str]:
    """Run lines as if they stood in a function of a module of ours; give what the watch found."""
    text = """
from django.db import transaction
from django.db.models.functions import Now
from cycles.models import Alert, Heartbeat
from cycles.services import alerting
def act():
    """ + "\n    ".join(lines)
    made: dict[str, Any] = {}
    exec(compile(text, f"{PROJECT}/cycles/services/{module}.py", "exec"), made)
    made["act"]()
    found = list(strays)
    strays.clear()
    return found


@pytest.mark.parametrize("statement", [WRITE, CREATE])
def test_a_statement_that_commits_by_itself_is_found(strays: list[str], statement: str) -> None:
    assert set(act(strays, statement)) == {ALONE}


def test_whoever_tells_people_by_itself_is_found(strays: list[str]) -> None:
    assert act(strays, TELL) == [ALONE]


@pytest.mark.parametrize("statement", [WRITE, CREATE, TELL])
def test_a_statement_within_a_transaction_is_not(strays: list[str], statement: str) -> None:
    assert act(strays, "with transaction.atomic():", f"    {statement}") == []


def test_a_statement_beside_a_transaction_of_the_same_function_is_found(
    strays: list[str],
) -> None:
    """A function that is killed at its transaction is not killed at what it commits by itself."""
    beside = ["with transaction.atomic():", "    pass", WRITE]
    assert act(strays, *beside) == [ALONE]
    assert "desk.pause" in sites.sites()
    assert not is_known("desk.pause", known())


def test_what_only_reads_is_not(strays: list[str]) -> None:
    assert act(strays, "list(Heartbeat.objects.all())") == []


def test_what_a_test_writes_is_not(strays: list[str]) -> None:
    Heartbeat.objects.filter(name="nobody").update(role="WORKER")
    assert strays == []


def test_what_is_to_stand_within_anothers_transaction_is_found_where_it_does_not(
    strays: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.writing_alone.WITHIN", frozenset({"new.act.inner"}))
    inner = ["def inner():", "    with transaction.atomic():", "        pass"]
    assert act(strays, *inner, "inner()") == ["new.act.inner opens a transaction"]
    assert act(strays, *inner, "with transaction.atomic():", "    inner()") == []
