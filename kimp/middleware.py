"""Correlation of requests: ids in, ids out, and one line per request, however it ends."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable

import structlog
from django.conf import settings
from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from cycles.services.correlating import as_code, bound, is_valid_id, new_id, note_user, user_noted
from kimp.unavailable import answer_to

log = structlog.get_logger(__name__)

Next = Callable[[HttpRequest], HttpResponseBase]

HEADERS = {
    "request_id": "X-Request-ID",
    "cycle_id": "X-Cycle-ID",
    "session_id": "X-Session-ID",
}
LARGEST_BODY = 64 * 1024  # a longer one is not read for its cycle
PROBES = frozenset({"/livez", "/readyz", "/healthz", "/metrics"})
_CODE = re.compile(r"/cycles?/(CYC-[0-9A-Z]{4,32})(?:/|$)")
_ROW = re.compile(r"/cycles?/([0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12})(?:/|$)")


class CorrelationMiddleware:
    """Bind the ids of a request, return them in its headers, write its line. Stands first."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer a request under its ids."""
        ids = ids_of(request)
        started = time.monotonic()
        with bound(**ids), user_noted():
            try:
                response = self.get_response(request)
            except BaseException as unforeseen:
                _write_line(request, started, status=500, error=unforeseen)
                raise
            for name, header in HEADERS.items():
                if name in ids:
                    response.headers[header] = ids[name]
            error = getattr(request, "kimp_error", None)
            _write_line(request, started, status=response.status_code, error=error)
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Keep a view's error for the request's line; Django answers it, unless the database is away or older."""
        request.kimp_error = error  # type: ignore[attr-defined]  # ours, read above
        return answer_to(request, error)


class UserMiddleware:
    """Bind the id of whoever is logged in. Stands after authentication."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer a request under its user's id; a probe asks no database who it is."""
        try:
            if request.path not in PROBES and request.user.is_authenticated:
                note_user(request.user.pk)
        except Error as error:
            reply = answer_to(request, error)
            if reply is None:
                raise
            return reply
        return self.get_response(request)


def ids_of(request: HttpRequest) -> dict[str, str]:
    """Return the checked ids of a request; the URL knows its cycle better than a header does."""
    given = {name: request.headers.get(header, "") for name, header in HEADERS.items()}
    ids = {"request_id": new_id(), "session_id": settings.KIMP_SESSION_ID, **_only_valid(given)}
    cycle = _cycle_in_path(request.path) or ids.get("cycle_id", "") or _cycle_in_body(request)
    return _only_valid({**ids, "cycle_id": as_code(cycle)})


def _only_valid(ids: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in ids.items() if is_valid_id(value)}


def _cycle_in_path(path: str) -> str:
    found = _CODE.search(path) or _ROW.search(path)
    return found[1] if found else ""


def _cycle_in_body(request: HttpRequest) -> str:
    """Look for `cycle_id` or `cycle` in a small JSON object; what is read stays for the view."""
    length = request.headers.get("Content-Length", "")
    if request.content_type != "application/json" or not length.isdecimal():
        return ""
    if int(length) > LARGEST_BODY:
        return ""
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError, OSError):  # the view says what is wrong with it
        return ""
    named = [body.get(name) for name in ("cycle_id", "cycle")] if isinstance(body, dict) else []
    return next((str(value) for value in named if is_valid_id(value)), "")


def _write_line(
    request: HttpRequest, started: float, *, status: int, error: BaseException | None
) -> None:
    """Write method, path without its query, status and duration; failures say their kind."""
    facts: dict[str, object] = {
        "method": request.method,
        "path": request.path,
        "status": status,
        "duration_ms": round((time.monotonic() - started) * 1000),
    }
    if status >= 500:
        reason = f"{type(error).__name__}: {error}" if error else None
        log.error("request.failed", error=reason, **facts)
    elif request.path in PROBES or request.path.startswith("/static/"):
        log.debug("request.finished", **facts)
    else:
        log.info("request.finished", **facts)
