"""The journal: exchange calls, transitions, fills, retries, steps."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from cycles.admin import show
from cycles.admin.fixed_filters import EventFilter, MarketFilter, SideFilter, VenueFilter
from cycles.admin.read_only import ReadOnlyAdmin, column, moment, word
from cycles.models import ExchangeCall, Fill, Retry, Step, Transition


@admin.register(ExchangeCall)
class ExchangeCallAdmin(ReadOnlyAdmin):
    list_display = (
        "client_order_id",
        "cycle",
        "operation",
        "venue",
        word("outcome", _("outcome")),
        "venue_order_id",
        column("duration_ms", _("duration, ms"), lambda ms: show.NOTHING if ms is None else ms),
        moment("intended_at", _("intended")),
    )
    list_filter = ("outcome", "operation", VenueFilter, "is_settled")
    search_fields = (
        "=client_order_id",
        "=venue_order_id",
        "cycle__code",
        "=request_id",
        "=trace_id",
    )
    list_select_related = ("cycle",)
    ordering = ("-id",)


@admin.register(Transition)
class TransitionAdmin(ReadOnlyAdmin):
    list_display = (
        "cycle",
        "version",
        word("from_status", _("from")),
        word("to_status", _("to")),
        "event",
        "actor",
        moment("at", _("at")),
    )
    list_filter = ("to_status", EventFilter)
    search_fields = ("cycle__code", "actor", "=request_id", "=session_id", "=trace_id")
    list_select_related = ("cycle",)
    ordering = ("-id",)


@admin.register(Fill)
class FillAdmin(ReadOnlyAdmin):
    list_display = (
        "cycle",
        "venue",
        "market",
        "side",
        column("price", _("price"), show.quantity),
        column("quantity", _("quantity"), show.quantity),
        column("notional", _("notional"), show.quantity),
        column("fee", _("fee"), show.quantity),
        "fee_asset",
        moment("at", _("at")),
    )
    list_filter = (VenueFilter, SideFilter, MarketFilter)
    search_fields = ("cycle__code", "=venue_fill_id", "=call__client_order_id")
    list_select_related = ("cycle",)
    ordering = ("-id",)


@admin.register(Retry)
class RetryAdmin(ReadOnlyAdmin):
    list_display = (
        "cycle",
        "attempt",
        "failure_class",
        "error",
        "plan",
        moment("next_retry_at", _("next retry")),
        moment("at", _("at")),
    )
    list_filter = ("failure_class", "plan")
    search_fields = ("cycle__code", "error")
    list_select_related = ("cycle",)
    ordering = ("-id",)


@admin.register(Step)
class StepAdmin(ReadOnlyAdmin):
    list_display = (
        "cycle",
        "position",
        "passage",
        "kind",
        "asset",
        "venue",
        word("state", _("state")),
        "attempt",
        column("quantity_in", _("given"), show.quantity),
        column("quantity_out", _("yielded"), show.quantity),
        moment("settled_at", _("settled")),
    )
    list_filter = ("state", "passage", "kind", VenueFilter)
    search_fields = ("cycle__code",)
    list_select_related = ("cycle",)
    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Newest first, whatever the model's own order."""
        return super().get_queryset(request).order_by("-id")
