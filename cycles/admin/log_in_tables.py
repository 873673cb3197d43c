"""Log-ins that failed: whose name was tried, from where; for those who see people's accounts."""

from __future__ import annotations

from axes.models import AccessFailureLog
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from cycles.admin import show
from cycles.admin.read_only import ReadOnlyAdmin, column, moment
from cycles.services import log_ins

SEES_ACCOUNTS = "auth.view_user"


@admin.register(AccessFailureLog)
class FailedLogInAdmin(ReadOnlyAdmin):
    list_display = (
        moment("attempt_time", _("at")),
        column("username", _("user"), lambda name: log_ins.shown(name or "")),
        column("ip_address", _("from where"), lambda address: address or show.NOTHING),
        "locked_out",
        "user_agent",
    )
    list_filter = ("locked_out",)
    search_fields = ("username", "=ip_address")
    date_hierarchy = "attempt_time"
    ordering = ("-id",)
    exclude = ("http_accept",)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Ask for the right to see accounts: axes' own permissions are in no group of ours."""
        return request.user.has_perm(SEES_ACCOUNTS)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Ask for the same."""
        return request.user.has_perm(SEES_ACCOUNTS)
