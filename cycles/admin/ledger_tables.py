"""The ledger: postings with their entries, and what accounts hold."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from cycles.admin import show
from cycles.admin.fixed_filters import AssetFilter, VenueFilter
from cycles.admin.read_only import BaseInline, column, moment, word
from cycles.admin.searching import SearchedAdmin
from cycles.models import Account, Entry, Posting


class EntryLines(BaseInline):
    model = Entry
    extra = 0
    can_delete = False
    fields = ("account", "asset", "amount")
    readonly_fields = ("asset", "amount")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Say no."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Say no."""
        return False

    @admin.display(description=_("asset"))
    def asset(self, entry: Entry) -> str:
        """Give the entry's asset."""
        return entry.account.asset

    @admin.display(description=_("quantity"))
    def amount(self, entry: Entry) -> str:
        """Give the entry's signed quantity."""
        return show.quantity(entry.quantity)


@admin.register(Posting)
class PostingAdmin(SearchedAdmin):
    list_display = ("key", word("kind", _("kind")), "cycle", "memo", moment("at", _("at")))
    list_filter = ("kind",)
    begun = ("key",)
    list_select_related = ("cycle",)
    ordering = ("-id",)
    inlines = (EntryLines,)


@admin.register(Account)
class AccountAdmin(SearchedAdmin):
    list_display = (
        "venue",
        "asset",
        word("owner", _("owner")),
        "cycle",
        column("balance", _("balance"), show.quantity),
    )
    list_filter = ("owner", VenueFilter, AssetFilter)
    list_select_related = ("cycle",)
    ordering = ("venue", "asset", "owner", "cycle_id")  # as an index has them
