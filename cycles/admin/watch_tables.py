"""How the venues are watched, and what they showed."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from cycles.admin import show
from cycles.admin.fixed_filters import VenueFilter, status_of
from cycles.admin.read_only import ReadOnlyAdmin, column, moment
from cycles.admin.searching import SeenAdmin
from cycles.models import SeenDeposit, SeenOrder, SeenWithdrawal, VenueWatch
from exchanges.values import DepositStatus, OrderStatus, WithdrawalStatus


@admin.register(VenueWatch)
class VenueWatchAdmin(ReadOnlyAdmin):
    list_display = (
        "venue",
        "kind",
        moment("looked_at", _("looked")),
        moment("covers_since", _("reaches back to")),
        "calls",
        "failures",
        moment("not_before", _("not again before")),
        "error",
        "owner",
    )
    list_filter = ("venue", "kind")
    search_fields = ("owner",)


@admin.register(SeenOrder)
class SeenOrderAdmin(SeenAdmin):
    list_display = (
        "venue",
        "client_order_id",
        "market",
        column("quantity", _("quantity"), show.quantity),
        column("executed_quantity", _("executed"), show.quantity),
        "status",
        "detail",
        "is_shown",
        moment("changed_at", _("changed")),
    )
    list_filter = (VenueFilter, status_of(OrderStatus), "is_shown")
    whole = ("client_order_id",)


class SeenTransferAdmin(SeenAdmin):
    """What withdrawals and deposits are both shown by."""

    list_display = (
        "venue",
        "asset",
        "network",
        column("quantity", _("quantity"), show.quantity),
        "status",
        "detail",
        "is_shown",
        moment("created_at", _("created there")),
        moment("changed_at", _("changed")),
    )


@admin.register(SeenWithdrawal)
class SeenWithdrawalAdmin(SeenTransferAdmin):
    list_filter = (VenueFilter, status_of(WithdrawalStatus), "is_shown")
    whole = ("venue_withdrawal_id",)


@admin.register(SeenDeposit)
class SeenDepositAdmin(SeenTransferAdmin):
    list_filter = (VenueFilter, status_of(DepositStatus), "is_shown")
    whole = ("venue_deposit_id", "txid_key")
