"""Pages of unforeseen errors, and what lists the settings, show no secret: by name, by pattern, by value."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import pytest
from django.conf import settings
from django.test import RequestFactory, override_settings
from django.utils.html import escape
from django.views.debug import (
    get_exception_reporter_class,
    get_exception_reporter_filter,
    technical_500_response,
)

from tests.kimp.processes import PROJECT

MARK = "m4rk3r-s3cr3t"
SECRETS = {
    name: f"{MARK}-{number}"
    for number, name in enumerate(
        (
            "SECRET_KEY",
            "KIMP_UPBIT_ACCESS_KEY",
            "KIMP_UPBIT_SECRET_KEY",
            "KIMP_BITHUMB_SECRET_KEY",
            "KIMP_BINANCE_API_KEY",
            "KIMP_BINANCE_SECRET_KEY",
            "KIMP_FX_EXIMBANK_KEY",
            "KIMP_TELEGRAM_TOKEN",
            "KIMP_METRICS_TOKEN",
        )
    )
} | {
    "DATABASE_URL": f"postgresql://kimp:{MARK}-db@db.example:5432/kimp",
    "KIMP_QUEUE_REDIS": f"redis://:{MARK}-redis@broker.example:6379/0",
}
# A debug page's two forms and the list of settings, of a process that has every secret.
SHOW = """
import json, os, sys
import django
from django.conf import settings
from django.test import RequestFactory
from django.views.debug import get_exception_reporter_class
django.setup()
dsn, inner = os.environ["DATABASE_URL"], {"given": [dict(os.environ)], "sent": settings.KIMP_UPBIT_SECRET_KEY.encode() * 9}
request = RequestFactory().get("/", {"q": os.environ["KIMP_TELEGRAM_TOKEN"]}, **os.environ)
try:
    try:
        raise ValueError(f"no server at {dsn}")
    except ValueError as error:
        raise RuntimeError(f"refused: {settings.KIMP_BINANCE_API_KEY}") from error
except RuntimeError as error:
    reporter = get_exception_reporter_class(request)(request, *sys.exc_info())
    pages = [reporter.get_traceback_html(), reporter.get_traceback_text()]
print(json.dumps(pages))
"""


def _run(*arguments: str) -> str:
    env = {**os.environ, **SECRETS, "DEBUG": "1", "KIMP_ENVIRONMENT": "development"}
    env["DJANGO_SETTINGS_MODULE"] = "kimp.settings"
    done = subprocess.run(
        [sys.executable, *arguments], env=env, cwd=PROJECT, capture_output=True, text=True, check=True
    )  # fmt: skip
    return done.stdout


@pytest.mark.processes
def test_no_secret_of_a_process_is_on_its_debug_pages() -> None:
    pages = json.loads(_run("-c", SHOW))
    for page in pages:
        assert "no server at" in page
        assert "refused: " in page
        assert "Q_CLUSTER" in page
        assert MARK not in page


@pytest.mark.processes
def test_diffsettings_lists_no_secret() -> None:
    listed = _run("manage.py", "diffsettings")
    assert "Q_CLUSTER = " in listed
    assert MARK not in listed


PLACES: dict[str, Callable[[str], Any]] = {
    "a text": str,
    "bytes that Django breaks into lines": lambda text: text.encode() * 9,
    "deep inside": lambda text: [{"deep": (text,)}],
    "lines": lambda text: f"{text}\n" * 9,
}


class Strange:
    """Whose words cannot be had."""

    def __repr__(self) -> str:
        raise LookupError


def _fail(text: str) -> NoReturn:
    raise RuntimeError(text)


def _page(request: Any = None, **facts: Any) -> str:
    """Fail with these local variables; give the page."""
    kept = facts
    values = list(facts.values())
    try:
        _fail(f"{len(kept)} and {len(values)}")
    except RuntimeError as error:
        caught = (type(error), error, error.__traceback__)
    reporter: Any = get_exception_reporter_class(request)  # a class, whatever the stubs say
    return str(reporter(request, *caught).get_traceback_html())


@pytest.fixture
def secret() -> Any:
    """Give a secret that the process knows by its value only."""
    value = "aBc&<known>-by-value"
    with override_settings(DEBUG=True, LOGGING={**settings.LOGGING, "secrets": [value]}):
        yield value


def test_what_is_no_secret_is_shown_as_django_does(secret: str) -> None:
    del secret
    assert "&#x27;asset&#x27;: &#x27;XRP&#x27;" in _page(asset="XRP", nothing=None)
    assert "Error in formatting: LookupError" in _page(strange=Strange())


@pytest.mark.parametrize("place", PLACES)
def test_a_secret_is_known_by_its_value_wherever_it_stands(place: str, secret: str) -> None:
    page = _page(plain=PLACES[place](secret))
    assert "[redacted]" in page
    assert "by-value" not in page


def test_fields_of_a_form_and_headers_are_masked(secret: str) -> None:
    request = RequestFactory().post(
        f"/?api_key=abc-1&q={secret}",
        {"password": "abc-2", "reason": "plain", "other": "Bearer abc-3"},
        headers={
            "Authorization": "Token abc-4",
            "X-Upbit-Signature": "abc-5",
            "Cookie": "sessionid=abc-6",
        },
    )
    page = _page(request)
    assert "plain" in page
    assert "abc-" not in page


def test_the_page_that_django_serves_is_this_one(secret: str) -> None:
    request = RequestFactory().get("/")
    try:
        _fail(secret)
    except RuntimeError as error:
        answer = technical_500_response(request, type(error), error, error.__traceback__)
    assert escape(secret) not in answer.content.decode()
    assert get_exception_reporter_filter(request).is_active(request)
