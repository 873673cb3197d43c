"""Samples and what they are rolled up into: tables of many millions, of which nothing here reads all."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from cycles.admin import show
from cycles.admin.read_only import column, moment
from cycles.admin.searching import SeriesAdmin
from cycles.models import PremiumHour, PremiumMinute, PremiumSample
from cycles.models.roll_up import RollUp
from cycles.selectors.premia import series_of


class SeriesFilter(admin.SimpleListFilter):
    """Narrows the list to one value; the choices come from the index, not from every row."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Give the values that the table's series have."""
        found = {one[self.parameter_name or ""] for one in series_of(model_admin.model)}
        return [(value, value) for value in sorted(found)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Narrow the list."""
        chosen = self.value()
        return queryset.filter(**{str(self.parameter_name): chosen}) if chosen else queryset


class AssetFilter(SeriesFilter):
    title, parameter_name = _("asset"), "asset"


class KoreaVenueFilter(SeriesFilter):
    title, parameter_name = _("Korean venue"), "korea_venue"


class MeasureFilter(SeriesFilter):
    title, parameter_name = _("measure"), "measure"


@admin.display(description=_("mean"))
def mean(row: RollUp) -> str:
    """Give the mean of a bucket, to the fourth digit."""
    return show.quantity(round(row.mean, 4))


@admin.register(PremiumSample)
class PremiumSampleAdmin(SeriesAdmin):
    list_display = (
        moment("at", _("at")),
        "asset",
        "korea_venue",
        column("size_usdt", _("size, USDT"), show.usdt),
        column("outbound_traded_bps", _("out, traded"), show.bps),
        column("return_traded_bps", _("back, traded"), show.bps),
        column("outbound_official_bps", _("out, official"), show.bps),
        column("return_official_bps", _("back, official"), show.bps),
        column("krw_per_usdt_bid", _("KRW per USDT"), show.quantity),
        column("krw_per_usd", _("KRW per USD"), show.quantity),
        "is_generated",
    )
    list_filter = (AssetFilter, KoreaVenueFilter, "is_generated")
    ordering = (
        "-id",
    )  # as they came, by the primary key: no index has all series by their instants
    sortable_by = ()


@admin.register(PremiumMinute, PremiumHour)
class RollUpAdmin(SeriesAdmin):
    list_display = (
        moment("at", _("begins")),
        "asset",
        "korea_venue",
        "measure",
        "count",
        column("first", _("first"), show.quantity),
        column("last", _("last"), show.quantity),
        column("low", _("lowest"), show.quantity),
        column("high", _("highest"), show.quantity),
        mean,
    )
    list_filter = (AssetFilter, KoreaVenueFilter, MeasureFilter)
    ordering = ("-id",)
    sortable_by = ()
