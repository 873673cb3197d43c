"""The admin's pages: who may see them, what they show, and that they change nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from cycles.domain.words import CallOutcome, CycleStatus, FailureClass, Mode, Role
from cycles.models import Cycle
from cycles.services import tokens
from cycles.services.presence import beat
from exchanges.models import RateWindow, VenueClock
from tests import builders

pytestmark = pytest.mark.django_db
Login = Callable[..., Client]
Counter = Callable[[int], Any]


def page(client: Client, name: str, *args: Any, status: int = 200, query: str = "") -> str:
    reply = client.get(reverse(f"admin:{name}", args=args) + query)
    assert reply.status_code == status
    return reply.content.decode()


def test_a_stranger_is_sent_to_log_in_and_sees_no_state() -> None:
    builders.desk(Mode.HALT)
    client = Client()
    reply = client.get(reverse("admin:index"))
    assert reply.status_code == 302
    assert reply.headers["Location"].startswith(reverse("admin:login"))
    assert "HALT" not in client.get(reverse("admin:login")).content.decode()


def test_the_desk_shows_counts_money_at_risk_and_mode(login: Login) -> None:
    builders.desk(Mode.FINALIZE_ONLY)
    builders.dead_letter(at_risk_krw=Decimal(140901797))
    builders.cycle()
    text = page(login("viewer"), "index")
    assert "₩140,901,797" in text
    assert "finalize only" in text
    assert "simulated" in text
    assert f"{reverse('admin:cycles_cycle_changelist')}?status__exact=STARTED" in text


def test_money_at_risk_says_as_of_when_it_is_and_of_what(login: Login) -> None:
    builders.desk()
    dead, running = builders.dead_letter(at_risk_krw=6_827_842), builders.cycle(money_at_risk_krw=0)
    client = login("viewer")
    shown = page(client, "cycles_cycle_change", dead.pk)
    assert '₩6,827,842 <span class="quiet">when it last failed' in shown
    assert "none counted: it has not failed" in page(client, "cycles_cycle_change", running.pk)
    assert "money at risk in dead letters" in page(client, "index")


@pytest.mark.parametrize("path", ["/admin/", "/admin/desk/mode/HALT/", "/admin/cycles/cycle/"])
def test_a_database_without_a_desk_names_the_command_that_sets_it_up(
    login: Login, path: str
) -> None:
    client = login("administrator")
    without = client.get(path)
    assert without.status_code == 200
    assert "manage.py seed_desk" in without.content.decode()
    builders.desk()
    assert "manage.py seed_desk" not in client.get(path).content.decode()


def test_the_desk_names_the_threads_that_do_not_get_on(login: Login) -> None:
    builders.desk()
    client = login("viewer")
    beat("initiator@here", Role.INITIATOR)
    assert "watcher:upbit" not in page(client, "index")
    beat("initiator@here", Role.INITIATOR, broken=["duty", "watcher:upbit"])
    assert '<span class="loss">duty, watcher:upbit</span>' in page(client, "index")


def test_the_desk_shows_bans_and_clocks_that_stop_trading(login: Login) -> None:
    builders.desk()
    RateWindow.objects.all().delete()  # other tests' calls leave theirs
    window: dict[str, Any] = {"venue": "binance", "span_ms": 1000, "most": 0, "used": [0] * 10}
    in_an_hour = timezone.now() + timedelta(hours=1)
    RateWindow.objects.create(
        name="*", scope="ip", held_until=in_an_hour, held_because="banned", **window
    )
    RateWindow.objects.create(
        name="order", scope="account", held_until=in_an_hour, held_because="used_up", **window
    )
    clock: dict[str, Any] = {"host": "here", "measured_at": timezone.now()}
    VenueClock.objects.create(venue="upbit", ahead_ms=-120, doubt_ms=510, **clock)
    VenueClock.objects.create(
        venue="binance", ahead_ms=9000, doubt_ms=4, stopped_at=timezone.now(),
        stopped_because="9.0 s ahead", **clock,
    )  # fmt: skip
    text = page(login("viewer"), "index")
    assert text.count("banned us") == 1
    assert "asked us to wait" not in text
    assert "clock -0.12 s ±0.51" in text
    assert "trading stopped: 9.0 s ahead" in text


def test_the_desk_draws_the_premia_without_inline_style_or_script(login: Login) -> None:
    builders.desk()
    now = timezone.now()
    for minutes in range(5):
        at = now - timedelta(minutes=minutes)
        builders.sample("XRP", at=at, outbound_traded_bps=Decimal(100 + minutes))
        builders.sample("SOL", at=at, outbound_traded_bps=Decimal(-20 - minutes))
    text = page(login("viewer"), "index")
    assert text.count('<path class="curve') == 4
    assert "<style" not in text
    assert " style=" not in text
    assert "<script>" not in text


def test_the_desk_names_the_korean_venue_of_every_premium(login: Login) -> None:
    builders.desk()
    for venue in ("upbit", "bithumb"):
        builders.sample("XRP", at=timezone.now(), korea_venue=venue)
    text = page(login("viewer"), "index")
    for venue in ("upbit", "bithumb"):
        assert f"<td>{venue}</td>" in text
        assert f"<title>XRP {venue}</title>" in text


def test_the_mode_stands_on_every_page(login: Login) -> None:
    builders.desk(Mode.HALT)
    client = login("viewer")
    for name in ("index", "dead_letters", "cycles_cycle_changelist", "cycles_alert_changelist"):
        assert '<span class="badge bad">halt</span>' in page(client, name)


def test_a_person_without_a_group_sees_no_numbers(login: Login) -> None:
    builders.dead_letter(at_risk_krw=Decimal(140901797))
    client = login()
    assert "140,901,797" not in page(client, "index")
    page(client, "dead_letters", status=403)
    page(client, "cycles_cycle_changelist", status=403)


def test_every_list_and_every_row_opens_and_says_nothing_may_be_changed(login: Login) -> None:
    _one_of_everything()
    client = login("viewer")
    accounts = {"auth", "axes"}  # for administrators
    ours = [model for model in admin.site._registry if model._meta.app_label not in accounts]
    assert len(ours) >= 17
    for model in ours:
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        text = page(client, f"{name}_changelist")
        assert reverse(f"admin:{name}_add") not in text
        assert client.get(reverse(f"admin:{name}_add")).status_code == 403
        row = model._default_manager.first()
        if row is not None:
            page(client, f"{name}_change", row.pk)
            assert client.post(reverse(f"admin:{name}_delete", args=[row.pk])).status_code == 403
            posted = client.post(reverse(f"admin:{name}_change", args=[row.pk]), {"reason": "x"})
            assert posted.status_code in {200, 403}


def _one_of_everything() -> None:
    builders.desk()
    row = builders.dead_letter()
    builders.order_call(row, CallOutcome.UNKNOWN)
    builders.withdrawal_call(row, txid="ABC")
    builders.alert(row)
    builders.sample()


def test_queue_tables_of_other_applications_are_not_offered() -> None:
    labels = {model._meta.app_label for model in admin.site._registry}
    assert labels == {"auth", "axes", "cycles", "exchanges"}


def test_the_list_searches_by_venue_order_id(login: Login) -> None:
    builders.desk()
    wanted, other = builders.cycle(), builders.cycle()
    builders.order_call(wanted, venue_order_id="V-123")
    text = page(login("viewer"), "cycles_cycle_changelist", query="?q=V-123")
    assert wanted.code in text
    assert other.code not in text


def test_the_list_filters_by_status_and_by_being_open(login: Login) -> None:
    builders.desk()
    running, done = builders.cycle(), builders.finished()
    client = login("viewer")
    text = page(client, "cycles_cycle_changelist", query="?open=1")
    assert running.code in text
    assert done.code not in text
    text = page(client, "cycles_cycle_changelist", query="?status__exact=COMPLETED")
    assert done.code in text
    assert running.code not in text


def test_the_queue_is_sorted_by_money_at_risk_and_has_tabs(login: Login) -> None:
    builders.desk()
    client = login("operator", name="bob")
    bob = User.objects.get(username="bob")
    mine = builders.dead_letter(at_risk_krw=1, assignee=bob)
    rich = builders.dead_letter(at_risk_krw=9_000_000)
    everything = page(client, "dead_letters")
    assert everything.index(rich.code) < everything.index(mine.code)
    assert rich.code not in page(client, "dead_letters", query="?tab=mine")
    assert mine.code not in page(client, "dead_letters", query="?tab=unassigned")


def test_the_queue_needs_no_query_per_row(
    login: Login, django_assert_max_num_queries: Counter
) -> None:
    builders.desk()
    client = login("operator")
    for _ in range(6):
        builders.dead_letter()
    page(client, "dead_letters")
    with django_assert_max_num_queries(26):
        page(client, "dead_letters")


def test_the_cycle_page_shows_facts_money_and_timeline(login: Login, dead: Cycle) -> None:
    call = builders.order_call(dead, CallOutcome.REFUSED, error="below the minimum notional")
    text = page(login("viewer"), "cycles_cycle_change", dead.pk)
    assert dead.code in text
    assert "5,000" in text
    assert call.client_order_id in text
    assert "below the minimum notional" in text
    assert "refused: rules" in text.lower()


def test_the_cycle_page_opens_by_code(login: Login, dead: Cycle) -> None:
    assert dead.code in page(login("viewer"), "cycles_cycle_change", dead.code)
    page(login("viewer", name="eve"), "cycles_cycle_change", "CYC-NOBODY", status=404)


def test_the_journal_on_the_page_names_no_address(login: Login, dead: Cycle) -> None:
    builders.withdrawal_call(dead, txid="ABCDEF")
    text = page(login("viewer"), "cycles_cycle_change", dead.pk)
    assert "ABCDEF" in text
    assert "rTestAddress" not in text


@pytest.mark.parametrize(
    ("group", "verbs"),
    [
        ("viewer", set()),
        ("operator", {"redrive", "unwind", "acknowledge"}),
        ("approver", {"redrive", "unwind", "acknowledge", "resolve", "write_off"}),
    ],
)
def test_buttons_are_shown_to_those_for_whom_they_work(
    login: Login, dead: Cycle, group: str, verbs: set[str]
) -> None:
    text = page(login(group), "cycles_cycle_change", dead.pk)
    shown = {
        verb
        for verb in ("redrive", "unwind", "acknowledge", "resolve", "write_off")
        if f'href="{reverse(f"admin:cycles_cycle_{verb}", args=[dead.pk])}"' in text
    }
    assert shown == verbs


def test_a_running_cycle_has_no_buttons(login: Login) -> None:
    builders.desk()
    running = builders.cycle()
    assert 'data-key="' not in page(login("approver"), "cycles_cycle_change", running.pk)


def test_times_are_seouls_with_utc_on_hover(login: Login, dead: Cycle) -> None:
    dead.refresh_from_db()
    at = dead.started_at
    text = page(login("viewer"), "cycles_cycle_change", dead.pk)
    seoul = timezone.localtime(at, timezone.get_fixed_timezone(9 * 60))
    assert f'title="{at:%Y-%m-%d %H:%M:%S} UTC">{seoul:%Y-%m-%d %H:%M:%S}</time>' in text


def test_the_page_of_a_retrying_cycle_opens(login: Login, dead: Cycle) -> None:
    builders.moved_to(
        dead, CycleStatus.RETRY_PENDING, next_retry_at=timezone.now(), wake_at=timezone.now()
    )
    assert "retry pending" in page(login("viewer"), "cycles_cycle_change", dead.pk)


@pytest.mark.parametrize("failure", list(FailureClass))
def test_the_page_gives_a_hint_for_each_failure_class(login: Login, failure: FailureClass) -> None:
    builders.desk()
    row = builders.dead_letter(failure=failure)
    assert "Check first:" in page(login("viewer"), "cycles_cycle_change", row.pk)


def test_the_language_changes_by_the_header(login: Login, dead: Cycle) -> None:
    client = login("viewer")
    assert "Dead letters" in page(client, "index")
    client.post(reverse("set_language"), {"language": "ko", "next": "/admin/"})
    assert "데드레터" in page(client, "index")


def test_the_desk_says_in_the_readers_language_why_no_cycle_opens(login: Login) -> None:
    builders.desk()
    builders.capital("binance", "USDT", 50_000)
    builders.policy()
    client = login("viewer")
    assert "withheld" not in page(client, "index")
    builders.policy(notional_usdt=0, max_open_cycles=0)
    text = page(client, "index")
    assert "No new cycle opens:" in text
    assert "open cycles: 0, the policy allows 0" in text
    assert "the policy sizes a new cycle at nothing" in text
    client.post(reverse("set_language"), {"language": "ko", "next": "/admin/"})
    assert "진행 중인 사이클이 0건입니다. 정책의 한도는 0건입니다" in page(client, "index")


def test_an_alert_keeps_its_lines_in_the_timeline(login: Login, dead: Cycle) -> None:
    builders.alert(dead, body="Cycle: one\nReason: <two>")
    text = page(login("viewer"), "cycles_cycle_change", dead.pk)
    assert "Cycle: one<br>Reason: &lt;two&gt;" in text


def test_a_token_tells_its_scopes_in_words_and_that_it_never_ends(login: Login) -> None:
    client = login("administrator")
    owner = User.objects.get(username="alice")
    token, _plain = tokens.issue(owner, "cron", ["cycles:read", "dlq:act"], None)
    for text in (
        page(client, "cycles_apitoken_changelist"),
        page(client, "cycles_apitoken_change", token.pk),
    ):
        assert "cycles:read, dlq:act" in text
        assert "never" in text


def test_the_desk_needs_as_many_queries_for_many_cycles_as_for_few(
    login: Login, django_assert_max_num_queries: Counter
) -> None:
    builders.desk()
    client = login("viewer")
    for _ in range(8):
        builders.alert(builders.dead_letter(), key=str(_))
        builders.finished()
    for asset in ("BTC", "SOL", "XRP"):
        builders.sample(asset, at=timezone.now())
    page(client, "index")
    with django_assert_max_num_queries(42):
        page(client, "index")


def test_the_cycle_page_needs_a_bounded_number_of_queries(
    login: Login, dead: Cycle, django_assert_max_num_queries: Counter
) -> None:
    client = login("approver")
    for number in range(8):
        builders.alert(dead, key=str(number))
    page(client, "cycles_cycle_change", dead.pk)
    with django_assert_max_num_queries(45):
        page(client, "cycles_cycle_change", dead.pk)


def test_a_page_that_is_forbidden_says_so_in_the_desks_own_dress(login: Login) -> None:
    builders.desk()
    reply = login("viewer").get(reverse("admin:desk_open"))
    assert reply.status_code == 403
    assert "cycles/desk.css" in reply.content.decode()
