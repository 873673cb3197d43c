"""Tables of the desk's own pages: whole at a desk's width, and where they scroll they show it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db.models.functions import Now
from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer

from cycles.domain.words import CallOutcome, StepState
from cycles.models import Cycle, Step
from tests import builders
from tests.browser.conftest import log_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

VERBS = ("acknowledge", "redrive", "unwind", "resolve", "write_off")
PATHS = (
    "",
    "desk/mode/HALT/",
    "desk/mode/FINALIZE_ONLY/",
    "dead-letters/",
    "cycles/cycle/{}/change/",
    *(f"cycles/cycle/{{}}/{verb}/" for verb in VERBS),
)
WON = Decimal("68871794.10995459")


@pytest.fixture
def dead(transactional_db: None) -> Cycle:
    """Give a dead letter with a call of unknown outcome and steps of many digits."""
    builders.desk()
    builders.capital("binance", "USDT", 50_000)
    row = builders.dead_letter()
    builders.order_call(row, CallOutcome.UNKNOWN)
    Step.objects.filter(cycle=row).update(
        state=StepState.DONE, quantity_in=WON, quantity_out=WON, settled_at=Now()
    )
    return row


def at(tab: Page, server: LiveServer, path: str, width: int = 1280) -> None:
    """Look at a page of the admin as somebody who may do everything."""
    builders.person("root", "administrator", "approver")
    log_in(tab, server.url, "root")
    tab.set_viewport_size({"width": width, "height": 900})
    tab.goto(f"{server.url}/admin/{path}")


def cut_off(tab: Page) -> list[str]:
    """Name the tables that are wider than their box, by their headings, and both widths."""
    script = """all => all.filter(box => box.scrollWidth > box.clientWidth).map(
        box => `${box.innerText.split("\\n")[0]}: ${box.scrollWidth} in ${box.clientWidth}`)"""
    found: list[str] = tab.locator(".scroll").evaluate_all(script)
    return found


@pytest.mark.parametrize("language", ["en", "ko"])
def test_no_table_is_wider_than_its_box_on_a_desk(
    tab: Page, live_server: LiveServer, dead: Cycle, language: str
) -> None:
    at(tab, live_server, "")
    if language == "ko":
        tab.locator(".language button").click()
    found = {}
    for path in PATHS:
        tab.goto(f"{live_server.url}/admin/{path.format(dead.pk)}")
        assert tab.locator(".scroll").count() > 0, path
        found[path] = cut_off(tab)
    assert not any(found.values()), found


def edge(tab: Page, end: str) -> bytes:
    """Take a picture of the last pixels of a table's box, scrolled to one end."""
    box = tab.locator(".scroll").last
    box.scroll_into_view_if_needed()
    box.evaluate(f"one => one.scrollLeft = {'one.scrollWidth' if end == 'right' else 0}")
    place = box.bounding_box()
    assert place is not None
    clip = {"x": place["x"] + place["width"] - 3, "y": place["y"] + 2, "width": 3, "height": 24}
    return tab.screenshot(clip=clip)  # type: ignore[arg-type]  # the four numbers of a clip


def test_a_table_that_scrolls_shows_on_which_side_there_is_more(
    tab: Page, live_server: LiveServer, dead: Cycle
) -> None:
    at(tab, live_server, f"cycles/cycle/{dead.pk}/change/", width=390)
    tab.locator(".scroll *").evaluate_all(
        "all => all.forEach(one => one.style.color = 'transparent')"
    )
    assert cut_off(tab) != []
    assert edge(tab, "left") != edge(tab, "right")


def test_the_tiles_of_the_desk_leave_none_alone_in_its_row(
    tab: Page, live_server: LiveServer, dead: Cycle
) -> None:
    at(tab, live_server, "")
    for width in (390, 800, 1024, 1280, 1920):
        tab.set_viewport_size({"width": width, "height": 900})
        tops = tab.locator(".tiles .tile").evaluate_all(
            "all => all.map(one => one.getBoundingClientRect().top)"
        )
        rows = [tops.count(top) for top in sorted(set(tops))]
        assert len(set(rows)) == 1, (width, rows)
