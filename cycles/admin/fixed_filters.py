"""Filters whose choices are known: Django would ask a table that stays for ever for all its different values."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from cycles.domain.words import FailureClass, Verb
from cycles.services.dead_letters import AUTO_RECOVERED
from cycles.services.replanning import EVENT as CAUGHT_UP
from exchanges import registry
from exchanges.models import MarketRule, NetworkRule
from exchanges.values import Side

# What `move` and `write_transition` are told by the services (a test reads them).
EVENTS = (
    "opened",
    "outbound_settled",
    "awaits_way_back",
    "way_back_clears",
    "no_longer_clears",
    "not_bought",
    "rest_awaits_way_back",
    "return_settled",
    "books_closed",
    "resumed",
    "unwound",
    AUTO_RECOVERED,
    CAUGHT_UP,
    *(verb.value for verb in (Verb.REDRIVE, Verb.UNWIND, Verb.RESOLVE, Verb.WRITE_OFF)),
    *(f"{what}:{failure}" for what in ("failed", "dead") for failure in FailureClass.values),
)
NO_RULES = frozenset({"id", "venue", "market", "asset", "network", "fetched_at", "refused_at"})

Choices = Callable[[], Iterable[str]]


class FixedFilter(admin.SimpleListFilter):
    """Narrows the list to one value of a column."""

    choices_of: Choices

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Give the values that are known, and the one that was asked for: a market may be gone, its fills are not."""
        known = dict.fromkeys(type(self).choices_of())
        asked = dict.fromkeys(filter(None, [self.value()]))
        return [(value, value) for value in known | asked]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Narrow the list."""
        chosen = self.value()
        return queryset.filter(**{str(self.parameter_name): chosen}) if chosen else queryset


def one_of(column: str, title: Any, choices: Choices) -> type[FixedFilter]:
    """Make the filter of a column."""
    facts = {"title": title, "parameter_name": column, "choices_of": staticmethod(choices)}
    return type(f"{column.title()}Filter", (FixedFilter,), facts)


def status_of(words: type[StrEnum]) -> type[FixedFilter]:
    """Make the filter of a status that a venue's report has."""
    return one_of("status", _("status"), lambda: [word.value for word in words])


def known_markets() -> list[str]:
    """Give the markets of the venues' rules, a table of tens."""
    return sorted(set(MarketRule.objects.order_by().values_list("market", flat=True)))


def _assets() -> list[str]:
    return sorted({asset for market in known_markets() for asset in market.split("/")})


def _rules() -> list[str]:
    fields = (*MarketRule._meta.fields, *NetworkRule._meta.fields)  # noqa: SLF001  Django's documented API
    return sorted({field.name for field in fields} - NO_RULES)


VenueFilter = one_of("venue", _("venue"), lambda: registry.VENUES)
SideFilter = one_of("side", _("side"), lambda: [side.value for side in Side])
MarketFilter = one_of("market", _("market"), known_markets)
AssetFilter = one_of("asset", _("asset"), _assets)
OutboundAssetFilter = one_of("outbound_asset", _("outbound asset"), _assets)
EventFilter = one_of("event", _("event"), lambda: EVENTS)
RuleFilter = one_of("rule", _("rule"), _rules)
