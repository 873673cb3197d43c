"""Commands on all that match, and words that no column or list holds."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from cycles.domain.words import Channel, CycleStatus
from cycles.models import Intervention
from cycles.services import desk, intervening
from cycles.services.intervening import Actor
from tests import builders
from tests.cycles.commands.saying import NOT_UTF8, Said, acting

pytestmark = pytest.mark.django_db
NOW = "now"  # by the database's clock, when the command runs


def test_all_that_match_go_on_with_what_the_dry_run_told(alice: User) -> None:
    for _ in range(3):
        builders.dead_letter()
    other = builders.dead_letter("SOL")
    shown = Said("redrive", "--all-matching", "--asset", "xrp", "--json")
    assert (shown.exit, shown.json["count"]) == (0, 3)
    assert f"--count 3 --seen-at {shown.json['seen_at']}" in shown.err
    assert not Intervention.objects.exists()
    words = ("redrive", "--all-matching", "--asset", "XRP", "--count", "3", "--json")
    done = acting(*words, "--seen-at", shown.json["seen_at"])
    assert (done.exit, done.json) == (0, {"redriven": 3, "left": 0})
    again = acting(*words, "--seen-at", shown.json["seen_at"])
    assert (again.exit, again.json) == (0, {"redriven": 0, "left": 0})
    other.refresh_from_db()
    assert other.status == CycleStatus.DEAD_LETTER


def test_what_i_have_taken_on_is_mine_in_the_dry_run_too(alice: User) -> None:
    row = builders.dead_letter()
    intervening.acknowledge(
        row.pk,
        actor=Actor(user=alice, channel=Channel.COMMAND),
        reason="mine",
        seen_version=row.version,
    )
    look = ("redrive", "--all-matching", "--json")
    mine, others = Said(*look, "--as", "alice").json, Said(*look).json
    assert (mine["count"], mine["taken_on"]) == (1, 0)
    assert (others["count"], others["taken_on"]) == (0, 1)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), 2),  # how many were seen?
        (("--count", "1", "--seen-at", NOW), 4),
        (("--count", "2"), 2),  # and when?
        (("--count", "2", "CYC-0123456789AB"), 2),
        (("--count", "2", "--seen-at", "yesterday"), 2),
        (("--count", "2", "--max-krw", "much"), 2),
        (("--count", "2", "--rate", "0"), 2),
        (("--count", "2", "--seen-at", "2999-01-01T00:00:00Z"), 2),
        (("--count", "2", "--seen-at", NOW), 0),
    ],
)
def test_all_that_match_are_not_more_than_were_seen(
    words: tuple[str, ...], code: int, alice: User
) -> None:
    for _ in range(2):
        builders.dead_letter()
    now = desk.database_now().isoformat()
    said = [now if word == NOW else word for word in words]
    assert acting("redrive", "--all-matching", *said).exit == code
    assert Intervention.objects.count() == (2 if code == 0 else 0)


def test_who_says_to_have_seen_the_future_is_told_what_time_it_is(alice: User) -> None:
    builders.dead_letter()
    said = Said("redrive", "--all-matching", "--seen-at", "2999-01-01T00:00:00Z")
    assert (said.exit, said.out) == (2, "")
    assert "seen at 2999-01-01T00:00:00Z? By the database's clock it is 2" in said.err


@pytest.mark.parametrize(
    "words",
    [
        ("cycles", "--search", NOT_UTF8),
        ("redrive", NOT_UTF8),
        ("redrive", "--all-matching", "--venue", NOT_UTF8),
        ("redrive", "--all-matching", "--max-krw", "1e30"),
        ("open_cycle", "--asset", NOT_UTF8, "--notional", "5000"),
        ("api_token", "revoke", NOT_UTF8, "--yes"),
        ("addresses", "retire", NOT_UTF8),
        ("identities", "block", NOT_UTF8, "XRP", "XRP"),
        ("halt", "--yes", "--as", "alice", "--reason", NOT_UTF8),
        ("halt", "--yes", "--as", "alice", "--reason", "a\0b"),
        ("reconcile", "CYC-\0"),
    ],
    ids=repr,
)
def test_what_no_column_holds_is_wrong_usage(alice: User, words: tuple[str, ...]) -> None:
    builders.desk()
    builders.policy()
    said = Said(*words)
    assert (said.exit, said.out) == (2, "")


@pytest.mark.parametrize(
    "words",
    [
        ("cycles", "--limit", "-1"),
        ("redrive", "CYC-0", "--version", "99999999999999999999"),
        ("redrive", "--all-matching", "--count", "99999999999999999999"),
        ("identities", "list", "--decimals", "99999999999999999999"),
    ],
)
def test_a_count_that_no_column_holds_is_refused_where_it_is_parsed(words: tuple[str, ...]) -> None:
    assert "is not a whole number from 0 to" in Said(*words).err
