"""One form of the admin and two clicks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from django.urls import reverse

from cycles.models import Account, Cycle
from cycles.services.locking import own_mode
from tests import builders
from tests.concurrency.meeting import SECONDS, together, until_somebody_waits
from tests.cycles.services.acts import rated

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]

HOME = {"kind": "RETURN_ONLY", "asset": "XRP", "notional": "3000000", "reason": "the week is over"}


class Browser:
    """Clicks, each on a connection of its own, as one person."""

    def __init__(self) -> None:
        builders.desk()
        builders.policy()
        builders.capital("upbit", "KRW", 9_000_000)
        rated()
        self.who = User.objects.create_superuser("root")

    def click(self, key: str) -> Any:
        client = Client()
        client.force_login(self.who)
        return client.post(reverse("admin:desk_open"), HOME | {"once": key})


def both(*acts: Callable[[], Any]) -> list[Any]:
    """Give the replies to clicks at the same moment; the admin denies in a reply, not by raising."""
    return list(together(*acts))


def left() -> int:
    return int(Account.objects.get(owner="DESK", asset="KRW").balance)


def test_two_clicks_at_once_open_one_cycle() -> None:
    browser, key = Browser(), str(uuid4())
    replies = both(lambda: browser.click(key), lambda: browser.click(key))
    opened = Cycle.objects.get()
    page = reverse("admin:cycles_cycle_change", args=[opened.pk])
    assert left() == 6_000_000
    # The second finds the first at work, or done.
    assert {reply.status_code for reply in replies} <= {302, 409}
    assert page in {reply.headers.get("Location") for reply in replies}


def test_the_negative_control_under_keys_of_their_own_both_open() -> None:
    browser = Browser()
    replies = both(lambda: browser.click(str(uuid4())), lambda: browser.click(str(uuid4())))
    assert [reply.status_code for reply in replies] == [302, 302]
    assert Cycle.objects.count() == 2
    assert left() == 3_000_000


def test_a_click_while_the_first_is_at_work_says_so_and_then_leads_to_its_cycle() -> None:
    browser, key = Browser(), str(uuid4())
    held, told = threading.Event(), threading.Event()

    def hold() -> Any:
        with transaction.atomic():
            own_mode()
            held.set()
            assert told.wait(SECONDS)

    def first() -> Any:
        assert held.wait(SECONDS)
        return browser.click(key)

    def second() -> Any:
        assert held.wait(SECONDS)
        until_somebody_waits()  # the first has its key, and stands before the desk's mode
        try:
            return browser.click(key)
        finally:
            told.set()

    _, opening, meanwhile = both(hold, first, second)
    assert meanwhile.status_code == 409
    assert "carried out at this moment" in meanwhile.content.decode()
    assert opening.status_code == 302
    assert browser.click(key).headers["Location"] == opening.headers["Location"]
    assert Cycle.objects.count() == 1
