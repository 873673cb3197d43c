"""An operator's day in a real browser, under the real content security policy."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from cycles.domain.words import CycleStatus
from cycles.models import Cycle
from tests import builders
from tests.browser.conftest import Console, log_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def dead(transactional_db: None) -> Cycle:
    builders.desk()
    builders.sample(at=timezone.now() - timedelta(minutes=2))
    builders.sample(at=timezone.now() - timedelta(minutes=1))
    return builders.dead_letter()


def test_an_operator_logs_in_and_redrives_the_dead_letter(
    tab: Page, live_server: LiveServer, dead: Cycle, console: Console
) -> None:
    builders.person("alice", "operator")
    log_in(tab, live_server.url, "alice")
    tab.get_by_role("link", name="dead letters 1 unassigned").click()
    tab.get_by_role("link", name=dead.code).click()
    tab.get_by_role("link", name="redrive…").click()
    expect(tab.get_by_text("The retry count starts anew.")).to_be_visible()
    tab.fill("#id_reason", "the venue is back")
    tab.get_by_role("button", name="Redrive").click()
    expect(tab.get_by_text(f"{dead.code} goes on where it stopped.")).to_be_visible()
    dead.refresh_from_db()
    assert dead.status == "RETRY_PENDING"
    assert console == []


def test_a_form_that_grew_stale_leads_to_the_conflict_page_and_keeps_the_reason(
    tab: Page, live_server: LiveServer, dead: Cycle
) -> None:
    builders.person("alice", "operator")
    log_in(tab, live_server.url, "alice")
    tab.goto(f"{live_server.url}/admin/cycles/cycle/{dead.pk}/redrive/")
    tab.fill("#id_reason", "looks fine to me")
    builders.moved_to(
        dead,
        CycleStatus.RETRY_PENDING,
        next_retry_at=timezone.now(),
        wake_at=timezone.now(),
    )
    with tab.expect_response(lambda reply: reply.request.method == "POST") as told:
        tab.get_by_role("button", name="Redrive").click()
    assert told.value.status == 409
    expect(tab.locator("#conflict")).to_contain_text("nothing was done")
    expect(tab.locator("#id_reason")).to_have_value("looks fine to me")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_breaks_the_content_security_policy(
    tab: Page, live_server: LiveServer, dead: Cycle, console: Console, scheme: str
) -> None:
    builders.person("root", "administrator")
    tab.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of two literals
    log_in(tab, live_server.url, "root")
    for path in (
        "",
        "dead-letters/",
        "cycles/cycle/",
        f"cycles/cycle/{dead.pk}/change/",
        f"cycles/cycle/{dead.pk}/resolve/",
        "cycles/posting/",
        "desk/mode/HALT/",
        "desk/policy/",
        "tokens/issue/",
    ):
        reply = tab.goto(f"{live_server.url}/admin/{path}")
        assert reply is not None
        assert reply.status == 200
        assert "unsafe" not in reply.headers["content-security-policy"]
    assert console == []


def test_an_inline_script_would_be_blocked_and_seen(
    tab: Page, live_server: LiveServer, console: Console, dead: Cycle
) -> None:
    tab.goto(f"{live_server.url}/admin/login/")
    tab.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: '1'}))"
    )
    expect(tab.locator("body")).to_be_visible()
    assert any("Content Security Policy" in said for said in console)


def test_the_keyboard_opens_a_form_and_fires_nothing(
    tab: Page, live_server: LiveServer, dead: Cycle
) -> None:
    builders.person("alice", "operator")
    log_in(tab, live_server.url, "alice")
    tab.goto(f"{live_server.url}/admin/cycles/cycle/{dead.pk}/change/")
    tab.keyboard.press("r")
    tab.wait_for_url("**/redrive/")
    dead.refresh_from_db()
    assert dead.status == "DEAD_LETTER"


def test_everything_works_without_script(
    chromium: Browser, live_server: LiveServer, dead: Cycle
) -> None:
    builders.person("alice", "operator")
    context = chromium.new_context(java_script_enabled=False)
    tab = context.new_page()
    log_in(tab, live_server.url, "alice")
    tab.goto(f"{live_server.url}/admin/cycles/cycle/{dead.pk}/redrive/")
    tab.fill("#id_reason", "by keyboard of old")
    tab.get_by_role("button", name="Redrive").click()
    expect(tab.locator(".messagelist")).to_contain_text("goes on where it stopped")
    context.close()


@pytest.mark.parametrize("path", ["", "dead-letters/", "cycles/cycle/{}/change/"])
def test_a_phone_scrolls_no_page_sideways(
    tab: Page, live_server: LiveServer, dead: Cycle, path: str
) -> None:
    builders.person("alice", "operator")
    tab.set_viewport_size({"width": 390, "height": 844})
    log_in(tab, live_server.url, "alice")
    tab.goto(f"{live_server.url}/admin/{path.format(dead.pk)}")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
