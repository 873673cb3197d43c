"""The verbs on the desk: mode, pauses, policy, tokens."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from cycles.domain.words import CallOutcome, Mode
from cycles.models import ApiToken, Desk, Intervention, Pause, PolicyVersion
from cycles.services import desk
from tests import builders

pytestmark = pytest.mark.django_db
Login = Callable[..., Client]
WHY = "prices of one venue look wrong"


def mode_page(mode: str) -> str:
    return reverse("admin:desk_mode", args=[mode])


def key() -> dict[str, str]:
    """Give what a form that was opened now carries, to be done once."""
    return {"once": str(uuid4())}


def mode_now() -> str:
    return Desk.objects.get(pk=1).mode


def test_halting_needs_a_reason_and_is_written_down(login: Login) -> None:
    builders.desk()
    client = login("operator")
    given = {"mode": "HALT", "reason": "", "seen_version": 1}
    assert client.post(mode_page("HALT"), given).status_code == 400
    assert mode_now() == "RUN"
    assert client.post(mode_page("HALT"), given | {"reason": WHY}).status_code == 302
    assert mode_now() == "HALT"
    act = Intervention.objects.get()
    assert (act.verb, act.actor, act.reason) == ("halt", "alice", WHY)


def test_the_page_of_a_halt_lists_the_calls_it_does_not_cancel(login: Login) -> None:
    builders.desk()
    call = builders.order_call(builders.cycle(), CallOutcome.INTENDED)
    text = login("operator").get(mode_page("HALT")).content.decode()
    assert call.client_order_id in text


def test_resuming_a_desk_that_changed_meanwhile_is_a_conflict_and_keeps_the_reason(
    login: Login,
) -> None:
    builders.desk(Mode.HALT)
    given = {"mode": "RUN", "reason": WHY, "seen_version": 99}
    reply = login("approver").post(mode_page("RUN"), given)
    assert reply.status_code == 409
    assert WHY in reply.content.decode()
    assert mode_now() == "HALT"


def test_a_new_reason_on_a_halted_desk_is_seen_before_the_desk_runs_again(login: Login) -> None:
    builders.desk()
    client = login("approver")
    given = {"mode": "HALT", "reason": "maintenance", "seen_version": 1}
    client.post(mode_page("HALT"), given)
    form = client.get(mode_page("RUN")).context["form"]
    desk.halt_by_system("coins are missing")
    assert "coins are missing" in client.get(reverse("admin:index")).content.decode()
    old = {"mode": "RUN", "reason": WHY, "seen_version": form["seen_version"].value()}
    reply = client.post(mode_page("RUN"), old)
    assert (reply.status_code, mode_now()) == (409, "HALT")
    assert "coins are missing; earlier, by alice: maintenance" in reply.content.decode()
    new = old | {"seen_version": reply.context["form"]["seen_version"].value()}
    assert client.post(mode_page("RUN"), new).status_code == 302
    assert mode_now() == "RUN"


def test_the_page_of_the_mode_that_the_desk_has_says_that_nothing_would_change(
    login: Login,
) -> None:
    seen = builders.desk().version
    client = login("approver")
    text = client.get(mode_page("RUN")).content.decode()
    assert "Not possible now: the desk is set to run already: nothing would change" in text
    assert 'class="button default" disabled>Run' in text
    given = {"mode": "RUN", "reason": WHY, "seen_version": seen}
    assert client.post(mode_page("RUN"), given).status_code == 409
    assert not Intervention.objects.exists()
    assert "disabled>" not in client.get(mode_page("FINALIZE_ONLY")).content.decode()


def test_looking_at_the_page_of_a_mode_changes_nothing(login: Login) -> None:
    builders.desk()
    assert login("operator").get(mode_page("HALT")).status_code == 200
    assert mode_now() == "RUN"


def test_leaving_a_halt_is_for_those_who_may_resume(login: Login) -> None:
    builders.desk(Mode.HALT)
    given = {"mode": "RUN", "reason": WHY, "seen_version": Desk.objects.get(pk=1).version}
    assert login("operator").post(mode_page("RUN"), given).status_code == 403
    assert mode_now() == "HALT"
    assert login("approver", name="carol").post(mode_page("RUN"), given).status_code == 302
    assert mode_now() == "RUN"


def test_a_halt_is_not_softened_by_those_who_may_only_halt(login: Login) -> None:
    builders.desk(Mode.HALT)
    client = login("operator")
    given = {"mode": "FINALIZE_ONLY", "reason": WHY, "seen_version": 1}
    assert client.post(mode_page("FINALIZE_ONLY"), given).status_code == 403
    assert mode_page("FINALIZE_ONLY") not in client.get(reverse("admin:index")).content.decode()


@pytest.mark.parametrize(
    ("group", "mode", "offered"),
    [
        ("viewer", Mode.RUN, set()),
        ("operator", Mode.RUN, {"HALT", "FINALIZE_ONLY"}),
        ("operator", Mode.HALT, set()),
        ("approver", Mode.HALT, {"RUN", "FINALIZE_ONLY"}),
        ("approver", Mode.FINALIZE_ONLY, {"RUN", "HALT"}),
    ],
)
def test_the_desk_offers_the_modes_that_one_may_choose(
    login: Login, group: str, mode: Mode, offered: set[str]
) -> None:
    builders.desk(mode)
    text = login(group).get(reverse("admin:index")).content.decode()
    assert {name for name in Mode.values if f'href="{mode_page(name)}"' in text} == offered


def test_an_unknown_mode_is_not_found(login: Login) -> None:
    builders.desk()
    assert login("approver").get(mode_page("PARTY")).status_code == 404


def test_a_pause_is_set_once_and_lifted_with_a_reason(login: Login) -> None:
    builders.desk()
    builders.policy()
    client = login("operator")
    given = {"scope": "ROUTE", "key": "XRP:binance>upbit", "reason": WHY}
    assert client.post(reverse("admin:desk_pause"), given | key()).status_code == 302
    assert client.post(reverse("admin:desk_pause"), given | key()).status_code == 409
    pause = Pause.objects.get()
    lift = reverse("admin:desk_unpause", args=[pause.pk])
    assert "XRP:binance&gt;upbit" in client.get(lift).content.decode()
    assert client.post(lift, {"reason": ""}).status_code == 400
    assert client.post(lift, {"reason": "open again"}).status_code == 302
    assert not Pause.objects.exists()
    assert client.get(lift).status_code == 404
    verbs = list(Intervention.objects.order_by("id").values_list("verb", flat=True))
    assert verbs == ["pause", "unpause"]


def test_a_pause_that_was_lifted_does_not_come_back_by_the_old_form(login: Login) -> None:
    builders.desk()
    builders.policy()
    client = login("operator")
    given = {"scope": "VENUE", "key": "upbit", "reason": WHY} | key()
    assert client.post(reverse("admin:desk_pause"), given).status_code == 302
    lift = reverse("admin:desk_unpause", args=[Pause.objects.get().pk])
    assert client.post(lift, {"reason": "open again"}).status_code == 302
    assert client.post(reverse("admin:desk_pause"), given).status_code == 302
    assert not Pause.objects.exists()


def test_a_viewer_may_not_pause(login: Login) -> None:
    builders.desk()
    given = {"scope": "VENUE", "key": "upbit", "reason": WHY}
    assert login("viewer").post(reverse("admin:desk_pause"), given).status_code == 403


def policy_fields(client: Client) -> dict[str, Any]:
    reply = client.get(reverse("admin:desk_policy"))
    form = reply.context["form"]
    return {name: form[name].value() for name in form.fields}


def test_the_policy_form_saves_only_what_was_changed_as_a_new_version(login: Login) -> None:
    builders.desk()
    old = builders.policy()
    client = login("administrator")
    given = policy_fields(client) | {"min_open_edge_bps": "25.5", "reason": WHY}
    assert client.post(reverse("admin:desk_policy"), given).status_code == 302
    new = PolicyVersion.objects.get(number=old.number + 1)
    assert new.min_open_edge_bps == Decimal("25.5")
    assert (new.created_by, new.reason) == ("alice", WHY)
    assert Intervention.objects.get().payload == {
        "min_open_edge_bps": {"from": "10.0000", "to": "25.5"}
    }


def test_the_policy_form_shows_no_idle_zeros_and_lists_by_commas(login: Login) -> None:
    builders.policy()
    given = policy_fields(login("administrator"))
    assert str(given["notional_usdt"]) == "5000"
    assert given["allowed_assets"] == "BTC, ETH, SOL, USDT, XRP"


@pytest.mark.parametrize(
    ("language", "told"), [("en", "Nothing enforces this yet"), ("ko", "아직 적용되지 않는 항목")]
)
def test_the_policy_form_says_that_nothing_enforces_four_eyes_yet(
    login: Login, language: str, told: str
) -> None:
    builders.desk()
    builders.policy()
    headers = {"Accept-Language": language}
    reply = login("administrator").get(reverse("admin:desk_policy"), headers=headers)
    assert told in reply.content.decode()


def test_a_form_without_a_change_makes_no_version(login: Login) -> None:
    builders.policy()
    client = login("administrator")
    given = policy_fields(client) | {"allowed_assets": "btc,ETH , sol,USDT,XRP", "reason": WHY}
    reply = client.post(reverse("admin:desk_policy"), given)
    assert reply.status_code == 400
    assert "nothing was changed" in reply.content.decode()
    assert PolicyVersion.objects.count() == 1


def test_a_limit_below_zero_is_told_and_nothing_is_saved(login: Login) -> None:
    builders.policy()
    client = login("administrator")
    given = policy_fields(client) | {"max_slippage_bps": "-1", "reason": WHY}
    reply = client.post(reverse("admin:desk_policy"), given)
    assert reply.status_code == 400
    assert WHY in reply.content.decode()
    assert PolicyVersion.objects.count() == 1


def test_a_version_in_between_is_shown_and_what_was_typed_is_kept(login: Login) -> None:
    builders.policy()
    client = login("administrator")
    given = policy_fields(client) | {"min_open_edge_bps": "33", "reason": WHY}
    newer = builders.policy(created_by="dora", reason="calmer", min_open_edge_bps=Decimal(20))
    reply = client.post(reverse("admin:desk_policy"), given)
    text = reply.content.decode()
    assert reply.status_code == 409
    assert "dora" in text
    assert "calmer" in text
    assert 'value="33"' in text
    assert f'name="seen_number" value="{newer.number}"' in text
    assert PolicyVersion.objects.count() == 2


@pytest.mark.parametrize(
    ("field", "value", "told", "in_korean"),
    [
        ("percentage", "-5", "must be above 0 and at most 100", "0보다 크고 100 이하여야 합니다"),
        ("percentage", "101", "must be above 0 and at most 100", "0보다 크고 100 이하여야 합니다"),
        ("max_slippage_bps", "-1", "must not be below zero", "0보다 작을 수 없습니다"),
        ("calm_cap_seconds", "1", "must be at least the base, 300 s", "(300초) 이상이어야 합니다"),
    ],
)
def test_a_wrong_field_of_the_policy_says_so_where_it_is(
    login: Login, field: str, value: str, told: str, in_korean: str
) -> None:
    builders.policy()
    client = login("administrator")
    given = policy_fields(client) | {field: value, "reason": WHY}
    reply = client.post(reverse("admin:desk_policy"), given)
    assert reply.status_code == 400
    assert reply.context["form"].errors == {field: [told]}
    korean = client.post(reverse("admin:desk_policy"), given, headers={"Accept-Language": "ko"})
    assert in_korean in korean.content.decode()
    assert PolicyVersion.objects.count() == 1


@pytest.mark.parametrize("number", ["999", "99999999999999999999", "-1", "x"])
def test_a_version_of_the_policy_that_there_is_not_was_never_seen(
    login: Login, number: str
) -> None:
    builders.policy()
    client = login("administrator")
    given = policy_fields(client) | {"min_open_edge_bps": "33", "reason": WHY}
    reply = client.post(reverse("admin:desk_policy"), given | {"seen_number": number})
    assert reply.status_code == 400
    assert "open the page again" in reply.content.decode()
    assert PolicyVersion.objects.count() == 1


def test_an_approver_may_not_change_the_policy(login: Login) -> None:
    builders.policy()
    assert login("approver").get(reverse("admin:desk_policy")).status_code == 403


def test_a_token_is_shown_once_and_kept_as_a_hash(login: Login) -> None:
    client = login("administrator")
    given = {"name": "script", "scopes": ["cycles:read"], "days": "30"} | key()
    text = client.post(reverse("admin:token_issue"), given).content.decode()
    token = ApiToken.objects.get()
    assert f"kimp_{token.prefix}_" in text
    later = client.get(reverse("admin:cycles_apitoken_changelist")).content.decode()
    assert f"kimp_{token.prefix}_" not in later
    detail = client.get(reverse("admin:cycles_apitoken_change", args=[token.pk])).content.decode()
    assert token.digest not in detail


def test_a_form_sent_twice_issues_one_token_and_says_that_it_was_shown(login: Login) -> None:
    client = login("administrator")
    given = {"name": "script", "scopes": ["cycles:read"], "days": "30"} | key()
    client.post(reverse("admin:token_issue"), given)
    again = client.post(reverse("admin:token_issue"), given, follow=True).content.decode()
    token = ApiToken.objects.get()
    assert "has issued its token already" in again
    assert f"kimp_{token.prefix}_" not in again


def test_a_token_is_revoked_by_post_only(login: Login) -> None:
    client = login("administrator")
    given = {"name": "x", "scopes": ["cycles:read"], "days": "7"} | key()
    client.post(reverse("admin:token_issue"), given)
    token = ApiToken.objects.get()
    revoke = reverse("admin:token_revoke", args=[token.prefix])
    listed = client.get(reverse("admin:cycles_apitoken_changelist")).content.decode()
    assert f'href="{revoke}"' in listed
    assert client.get(revoke).status_code == 200
    token.refresh_from_db()
    assert token.revoked_at is None
    client.post(revoke)
    token.refresh_from_db()
    assert token.revoked_at is not None


def test_tokens_are_for_administrators(login: Login) -> None:
    assert login("approver").get(reverse("admin:token_issue")).status_code == 403
