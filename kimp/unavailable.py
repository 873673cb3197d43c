"""What the web role answers while the database does not serve; needs none itself."""

from __future__ import annotations

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string

DATABASE_IS_AWAY = (OperationalError, InterfaceError)
BACK_IN_SECONDS = 5


def unavailable(request: HttpRequest, error: Exception) -> HttpResponse:
    """Answer 503 with a sentence; the request's one line in the log carries the error."""
    request.kimp_error = error  # type: ignore[attr-defined]  # the middleware's
    if hasattr(request, "session"):
        del request.session  # else its middleware would try to save it, and answer 500
    reply = _for_machines() if request.path.startswith("/api/") else _for_people()
    reply.headers["Retry-After"] = str(BACK_IN_SECONDS)
    reply.headers["Cache-Control"] = "no-store"
    reply._has_been_logged = True  # type: ignore[attr-defined]  # noqa: SLF001  Django's: no second line
    return reply


def _for_people() -> HttpResponse:
    return HttpResponse(render_to_string("503.html"), status=503)


def _for_machines() -> HttpResponse:
    code = "database_unavailable"
    body = {
        "type": f"urn:kimp:problem:{code}",
        "title": "Database unavailable",
        "status": 503,
        "detail": "the database did not answer in time; try again shortly",
        "code": code,
    }
    return JsonResponse(body, status=503, content_type="application/problem+json")
