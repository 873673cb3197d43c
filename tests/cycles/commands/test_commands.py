"""The operator's commands: data on standard output, one sentence on refusal, nothing without --yes."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import load_command_class

from cycles.domain.words import CallOutcome, CycleStatus, Mode
from cycles.management.base import OperatorCommand
from cycles.management.catalogue import COMMANDS, EXIT_CODES
from cycles.models import ApiToken, Cycle, Desk, Intervention
from cycles.services import desk, tokens
from tests import builders
from tests.cycles.commands.saying import WHY, Said, acting
from tests.cycles.services.acts import rated

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("row", COMMANDS, ids=lambda row: row.name)
def test_each_command_of_the_table_exists_and_helps_with_examples(row: Any) -> None:
    command = load_command_class("cycles", row.name)
    assert isinstance(command, OperatorCommand)
    text = command.create_parser("manage.py", row.name).format_help()
    assert row.purpose.split(",")[0] in " ".join(text.split())
    for example in row.examples:
        assert example in text
    for code, meaning in EXIT_CODES.items():
        assert f"{code}  {meaning}" in text
    assert ("--yes" in text) is row.acts


def test_cycles_are_listed_and_dead_letters_by_money_at_risk() -> None:
    small = builders.dead_letter(at_risk_krw=1)
    great = builders.dead_letter(at_risk_krw=9)
    running = builders.cycle()
    assert [row["code"] for row in Said("cycles", "--json").json["cycles"]] == [
        running.code,
        great.code,
        small.code,
    ]
    queue = Said("cycles", "--status", "DEAD_LETTER", "--codes").out.split()
    assert queue == [great.code, small.code]
    one = Said("cycles", "--status", "DEAD_LETTER", "--limit", "1", "--asset", "xrp").out
    assert great.code in one
    assert small.code not in one


def test_a_cycle_is_shown_with_its_timeline() -> None:
    row = builders.dead_letter()
    builders.order_call(row)
    text = Said("cycle", row.code.lower()).out
    assert "5,000" in text
    assert "REFUSED_RULES: below the minimum" in text
    facts = Said("cycle", row.code, "--json").json
    assert {"transition", "call", "posting", "retry"} <= {one["kind"] for one in facts["timeline"]}
    assert facts["notional_usdt"] == "5000"


def test_each_option_of_a_dry_run_names_its_command_and_none_ends_empty() -> None:
    lines = Said("redrive", builders.dead_letter().code).out.splitlines()
    options = [line.strip() for line in lines if line.strip().startswith("option ")]
    assert "option RESOLVE: possible" in options
    assert any(line.startswith("option RESUME (redrive): ") for line in options)
    assert any("RETURN_TO_DESK (resolve --outcome COMPLETED): " in line for line in options)
    assert not [line for line in options if line.endswith(("expected", ":"))]


def test_an_alert_of_several_lines_is_one_row_of_the_timeline() -> None:
    row = builders.dead_letter()
    builders.alert(row, body="Cycle X\nat risk: much\nlook at it")
    lines = Said("cycle", row.code).out.splitlines()
    assert len([line for line in lines if "at risk: much look at it" in line]) == 1


def test_an_unknown_cycle_is_a_usage_error_of_one_sentence() -> None:
    said = Said("cycle", "CYC-000000000000")
    assert (said.exit, said.out) == (2, "")
    assert "\n" not in said.err.strip()


@pytest.mark.parametrize("verb", ["redrive", "write_off", "resolve"])
def test_without_yes_a_verb_shows_and_writes_nothing(verb: str) -> None:
    row = builders.dead_letter()
    more = ("--outcome", "COMPLETED", "--evidence", "t") if verb == "resolve" else ()
    said = Said(verb, row.code, *more)
    assert said.exit == 0
    assert f"version {row.version}" in said.out
    assert "dry run" in said.err
    assert not Intervention.objects.exists()


def test_redriving_a_list_tells_each_result(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    dead, running = builders.dead_letter(), builders.cycle()
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{dead.code}\n\n{running.code}\n"))
    said = acting("redrive", "-", "--json")
    results = {row["code"]: row for row in said.json["results"]}
    assert results[dead.code]["cycle"]["status"] == CycleStatus.RETRY_PENDING
    assert not results[running.code]["is_done"]
    assert (said.exit, "1 of 2" in said.err) == (3, True)
    made = Intervention.objects.get()
    assert (made.actor, made.channel, made.seen_version) == ("alice", "command", dead.version)
    assert made.request_id


def test_a_stale_version_is_a_conflict(alice: User) -> None:
    row = builders.dead_letter()
    assert acting("redrive", row.code, "--version", "1").exit == 4
    assert acting("write_off", row.code, "--version", "1").exit == 4
    row.refresh_from_db()
    assert row.status == CycleStatus.DEAD_LETTER


def test_a_version_belongs_to_one_cycle(alice: User) -> None:
    codes = [builders.dead_letter().code for _ in range(2)]
    assert acting("redrive", *codes, "--version", "2").exit == 2


@pytest.mark.parametrize("verb", ["redrive", "unwind", "write_off"])
def test_a_verb_needs_the_version_that_was_seen(alice: User, verb: str) -> None:
    row = builders.dead_letter()
    said = acting(verb, row.code)
    assert (said.exit, f"--version {row.version}" in said.err) == (2, True)
    assert not Intervention.objects.exists()


@pytest.mark.parametrize("verb", ["redrive", "unwind", "write_off"])
def test_what_cannot_be_done_is_not_invited_to(verb: str) -> None:
    said = Said(verb, builders.cycle().code)
    assert (said.exit, "not possible" in said.out, "--yes" in said.err) == (3, True, False)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--asset", "ZZZ"), 2),
        (("--venue", "kraken"), 2),
        (("--rate", "0"), 2),
        (("--class", "BUG"), 3),
    ],
)
def test_a_dry_run_of_many_refuses_what_can_match_nothing(
    words: tuple[str, ...], code: int
) -> None:
    builders.dead_letter()
    said = Said("redrive", "--all-matching", *words)
    assert (said.exit, "--yes" in said.err) == (code, False)


def test_an_invitation_names_who_acts_unless_that_is_set(settings: Any) -> None:
    row = builders.dead_letter()
    assert "--yes --as USER --version" in Said("redrive", row.code).err
    settings.KIMP_OPERATOR = "alice"
    assert "--as" not in Said("redrive", row.code).err


@pytest.mark.parametrize("verb", ["redrive", "write_off"])
def test_a_dry_run_names_the_version_to_act_on(verb: str) -> None:
    row = builders.dead_letter()
    assert f"--version {row.version} --reason" in Said(verb, row.code).err


def test_a_write_off_ends_the_cycle(alice: User) -> None:
    row = builders.dead_letter()
    said = acting("write_off", row.code, "--version", str(row.version), "--json")
    assert said.json["cycle"]["status"] == CycleStatus.FAILED


def test_a_resolution_replaces_the_holdings(alice: User) -> None:
    row = builders.dead_letter()
    said = acting(
        "resolve", row.code, "--version", str(row.version),
        "--outcome", "COMPLETED", "--evidence", "ticket 7",
        "--received", "binance:usdt:4990.5",
    )  # fmt: skip
    assert (said.exit, said.out.split()[:2]) == (0, [row.code, "COMPLETED"])
    assert Intervention.objects.get().payload["received"] == [
        {"venue": "binance", "asset": "USDT", "quantity": "4990.5"}
    ]


@pytest.mark.parametrize(
    "part",
    ["upbit:KRW:1e30", "upbit:KRW:1e-30", "upbit:KRW:0", f"upbit:{13 * 'A'}:1", "upbit:KRW:0,5"],
)
def test_what_the_ledger_cannot_hold_is_wrong_usage(alice: User, part: str) -> None:
    row = builders.dead_letter()
    words = ("--outcome", "COMPLETED", "--evidence", "ticket 7", "--received", part)
    assert acting("resolve", row.code, "--version", str(row.version), *words).exit in {1, 2}
    row.refresh_from_db()
    assert row.status == CycleStatus.DEAD_LETTER


def test_an_act_needs_a_person(alice: User) -> None:
    row = builders.dead_letter()
    said = Said("redrive", row.code, "--yes", *WHY)
    assert (said.exit, "--as" in said.err) == (2, True)
    assert acting("redrive", row.code, as_user="nobody").exit == 3


def test_an_act_needs_a_reason(alice: User) -> None:
    row = builders.dead_letter()
    said = Said("redrive", row.code, "--yes", "--as", "alice")
    assert (said.exit, "--reason" in said.err) == (2, True)


def test_an_act_needs_the_permission(db: None) -> None:
    builders.person("vera", "viewer")
    builders.desk()
    row = builders.dead_letter()
    assert acting("redrive", row.code, as_user="vera").exit == 3
    assert acting("halt", as_user="vera").exit == 3
    assert Desk.objects.get().mode == "RUN"


def test_the_operator_may_stand_in_the_environment(alice: User, settings: Any) -> None:
    settings.KIMP_OPERATOR = "alice"
    row = builders.dead_letter()
    assert Said("redrive", row.code, "--version", str(row.version), "--yes", *WHY).exit == 0


def test_halting_shows_what_is_under_way_and_resuming_leaves_it(alice: User) -> None:
    builders.desk()
    call = builders.order_call(builders.cycle(), CallOutcome.INTENDED)
    assert call.client_order_id in Said("halt").out
    assert Desk.objects.get().mode == "RUN"
    said = acting("halt", "--json")
    assert said.json["mode"] == "HALT"
    assert said.json["open_calls"][0]["client_order_id"] == call.client_order_id
    seen = str(said.json["version"])
    assert acting("resume", "--finalize-only", "--version", seen).exit == 0
    assert Desk.objects.get().mode == "FINALIZE_ONLY"
    seen = str(Said("resume", "--json").json["version"])
    assert acting("resume", "--version", seen).exit == 0
    assert Desk.objects.get().mode == "RUN"


def test_the_dry_run_of_a_resume_shows_why_the_desk_is_halted_and_its_version(alice: User) -> None:
    builders.desk()
    acting("halt")
    desk.halt_by_system("coins are missing")
    version = Desk.objects.get().version
    said = Said("resume")
    assert "coins are missing; earlier, by alice: the venue is back" in said.out
    assert f"version {version}" in said.out
    assert f"--yes --as USER --version {version} --reason TEXT" in said.err
    facts = Said("resume", "--json").json
    assert (facts["version"], facts["mode_after"]) == (version, "RUN")
    assert facts["mode_reason"].startswith("coins are missing")


@pytest.mark.parametrize("words", [(), ("--finalize-only",)])
def test_a_resume_without_the_version_that_was_seen_shows_why_and_says_what_to_add(
    alice: User, words: tuple[str, ...]
) -> None:
    builders.desk()
    acting("halt")
    desk.halt_by_system("coins are missing")
    said = acting("resume", *words)
    assert said.exit == 2
    assert "coins are missing" in said.err
    newest = Desk.objects.get().version
    assert f"say which version you saw: --version {newest} is the newest" in said.err
    assert Desk.objects.get().mode == "HALT"


@pytest.mark.parametrize("halts_again", [desk.halt_by_system, lambda why: acting("halt", why=why)])
def test_a_resume_of_what_somebody_halted_meanwhile_is_a_conflict(
    alice: User, halts_again: Callable[[str], object]
) -> None:
    builders.desk()
    acting("halt")
    seen = str(Said("resume", "--json").json["version"])
    halts_again("coins are missing")
    said = acting("resume", "--version", seen)
    assert (said.exit, "the desk has changed" in said.err) == (4, True)
    assert "coins are missing" in said.err
    assert Desk.objects.get().mode == "HALT"


def test_a_halt_needs_no_version_and_lets_nothing_more_happen(alice: User) -> None:
    builders.desk()
    assert acting("halt", "--finalize-only").exit == 0
    assert acting("halt").exit == 0
    assert acting("halt").exit == 0
    said = acting("halt", "--finalize-only")
    assert (said.exit, "manage.py resume" in said.err) == (3, True)
    assert Said("halt", "--finalize-only").exit == 3
    assert Desk.objects.get().mode == "HALT"


def test_who_may_not_resume_is_told_so_before_any_version(db: None) -> None:
    builders.person("olga", "operator")
    builders.desk(Mode.HALT)
    said = acting("resume", as_user="olga")
    assert (said.exit, "olga may not" in said.err, "version" in said.err) == (3, True, False)


def test_opening_is_a_dry_run_and_the_policy_refuses_with_3(alice: User) -> None:
    builders.desk()
    builders.policy()
    said = Said("open_cycle", "--asset", "xrp", "--notional", "5000")
    assert (said.exit, "against it" in said.out) == (3, True)
    assert "--yes" not in said.err
    assert "the desk holds 0 USDT free" in said.out
    assert acting("open_cycle", "--asset", "xrp", "--notional", "5000").exit == 3
    assert not Cycle.objects.exists()


@pytest.mark.parametrize("words", [("--asset", "XRP"), ("--notional", "5"), ("--return-only",), ()])
def test_opening_needs_its_parts(words: tuple[str, ...]) -> None:
    assert Said("open_cycle", *words).exit == 2


def test_money_in_korea_is_sent_home(alice: User) -> None:
    builders.desk()
    builders.policy()
    builders.capital("upbit", "KRW", 9_000_000)
    rated()
    said = acting("open_cycle", "--return-only", "--notional-krw", "7000000", "--json")
    assert said.json["cycle"]["kind"] == "RETURN_ONLY"


def test_open_requests_are_listed_without_asking_anyone() -> None:
    call = builders.order_call(builders.cycle(), CallOutcome.UNKNOWN)
    assert call.client_order_id in Said("reconcile").out
    assert Said("reconcile", "--json").json["open_calls"][0]["outcome"] == "UNKNOWN"


def test_a_token_is_issued_shown_once_listed_and_revoked(alice: User) -> None:
    issue = ("api_token", "issue", "--user", "alice", "--name", "laptop", "--scopes", "dlq:act")
    assert "would issue" in Said(*issue).out
    assert not ApiToken.objects.exists()
    plain = Said(*issue, "--yes", "--as", "alice").out.strip()
    token = tokens.token_of(plain)
    assert token is not None
    assert token.expires_at is not None
    listed = Said("api_token", "list").out
    assert token.prefix in listed
    assert plain not in listed
    revoke = ("api_token", "revoke", token.prefix)
    assert Said(*revoke).exit == 0
    assert tokens.token_of(plain) is not None
    assert Said(*revoke, "--yes", "--as", "alice").exit == 0
    assert tokens.token_of(plain) is None


@pytest.mark.parametrize(("permission", "exit_code"), [("change", 3), ("delete", 0)])
def test_who_may_revoke_a_token_in_the_admin_may_by_command_and_nobody_else(
    alice: User, permission: str, exit_code: int
) -> None:
    token, _ = tokens.issue(alice, "laptop", ["cycles:read"], None)
    bob = builders.person("bob", "viewer")
    bob.user_permissions.add(Permission.objects.get(codename=f"{permission}_apitoken"))
    revoke = ("api_token", "revoke", token.prefix, "--yes", "--as", "bob")
    assert Said(*revoke).exit == exit_code


def test_only_an_administrator_issues_tokens(db: None) -> None:
    builders.person("olga", "operator")
    issue = ("api_token", "issue", "--user", "olga", "--name", "x", "--yes", "--as", "olga")
    assert Said(*issue).exit == 3
    assert not ApiToken.objects.exists()


def test_a_token_that_would_open_nothing_is_not_issued(db: None) -> None:
    builders.person("outsider", "viewer", is_staff=False)
    said = Said("api_token", "issue", "--user", "outsider", "--name", "x")
    assert said.exit == 2
    assert "no active member of staff 'outsider'" in said.err


@pytest.mark.parametrize(
    ("words", "exit_code"),
    [
        (("api_token", "issue"), 2),
        (("api_token", "issue", "--user", "nobody", "--name", "x"), 2),
        (("api_token", "revoke"), 2),
        (("api_token", "revoke", "0123456789"), 2),
    ],
)
def test_what_a_token_needs_is_named(words: tuple[str, ...], exit_code: int) -> None:
    assert Said(*words).exit == exit_code
