"""What people did and were told: interventions, alerts, tokens, and the processes' signs of life."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from cycles.admin import show
from cycles.admin.navigation import user_of
from cycles.admin.read_only import ReadOnlyAdmin, column, moment, since, word
from cycles.admin.searching import SearchedAdmin
from cycles.models import Alert, ApiToken, Heartbeat, Intervention
from cycles.services import tokens


@admin.display(description="")
def revoke(token: ApiToken) -> str:
    """Give the link to the form that revokes a token."""
    if token.revoked_at is not None:
        return ""
    url = reverse("admin:token_revoke", args=[token.prefix])
    return format_html('<a class="button small danger" href="{}">{}…</a>', url, _("revoke"))


def _until(at: datetime | None) -> Any:
    """Give when a token ends; one without an end is good until revoked."""
    return show.instant(at) if at else _("never")


SCOPES = column("scopes", _("scopes"), ", ".join)
EXPIRES = column("expires_at", _("expires"), _until)


@admin.register(Intervention)
class InterventionAdmin(SearchedAdmin):
    list_display = (
        moment("at", _("at")),
        "actor",
        "verb",
        "cycle",
        "reason",
        "channel",
        "seen_version",
    )
    list_filter = ("verb", "channel", ("at", admin.DateFieldListFilter))
    whole = ("actor", "request_id")
    list_select_related = ("cycle",)
    ordering = ("-id",)


@admin.register(Alert)
class AlertAdmin(SearchedAdmin):
    list_display = (
        moment("created_at", _("created")),
        word("severity", _("severity")),
        "title",
        "cycle",
        word("state", _("state")),
        "attempts",
        "last_error",
    )
    list_filter = ("severity", "state")
    begun = ("key",)
    list_select_related = ("cycle",)
    ordering = ("-id",)


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    list_display = (
        "name",
        "prefix",
        "user",
        SCOPES,
        EXPIRES,
        moment("revoked_at", _("revoked")),
        since("last_used_at", _("last used")),
    )
    search_fields = ("name", "=prefix", "user__username")
    list_select_related = ("user",)
    exclude = ("digest",)
    change_list_template = "admin/cycles/tokens.html"

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Show scopes and end as the list does."""
        own = {"scopes": SCOPES, "expires_at": EXPIRES}
        shown = super().get_fields(request, obj)
        return [own.get(getattr(one, "__name__", ""), one) for one in shown]

    def get_list_display(self, request: HttpRequest) -> Any:
        """Add the way to revoke for those who may."""
        may_revoke = user_of(request).has_perm(tokens.MAY_REVOKE)
        return (*self.list_display, revoke) if may_revoke else self.list_display


@admin.register(Heartbeat)
class HeartbeatAdmin(ReadOnlyAdmin):
    list_display = ("name", "role", "host", "pid", since("beat_at", _("last beat")))
    list_filter = ("role",)
    search_fields = ("name", "host")
    ordering = ("role", "name")
