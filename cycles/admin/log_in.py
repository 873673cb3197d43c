"""The brake on guessed passwords: django-axes counts and locks, here is what the desk adds.

A name is locked for an address after so many wrong passwords, in the database that all web processes share.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.helpers import get_client_username
from axes.models import AccessFailureLog
from django.contrib import admin
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render

from cycles import conf
from cycles.services import log_ins

FAILURES_KEPT = 100_000  # whoever tries names that nobody has must not fill the disk
STATUS = 429


class Brake(AxesDatabaseHandler):  # type: ignore[misc]  # axes has no types
    """Counts as axes does; says whom it was aimed at, and tells people of each lock-out once."""

    def user_login_failed(
        self, sender: Any, credentials: dict[str, Any], request: Any = None, **kwargs: Any
    ) -> None:
        """Count a failure; `request.axes_locked_out` says before whether it was locked already."""
        was_locked = bool(getattr(request, "axes_locked_out", False))
        super().user_login_failed(sender, credentials, request, **kwargs)
        if request is None:
            return  # no door of ours: axes' backend has refused it
        username = str(get_client_username(request, credentials) or "")
        client, is_locked = request.axes_ip_address or "", bool(request.axes_locked_out)
        log_ins.note_failure(username, client, is_locked_out=is_locked)
        if is_locked and not was_locked:
            number = self._first_attempt(request, credentials)
            log_ins.tell_lock_out(username, client, number=number)

    def _first_attempt(self, request: Any, credentials: dict[str, Any]) -> int:
        """Give the oldest row that counts, the same for all who lock at once."""
        rows = self.get_user_attempts(request, credentials)
        return min((pk for row in rows for pk in row.values_list("pk", flat=True)), default=0)

    def remove_out_of_limit_failure_logs(self, **kwargs: Any) -> int:
        """Forget the oldest failures of all, found by their key; axes' own counts those of a name."""
        newest = AccessFailureLog.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        return int(AccessFailureLog.objects.filter(pk__lte=newest - FAILURES_KEPT).delete()[0])


def client_address(request: HttpRequest) -> str | None:
    """Give the address that a request comes from; behind a trusted proxy, the one that the proxy saw."""
    told = str(request.META.get("REMOTE_ADDR", ""))
    if conf.trusts_proxy():
        told = request.headers.get("X-Forwarded-For", told).rpartition(",")[2]
    try:
        return str(ip_address(told.strip()))
    except ValueError:
        return None


def locked_out(
    request: HttpRequest, response: HttpResponseBase, credentials: dict[str, Any] | None
) -> HttpResponseBase:
    """Say that it is locked, for how long, and who can unlock it."""
    minutes = int(conf.log_in_lock().total_seconds() // 60)
    context = admin.site.each_context(request) | {"title": "", "minutes": minutes}
    page = render(request, "admin/cycles/locked.html", context, status=STATUS)
    page.headers["Retry-After"] = str(minutes * 60)
    return page
