"""The pages that are read on the way: as readable on a phone as on a desk's screen."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction
from django.db.models.functions import Now
from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer

from cycles.domain.words import CycleStatus, FailureClass
from cycles.models import Cycle, Intervention
from cycles.services import moving
from cycles.services.locking import lock_cycle
from tests import builders
from tests.browser.conftest import log_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

WIDTHS = (390, 600, 768, 1280)
A_FEW_LINES = 110
REASON = "the venue was away, its page says it is back since noon, and the order is on its books"
SHORT = "back"
ACTOR = "finalizer:desk-in-the-cellar.example:31415:2f9c4b"


def _moved(row: Cycle, reason: str) -> None:
    """Move a cycle there and back, by a process with a long name."""
    for target in (CycleStatus.RETRY_PENDING, CycleStatus.STARTED):
        due: dict[str, Any] = {"wake_at": Now(), "failure_class": FailureClass.REFUSED_RULES}
        if target is CycleStatus.RETRY_PENDING:
            due |= {"next_retry_at": Now(), "resume_status": CycleStatus.STARTED}
        with transaction.atomic():
            moving.move(lock_cycle(row.pk), target, event="test", actor=ACTOR, reason=reason, **due)


@pytest.fixture
def busy(transactional_db: None) -> Cycle:
    """Give the desk that many cycles have been moved on."""
    builders.desk()
    row = builders.cycle()
    for reason in (REASON, SHORT, REASON, SHORT):
        _moved(row, reason)
    builders.finished("XLM")
    for reason in (REASON, SHORT) * 4:
        Intervention.objects.create(
            verb="confirm_address", actor="alice", channel="admin", reason=reason,
            cycle=row, seen_version=1, payload={}, at=Now(),
        )  # fmt: skip
    return row


def _heights(tab: Page, rows: str) -> list[float]:
    """Measure rows, in pixels."""
    boxes = [row.bounding_box() for row in tab.locator(rows).all()]
    return [box["height"] for box in boxes if box is not None]


def _reached(tab: Page, parts: str) -> list[float]:
    """Tell how far to the right each part reaches, what it holds included."""
    script = "all => all.map(one => one.getBoundingClientRect().left + one.scrollWidth)"
    found: list[float] = tab.locator(parts).evaluate_all(script)
    return found


def _overfull(tab: Page, cells: str) -> list[str]:
    """Name the cells whose text runs into the next one."""
    script = "all => all.filter(one => one.scrollWidth > one.clientWidth).map(one => one.innerText)"
    found: list[str] = tab.locator(cells).evaluate_all(script)
    return found


@pytest.mark.parametrize(
    ("path", "rows"),
    [("", "#changes > li"), ("cycles/intervention/", "#result_list tbody tr")],
)
def test_a_row_is_a_few_lines_and_all_of_it_is_on_the_screen(
    tab: Page, live_server: LiveServer, busy: Cycle, path: str, rows: str
) -> None:
    builders.person("root", "administrator")
    log_in(tab, live_server.url, "root")
    for width in WIDTHS:
        tab.set_viewport_size({"width": width, "height": 844})
        tab.goto(f"{live_server.url}/admin/{path}")
        heights = _heights(tab, rows)
        assert len(heights) >= 8
        assert max(heights) <= A_FEW_LINES, width
        assert max(_reached(tab, f"{rows} *")) <= width
    assert _overfull(tab, f"{rows} > *") == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_the_desk_is_at_most_thrice_as_tall_on_a_phone(
    tab: Page, live_server: LiveServer, busy: Cycle
) -> None:
    builders.person("root", "administrator")
    log_in(tab, live_server.url, "root")
    tall = {}
    for width in (390, 1280):
        tab.set_viewport_size({"width": width, "height": 844})
        tab.goto(f"{live_server.url}/admin/")
        tall[width] = tab.evaluate("document.documentElement.scrollHeight")
    assert tall[390] <= 3 * tall[1280]
