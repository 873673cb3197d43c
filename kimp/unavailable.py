"""What the web role answers while the database does not serve, or is older than the code; needs none itself."""

from __future__ import annotations

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string

from cycles.errors import NotMigratedError
from cycles.services import migrated

DATABASE_IS_AWAY = (OperationalError, InterfaceError)
BACK_IN_SECONDS = 5


def answer_to(request: HttpRequest, error: Exception) -> HttpResponse | None:
    """Answer what ails the database and no page can help; None: it is something else."""
    if isinstance(error, DATABASE_IS_AWAY):
        return unavailable(request, error)
    older = migrated.explanation(error)
    return unavailable(request, older) if older is not None else None


def unavailable(request: HttpRequest, error: Exception) -> HttpResponse:
    """Answer 503 with a sentence; the request's one line in the log carries the error."""
    request.kimp_error = error  # type: ignore[attr-defined]  # the middleware's
    if hasattr(request, "session"):
        del request.session  # else its middleware would try to save it, and answer 500
    is_for_machines = request.path.startswith("/api/")
    reply = _for_machines(error) if is_for_machines else _for_people(error)
    reply.headers["Retry-After"] = str(BACK_IN_SECONDS)
    reply.headers["Cache-Control"] = "no-store"
    reply._has_been_logged = True  # type: ignore[attr-defined]  # noqa: SLF001  Django's: no second line
    return reply


def _for_people(error: Exception) -> HttpResponse:
    is_older = isinstance(error, NotMigratedError)
    return HttpResponse(render_to_string("503.html", {"is_older": is_older}), status=503)


def _for_machines(error: Exception) -> HttpResponse:
    code, detail = "database_unavailable", "the database did not answer in time; try again shortly"
    if isinstance(error, NotMigratedError):
        code, detail = error.code, str(error)
    body = {
        "type": f"urn:kimp:problem:{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": 503,
        "detail": detail,
        "code": code,
    }
    return JsonResponse(body, status=503, content_type="application/problem+json")
