"""Health: is this process alive, and is the desk ready; strangers learn no more than yes or no."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, partial

from django.db import Error, connection
from django.db.models.functions import Now
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from cycles.domain.words import Role
from cycles.models import Heartbeat
from cycles.services import migrated
from cycles.services.presence import BROKEN, JOB
from kimp import queue_health

ROLE_IS_STALE = timedelta(seconds=30)
BEATING = (Role.FEEDER, Role.INITIATOR, Role.FINALIZER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that readiness needs; `detail` is for staff only."""

    name: str
    is_ok: bool
    detail: str = ""


@never_cache
@require_safe
def livez(request: HttpRequest) -> JsonResponse:
    """Say that this process answers."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Say whether the desk works: 200 or 503; staff also read why."""
    checks = readiness()
    is_ready = all(check.is_ok for check in checks)
    answer: dict[str, object] = {"status": "ok" if is_ready else "unavailable"}
    if _is_staff(request):
        answer["checks"] = {
            check.name: {"ok": check.is_ok, "detail": check.detail} for check in checks
        }
    return JsonResponse(answer, status=200 if is_ready else 503)


def readiness() -> list[Check]:
    """Look at the database, its migrations, and the signs of life of every role."""
    return [
        _guarded("database", _database),
        _guarded("migrations", _migrations),
        *(_guarded(role.value, partial(_role, role)) for role in BEATING),
        _guarded(Role.WORKER.value, _jobs),
        _guarded("jobs", queue_health.late),
    ]


def _guarded(name: str, look: Callable[[], str]) -> Check:
    """Run one look, which names its complaint or ''; the database's errors are complaints."""
    try:
        complaint = look()
    except Error as error:
        connection.close()
        complaint = type(error).__name__
    return Check(name=name, is_ok=not complaint, detail=complaint)


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return ""


def _migrations() -> str:
    try:
        _seen_applied()
    except _UnappliedError:
        return "there are migrations that have not been applied"
    return ""


class _UnappliedError(Exception):
    """Keeps a negative answer out of the cache."""


@cache
def _seen_applied() -> bool:
    """Remember a yes: with the same code it stays one, and asking loads every migration."""
    if migrated.unapplied():
        raise _UnappliedError
    return True


def _role(role: Role) -> str:
    alive = Heartbeat.objects.filter(role=role, beat_at__gte=Now() - ROLE_IS_STALE)
    details = list(alive.values_list("detail", flat=True))
    if not details:
        return f"no sign of life in {ROLE_IS_STALE.seconds} s"
    broken = sorted({name for detail in details for name in detail.get(BROKEN, ())})
    return f"threads that do not get on: {', '.join(broken)}" if broken else ""


def _jobs() -> str:
    alive = Heartbeat.objects.filter(
        name__startswith=JOB, beat_at__gte=Now() - queue_health.IS_STALE
    )
    return (
        "" if alive.exists() else f"no scheduled job has run in {queue_health.IS_STALE.seconds} s"
    )


def _is_staff(request: HttpRequest) -> bool:
    try:
        return bool(request.user.is_authenticated and request.user.is_staff)
    except Error:
        del request.session  # else its middleware would try to save it, and answer 500
        return False
