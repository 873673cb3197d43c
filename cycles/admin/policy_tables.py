"""The policy's history and the desk's pauses; both change through forms of their own."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from cycles.admin import show
from cycles.admin.read_only import ReadOnlyAdmin, column, moment
from cycles.models import Pause, PolicyVersion


@admin.register(PolicyVersion)
class PolicyVersionAdmin(ReadOnlyAdmin):
    list_display = (
        "number",
        "opening_rule",
        "sizing",
        column("notional_usdt", _("notional, USDT"), show.usdt),
        column("min_open_edge_bps", _("edge to open at least, bps"), show.bps),
        column("min_rebalance_edge_bps", _("edge to rebalance at least, bps"), show.bps),
        "created_by",
        "reason",
        moment("created_at", _("created")),
    )
    search_fields = ("=number", "created_by", "reason")
    ordering = ("-number",)
    change_list_template = "admin/cycles/policies.html"


@admin.register(Pause)
class PauseAdmin(ReadOnlyAdmin):
    list_display = (
        "scope",
        "key",
        "reason",
        column("created_by", _("created by"), lambda user: user or show.NOTHING),
        moment("created_at", _("since")),
    )
    list_filter = ("scope",)
    search_fields = ("key", "reason")
    list_select_related = ("created_by",)
