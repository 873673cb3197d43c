"""What the desk knows of markets and venues: rules and how they changed, routes, limits, clocks."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from cycles.admin import show
from cycles.admin.fixed_filters import RuleFilter, VenueFilter
from cycles.admin.read_only import ReadOnlyAdmin, column, moment
from exchanges.models import (
    MarketRule,
    NetworkRule,
    RateWindow,
    RuleChange,
    TransferRoute,
    VenueClock,
)


@admin.register(MarketRule)
class MarketRuleAdmin(ReadOnlyAdmin):
    list_display = (
        "venue",
        "market",
        "is_open",
        column("quantity_step", _("quantity step"), show.quantity),
        column("minimum_notional", _("minimum notional"), show.quantity),
        column("taker_fee_rate", _("taker fee rate"), show.quantity),
        moment("fetched_at", _("fetched at")),
    )
    list_filter = ("venue", "is_open")
    search_fields = ("market",)


@admin.register(NetworkRule)
class NetworkRuleAdmin(ReadOnlyAdmin):
    list_display = (
        "venue",
        "asset",
        "network",
        "withdraw_is_open",
        "deposit_is_open",
        column("withdraw_fee", _("withdrawal fee"), show.quantity),
        column("withdraw_minimum", _("withdrawal minimum"), show.quantity),
        "confirmations",
        moment("fetched_at", _("fetched at")),
    )
    list_filter = ("venue", "withdraw_is_open", "deposit_is_open")
    search_fields = ("asset", "network")


@admin.register(TransferRoute)
class TransferRouteAdmin(ReadOnlyAdmin):
    list_display = (
        "asset",
        "from_venue",
        "to_venue",
        "network",
        "is_allowed",
        "expected_seconds",
        "overdue_seconds",
    )
    list_filter = ("is_allowed", "from_venue", "to_venue")
    search_fields = ("asset", "network")


@admin.register(RateWindow)
class RateWindowAdmin(ReadOnlyAdmin):
    list_display = (
        "venue",
        "name",
        "scope",
        "most",
        "used_now",
        moment("told_at", _("limit told by the venue at")),
        moment("held_until", _("held until")),
        "held_because",
    )
    list_filter = ("venue", "held_because")
    search_fields = ("name",)

    @admin.display(description=_("used when last asked"))
    def used_now(self, row: RateWindow) -> int:
        """Give what of the window is used now; nothing that the database could sort by."""
        return row.used_now


@admin.register(VenueClock)
class VenueClockAdmin(ReadOnlyAdmin):
    list_display = (
        "venue",
        "host",
        "stopped_because",
        "ahead_ms",
        "doubt_ms",
        moment("measured_at", _("measured at")),
        moment("stopped_at", _("trading stopped at")),
    )
    list_filter = ("venue",)
    search_fields = ("host",)


@admin.register(RuleChange)
class RuleChangeAdmin(ReadOnlyAdmin):
    list_display = (
        moment("noticed_at", _("noticed")),
        "venue",
        "subject",
        "rule",
        "before",
        "after",
    )
    list_filter = (VenueFilter, RuleFilter, ("noticed_at", admin.DateFieldListFilter))
    search_fields = ("subject", "rule")
