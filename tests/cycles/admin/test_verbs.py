"""The verbs on a cycle, through their forms: real services, real rows, no second chances by accident."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from decimal import Decimal
from typing import Any

import pytest
from django.db.models.functions import Now
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from cycles.domain.words import CallOutcome, CycleStatus, FailureClass
from cycles.models import Account, Cycle, ExchangeCall, Intervention
from tests import builders

pytestmark = pytest.mark.django_db
Login = Callable[..., Client]
HOUR = builders.HOUR
WHY = "the venue answered support ticket 4711"


def address(verb: str, row: Cycle) -> str:
    return reverse(f"admin:cycles_cycle_{verb}", args=[row.pk])


def send(client: Client, verb: str, row: Cycle, **facts: Any) -> HttpResponse:
    given = {"reason": WHY, "seen_version": row.version} | facts
    reply = client.post(address(verb, row), given)
    row.refresh_from_db()
    return reply  # type: ignore[return-value]  # the test client's own subclass


def written(row: Cycle) -> list[tuple[str, str, str, str]]:
    rows = Intervention.objects.filter(cycle=row).order_by("id")
    return [(act.verb, act.actor, act.channel, act.reason) for act in rows]


@pytest.mark.parametrize("verb", ["redrive", "unwind", "acknowledge", "resolve", "write_off"])
def test_a_form_shows_its_preview_and_does_nothing(login: Login, dead: Cycle, verb: str) -> None:
    seen = dead.version
    reply = login("approver").get(address(verb, dead))
    text = reply.content.decode()
    assert reply.status_code == 200
    assert "What it will do" in text
    assert f'name="seen_version" value="{seen}"' in text
    dead.refresh_from_db()
    assert dead.version == seen
    assert written(dead) == []


def test_redrive_sends_a_dead_letter_on_and_writes_who_and_why(login: Login, dead: Cycle) -> None:
    reply = send(login("operator"), "redrive", dead)
    assert reply.status_code == 302
    assert reply.headers["Location"] == reverse("admin:cycles_cycle_change", args=[dead.pk])
    assert (dead.status, dead.plan, dead.retry_count) == ("RETRY_PENDING", "RESUME", 0)
    assert written(dead) == [("redrive", "alice", "admin", WHY)]


def test_the_answer_to_an_act_says_so_on_the_next_page(login: Login, dead: Cycle) -> None:
    client = login("operator")
    send(client, "redrive", dead)
    text = client.get(reverse("admin:cycles_cycle_change", args=[dead.pk])).content.decode()
    assert f"{dead.code} goes on where it stopped." in text


def test_acknowledging_makes_it_mine(login: Login, dead: Cycle) -> None:
    send(login("operator"), "acknowledge", dead)
    assert dead.assignee is not None
    assert dead.assignee.get_username() == "alice"
    assert dead.status == CycleStatus.DEAD_LETTER


def test_write_off_posts_the_loss_and_ends_the_cycle(login: Login, dead: Cycle) -> None:
    reply = send(login("approver"), "write_off", dead, confirmation=dead.code.lower())
    assert reply.status_code == 302
    assert dead.status == "FAILED"
    assert not Account.objects.filter(cycle=dead).exclude(balance=0).exists()


def test_resolve_books_what_was_received_and_completes(login: Login, dead: Cycle) -> None:
    reply = send(
        login("approver"),
        "resolve",
        dead,
        outcome="COMPLETED",
        evidence="order V-9 in the venue's history",
        received="upbit krw 7,100,000\n",
        confirmation=dead.code,
    )
    assert reply.status_code == 302
    assert dead.status == "COMPLETED"
    desk = Account.objects.get(venue="upbit", asset="KRW", owner="DESK")
    assert desk.balance == Decimal(7_100_000)


def test_resolve_can_say_that_the_open_call_never_was(login: Login, dead: Cycle) -> None:
    call = builders.order_call(dead, CallOutcome.UNKNOWN)
    send(
        login("approver"),
        "resolve",
        dead,
        outcome="CALL_ABSENT",
        evidence="not in the venue's history",
        confirmation=dead.code,
    )
    call.refresh_from_db()
    assert call.outcome == "ABSENT"
    assert dead.status == CycleStatus.DEAD_LETTER


@pytest.fixture
def stated(login: Login) -> tuple[Client, Cycle]:
    """Give a dead letter of an unknown withdrawal, stated as never accepted by one who may."""
    builders.desk()
    row = builders.dead_letter(failure=FailureClass.UNKNOWN_WITHDRAWAL)
    call = builders.withdrawal_call(
        row, outcome=CallOutcome.UNKNOWN, error="the reply was lost", noted_at=Now() - HOUR
    )
    client = login("approver")
    assert usual(client, row) == {"resolve"}
    given = {"outcome": "CALL_ABSENT", "evidence": "T-1", "confirmation": row.code}
    assert send(client, "resolve", row, **given).status_code == 302
    call.refresh_from_db()
    assert call.outcome == CallOutcome.ABSENT
    return client, row


def usual(client: Client, row: Cycle) -> set[str]:
    context = client.get(reverse("admin:cycles_cycle_change", args=[row.pk])).context
    return {offer.chosen.verb.value for offer in context["verbs"] if offer.is_usual}


@pytest.mark.parametrize("name", ["change", "redrive"])
def test_once_it_is_stated_that_a_request_never_was_the_next_step_is_advised(
    stated: tuple[Client, Cycle], name: str
) -> None:
    client, row = stated
    assert usual(client, row) == {"redrive", "unwind"}
    text = client.get(reverse(f"admin:cycles_cycle_{name}", args=[row.pk])).content.decode()
    assert "the open request was never accepted" in text
    assert "may or may not have left" not in text


def test_what_was_stated_of_an_earlier_death_advises_nothing_of_a_later_one(
    stated: tuple[Client, Cycle],
) -> None:
    client, row = stated
    Cycle.objects.filter(pk=row.pk).update(status_since=Now())
    assert usual(client, row) == {"resolve"}


def test_the_timeline_says_of_a_request_that_never_was_what_was_known_and_when_that_ended(
    stated: tuple[Client, Cycle],
) -> None:
    client, row = stated
    text = client.get(reverse("admin:cycles_cycle_change", args=[row.pk])).content.decode()
    assert "the reply was lost; by an operator: T-1" in text
    noted = ExchangeCall.objects.get(cycle=row).noted_at
    assert noted is not None
    assert f'noted <time datetime="{noted.astimezone(UTC).isoformat()}"' in " ".join(text.split())


@pytest.mark.parametrize("verb", ["resolve", "write_off"])
def test_what_cannot_be_undone_wants_the_code_typed(login: Login, dead: Cycle, verb: str) -> None:
    reply = send(
        login("approver"),
        verb,
        dead,
        outcome="COMPLETED",
        evidence="ticket",
        confirmation="CYC-OTHER",
    )
    assert reply.status_code == 400
    assert f"type {dead.code}" in reply.content.decode()
    assert dead.status == CycleStatus.DEAD_LETTER
    assert written(dead) == []


@pytest.mark.parametrize(
    "line",
    [
        "upbit KRW", "upbit KRW lots", "upbit KRW -5", "upbit KRW NaN", "upbit KRW 0",
        "upbit KRW 1e30", "upbit KRW 1e-30", f"upbit KRW 1{20 * '0'}", f"upbit KRW 0.{18 * '0'}1",
        f"upbit {40 * 'A'} 1", "upbit K-W 1", "upbit KRW 0,5", "upbit KRW 1,00,000", "upbit KRW 1000,000",
    ],
)  # fmt: skip
def test_a_received_line_that_is_no_quantity_is_told(login: Login, dead: Cycle, line: str) -> None:
    reply = send(
        login("approver"),
        "resolve",
        dead,
        outcome="COMPLETED",
        evidence="ticket",
        received=line,
        confirmation=dead.code,
    )
    assert reply.status_code == 400
    assert dead.status == CycleStatus.DEAD_LETTER


def test_a_quantity_as_fine_and_as_large_as_the_ledger_holds_is_booked(
    login: Login, dead: Cycle
) -> None:
    given = {"outcome": "COMPLETED", "evidence": "ticket", "confirmation": dead.code}
    line = "upbit KRW 9,999,999.000000000000000001"
    assert send(login("approver"), "resolve", dead, received=line, **given).status_code == 302
    books = Account.objects.get(owner="DESK", asset="KRW")
    assert books.balance == Decimal("9999999.000000000000000001")


@pytest.mark.parametrize(
    "line",
    [
        "upbit,KRW,7,100,000", "upbit, KRW, 7100000", "upbit:KRW:7,100,000", "UPBIT krw : 7100000.0",
        "  upbit\tKRW  7100000 ",
    ],
)  # fmt: skip
def test_a_received_line_is_read_with_blanks_commas_or_colons_between(
    login: Login, dead: Cycle, line: str
) -> None:
    given = {"outcome": "COMPLETED", "evidence": "ticket", "confirmation": dead.code}
    assert send(login("approver"), "resolve", dead, received=line, **given).status_code == 302
    assert Account.objects.get(owner="DESK", asset="KRW").balance == Decimal(7_100_000)


def test_the_form_shows_lines_that_it_takes(login: Login, dead: Cycle) -> None:
    text = login("approver").get(address("resolve", dead)).content.decode()
    assert "as in upbit KRW 7,000,000 or binance,USDT,4990.5" in text


def test_a_received_line_beside_never_accepted_is_refused_and_nothing_is_kept(
    login: Login, dead: Cycle
) -> None:
    builders.order_call(dead, CallOutcome.UNKNOWN)
    given = {"outcome": "CALL_ABSENT", "evidence": "T-1", "confirmation": dead.code}
    reply = send(login("approver"), "resolve", dead, received="binance USDT 1", **given)
    assert reply.status_code == 400
    assert "goes with settled by hand (COMPLETED) only" in reply.content.decode()
    assert written(dead) == []


@pytest.mark.parametrize("version", ["", "x", "-1", "99999999999999999999"])
def test_a_version_that_no_page_wrote_is_told(login: Login, dead: Cycle, version: str) -> None:
    reply = send(login("operator"), "redrive", dead, seen_version=version)
    assert reply.status_code == 400
    assert "open the page again" in reply.content.decode()


@pytest.mark.parametrize("reason", ["", "   \n "])
def test_no_reason_no_act(login: Login, dead: Cycle, reason: str) -> None:
    reply = send(login("operator"), "redrive", dead, reason=reason)
    assert reply.status_code == 400
    assert dead.status == CycleStatus.DEAD_LETTER
    assert written(dead) == []


def test_a_wrong_form_keeps_what_was_typed(login: Login, dead: Cycle) -> None:
    reply = send(login("approver"), "write_off", dead, evidence="txid 77", confirmation="no")
    text = reply.content.decode()
    assert WHY in text
    assert "txid 77" in text


@pytest.mark.parametrize("verb", ["redrive", "unwind", "acknowledge", "resolve", "write_off"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_forged_address_is_forbidden(login: Login, dead: Cycle, verb: str, method: str) -> None:
    client = login("viewer")
    given = {"reason": WHY, "seen_version": dead.version, "confirmation": dead.code}
    reply = getattr(client, method)(address(verb, dead), given)
    assert reply.status_code == 403
    assert written(dead) == []


def test_an_operator_may_not_write_off(login: Login, dead: Cycle) -> None:
    assert send(login("operator"), "write_off", dead, confirmation=dead.code).status_code == 403
    assert dead.status == CycleStatus.DEAD_LETTER


def test_without_the_forms_token_nothing_is_done(dead: Cycle) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(builders.person("alice", "operator"))
    assert send(client, "redrive", dead).status_code == 403
    assert dead.status == CycleStatus.DEAD_LETTER


def test_two_operators_and_one_dead_letter_the_second_gets_the_conflict_page(
    login: Login, dead: Cycle
) -> None:
    seen = dead.version
    send(login("operator", name="bob"), "acknowledge", dead, reason="mine, I look at it")
    reply = send(login("operator"), "redrive", dead, seen_version=seen)
    text = reply.content.decode()
    assert reply.status_code == 409
    assert "bob" in text
    assert "mine, I look at it" in text
    assert WHY in text
    assert f'name="seen_version" value="{dead.version}"' in text
    assert dead.status == CycleStatus.DEAD_LETTER
    assert [act[0] for act in written(dead)] == ["acknowledge"]


def test_the_conflict_page_names_the_change_of_status(login: Login, dead: Cycle) -> None:
    seen = dead.version
    send(login("operator", name="bob"), "redrive", dead, reason="the venue is back")
    reply = send(login("operator"), "redrive", dead, seen_version=seen)
    text = reply.content.decode()
    assert reply.status_code == 409
    assert "retry pending" in text
    assert "the venue is back" in text
    assert "disabled" in text


def test_the_conflict_page_asks_for_the_code_again(login: Login, dead: Cycle) -> None:
    seen = dead.version
    send(login("operator", name="bob"), "acknowledge", dead)
    client = login("approver")
    reply = send(client, "write_off", dead, seen_version=seen, confirmation=dead.code)
    assert reply.status_code == 409
    assert f'value="{dead.code}"' not in reply.content.decode()
    assert dead.status == CycleStatus.DEAD_LETTER


def test_after_the_conflict_page_the_same_reason_can_be_sent_again(
    login: Login, dead: Cycle
) -> None:
    seen = dead.version
    send(login("operator", name="bob"), "acknowledge", dead)
    client = login("operator")
    send(client, "redrive", dead, seen_version=seen)
    assert send(client, "redrive", dead).status_code == 302
    assert dead.status == "RETRY_PENDING"


def test_a_verb_that_no_longer_applies_says_why_and_keeps_the_reason(login: Login) -> None:
    builders.desk()
    running = builders.cycle()
    reply = send(login("operator"), "redrive", running)
    assert reply.status_code == 409
    text = reply.content.decode()
    assert "not a dead letter" in text
    assert WHY in text
    assert running.status == CycleStatus.STARTED


def test_a_write_off_beside_an_unknown_call_wants_evidence(login: Login, dead: Cycle) -> None:
    builders.order_call(dead, CallOutcome.UNKNOWN)
    client = login("approver")
    reply = send(client, "write_off", dead, confirmation=dead.code)
    assert reply.status_code == 409
    assert dead.status == CycleStatus.DEAD_LETTER
    send(client, "write_off", dead, confirmation=dead.code, evidence="support ticket 12")
    assert dead.status == "FAILED"


def test_unwinding_without_coins_is_told_and_not_done(login: Login, dead: Cycle) -> None:
    reply = send(login("operator"), "unwind", dead)
    assert reply.status_code == 409
    assert dead.status == CycleStatus.DEAD_LETTER


def test_an_unknown_cycle_is_not_found(login: Login) -> None:
    url = reverse("admin:cycles_cycle_redrive", args=["00000000-0000-7000-8000-000000000000"])
    assert login("operator").get(url).status_code == 404


def test_a_reason_is_shown_as_text_not_as_markup(login: Login, dead: Cycle) -> None:
    client = login("operator")
    send(client, "acknowledge", dead, reason="<script>alert(1)</script>")
    text = client.get(reverse("admin:cycles_cycle_change", args=[dead.pk])).content.decode()
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text
