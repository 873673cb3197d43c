"""Acts that contradict themselves or would change nothing, and how a part of a statement is written."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from cycles.domain.words import CallOutcome, Mode
from cycles.models import Intervention
from tests import builders
from tests.cycles.commands.saying import Said, acting

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("part", ["binance,usdt,4990.5", "binance USDT 4,990.5"])
def test_a_part_of_a_resolution_is_written_as_in_the_form(alice: User, part: str) -> None:
    row = builders.dead_letter()
    words = ("--outcome", "COMPLETED", "--evidence", "ticket 7", "--received", part)
    assert acting("resolve", row.code, "--version", str(row.version), *words).exit == 0
    assert Intervention.objects.get().payload["received"][0]["quantity"] == "4990.5"


def test_a_resolution_that_contradicts_itself_is_wrong_usage(alice: User) -> None:
    row = builders.dead_letter()
    builders.order_call(row, CallOutcome.UNKNOWN)
    words = ("--outcome", "CALL_ABSENT", "--evidence", "T-1", "--received", "binance:USDT:1")
    said = acting("resolve", row.code, "--version", str(row.version), *words)
    assert (said.exit, "COMPLETED" in said.err) == (2, True)
    assert not Intervention.objects.exists()


@pytest.mark.parametrize("name", ["halt", "resume"])
def test_a_mode_that_the_desk_has_is_no_act(name: str, alice: User) -> None:
    version = builders.desk(Mode.FINALIZE_ONLY).version
    told = "the desk is set to finalize only already: nothing would change"
    shown = Said(name, "--finalize-only")
    assert (shown.exit, told in shown.err, "--reason TEXT" in shown.err) == (3, True, False)
    more = ("--version", str(version)) if name == "resume" else ()
    done = acting(name, "--finalize-only", *more)
    assert (done.exit, told in done.err) == (3, True)
    assert not Intervention.objects.exists()
