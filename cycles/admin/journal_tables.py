"""The journal: exchange calls, transitions, fills, retries, steps."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from cycles.admin import show
from cycles.admin.fixed_filters import (
    EventFilter,
    MarketFilter,
    SideFilter,
    VenueFilter,
    known_markets,
)
from cycles.admin.read_only import column, moment, word
from cycles.admin.searching import SearchedAdmin
from cycles.models import ExchangeCall, Fill, Retry, Step, Transition
from exchanges import registry


@admin.register(ExchangeCall)
class ExchangeCallAdmin(SearchedAdmin):
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
    whole = ("client_order_id", "venue_order_id", "request_id", "trace_id")
    list_select_related = ("cycle",)
    ordering = ("-id",)


@admin.register(Transition)
class TransitionAdmin(SearchedAdmin):
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
    whole = ("request_id", "trace_id")
    list_select_related = ("cycle",)
    ordering = ("-id",)


@admin.register(Fill)
class FillAdmin(SearchedAdmin):
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
    whole = ("venue_fill_id", "call")
    list_select_related = ("cycle",)
    ordering = ("-id",)

    def equal(self, name: str, text: str) -> Q:
        """Ask by the index that begins with venue and market; of a call, look it up first."""
        if name == "call":
            calls = ExchangeCall.objects.filter(client_order_id=text.lower())
            return Q(call__in=list(calls.values_list("pk", flat=True)))
        return Q(venue_fill_id=text, venue__in=registry.VENUES, market__in=known_markets())


@admin.register(Retry)
class RetryAdmin(SearchedAdmin):
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
    list_select_related = ("cycle",)
    ordering = ("-id",)


@admin.register(Step)
class StepAdmin(SearchedAdmin):
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
    list_select_related = ("cycle",)
    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Newest first, whatever the model's own order."""
        return super().get_queryset(request).order_by("-id")
