"""Cycles: the list with its filters and search, the page of one, and the addresses of its verbs."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from cycles import selectors
from cycles.admin import cycle_page, show, verb_page
from cycles.admin.fixed_filters import OutboundAssetFilter
from cycles.admin.read_only import ReadOnlyAdmin, column, since, word
from cycles.admin.verbs import VERBS
from cycles.domain.words import CycleStatus
from cycles.errors import NotFoundError
from cycles.models import Cycle
from cycles.models.cycle import FINAL_STATUSES


class OpenFilter(admin.SimpleListFilter):
    """Open cycles, or those that have ended."""

    title = _("whether open")
    parameter_name = "open"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Give the choices."""
        return [("1", _("still open")), ("0", _("ended"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Cycle]) -> QuerySet[Cycle]:
        """Narrow the list."""
        if self.value() == "1":
            return queryset.exclude(status__in=FINAL_STATUSES)
        return queryset.filter(status__in=FINAL_STATUSES) if self.value() == "0" else queryset


@admin.display(description=_("assets"))
def assets(row: Cycle) -> str:
    """Give the asset carried out, and the one carried back."""
    return f"{row.outbound_asset or show.NOTHING} → {row.return_asset or show.NOTHING}"


@admin.display(description=_("retries"), ordering="retry_count")
def retries(row: Cycle) -> str:
    """Give how many retries of how many."""
    return f"{row.retry_count}/{row.max_retries}"


@admin.display(description=_("next"), ordering="wake_at")
def due(row: Cycle) -> Any:
    """Give when something happens next."""
    if row.status in {*FINAL_STATUSES, CycleStatus.DEAD_LETTER}:
        return show.NOTHING
    return show.age(row.wake_at, timezone.now())


@admin.register(Cycle)
class CycleAdmin(ReadOnlyAdmin):
    list_display = (
        "code",
        word("status", _("status")),
        assets,
        column("notional_usdt", _("notional, USDT"), show.usdt),
        column("expected_edge_bps", _("edge, bps"), show.bps),
        column("realised_pnl_usdt", _("P&L, USDT"), show.usdt),
        column("money_at_risk_krw", _("at risk"), show.krw),
        retries,
        due,
        since("started_at", _("started")),
    )
    list_filter = (
        "status",
        OpenFilter,
        "failure_class",
        OutboundAssetFilter,
        "kind",
        "opening_rule",
        ("started_at", admin.DateFieldListFilter),
    )
    search_fields = ("code",)
    search_help_text = _("code, UUID, client order id, venue order id or txid")
    ordering = ("-id",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Cycle], search_term: str
    ) -> tuple[QuerySet[Cycle], bool]:
        """Search by every name a cycle has."""
        return selectors.matching(queryset, search_term), False

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Cycle | None:
        """Find a cycle by its UUID or its public code."""
        try:
            return selectors.cycle_by_code(object_id)
        except NotFoundError:
            return None

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Show one cycle: facts, holdings, options and timeline."""
        cycle = self.get_object(request, object_id)
        if not self.has_view_permission(request, cycle):
            raise PermissionDenied
        if cycle is None:
            raise Http404
        context = {**self.admin_site.each_context(request), **cycle_page.context(request, cycle)}
        return TemplateResponse(request, "admin/cycles/cycle.html", context)

    def get_urls(self) -> list[URLPattern]:
        """Put one address per verb before the table's own."""
        verbs = [
            path(
                f"<uuid:cycle_id>/{verb.value}/",
                self.admin_site.admin_view(_verb_view(verb.value)),
                name=f"cycles_cycle_{verb.value}",
            )
            for verb in VERBS
        ]
        return [*verbs, *super().get_urls()]


def _verb_view(name: str) -> Any:
    """Bind one verb to the page that all verbs share."""

    def view(request: HttpRequest, cycle_id: Any) -> HttpResponseBase:
        return verb_page.view(request, cycle_id, name)

    return view
