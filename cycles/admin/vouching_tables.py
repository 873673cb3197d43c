"""The address book, the registry of assets, who vouched for what, and held deposits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from cycles import selectors
from cycles.admin import show
from cycles.admin.fixed_filters import VenueFilter
from cycles.admin.navigation import user_of
from cycles.admin.read_only import Column, ReadOnlyAdmin, column, moment, since, word
from cycles.domain.words import Verb
from cycles.models import AddressConfirmation, DepositVerification
from cycles.services import addressing
from cycles.services.intervening import PERMISSIONS
from exchanges.models import AddressState, AssetIdentity, IdentityState, RegisteredAddress

HIDDEN_MEMO = "•••"


@admin.display(description=_("address"))
def masked(row: RegisteredAddress) -> str:
    """Show both ends of an address."""
    return row.masked


@admin.display(description=_("memo"))
def hidden_memo(row: RegisteredAddress) -> str:
    """Show that there is a memo."""
    return HIDDEN_MEMO if row.memo else show.NOTHING


@admin.display(description=_("confirmed by"))
def confirmers(row: Any) -> str:
    """Show who has confirmed it."""
    names = [one.user.get_username() for one in row.confirmations.all()]
    return f"{len(names)}/{addressing.NEEDED} {', '.join(names)}".strip()


@admin.display(description=_("allowed by"))
def senders(row: Any) -> str:
    """Show which venues let us send there."""
    return ", ".join(one.sender for one in row.allowances.all()) or show.NOTHING


def links(name: str, acts: list[tuple[str, Any]], *args: Any) -> SafeString:
    """Give the ways to a row's forms."""
    made = ((reverse(name, args=[*args, slug]), label) for slug, label in acts)
    return format_html_join(" ", '<a class="button small" href="{}">{}…</a>', made)


def with_acts(columns: Sequence[Any], acts: Column) -> tuple[Any, ...]:
    """Put what a person may do right behind the state: a wide table's last columns are out of sight."""
    names = [getattr(column, "__name__", column) for column in columns]
    at = names.index("state") + 1
    return (*columns[:at], acts, *columns[at:])


def _address_acts(request: HttpRequest) -> Column:
    """Make the column of what this person may do to an address."""
    user = user_of(request)

    @admin.display(description="")
    def acts(row: RegisteredAddress) -> SafeString:
        offered = []
        if row.state == AddressState.PROPOSED and addressing.may_see(user):
            offered.append(("confirm", _("confirm")))
        may_retire = user.has_perm(PERMISSIONS[Verb.RETIRE_ADDRESS])
        if row.state != AddressState.RETIRED and may_retire:
            offered.append(("retire", _("retire")))
        return links("admin:address_verb", offered, row.code)

    return acts


def _identity_acts(request: HttpRequest) -> Column:
    """Make the column of what this person may do to a venue's name."""
    user = user_of(request)

    @admin.display(description="")
    def acts(row: AssetIdentity) -> SafeString:
        offered = []
        proven = row.state == IdentityState.PROVEN
        if not proven and user.has_perm(PERMISSIONS[Verb.PROVE_ASSET]):
            offered.append(("prove", _("prove")))
        blocked = row.state == IdentityState.BLOCKED
        if not blocked and user.has_perm(PERMISSIONS[Verb.BLOCK_ASSET]):
            offered.append(("block", _("block")))
        return links("admin:identity_verb", offered, row.pk)

    return acts


@admin.register(RegisteredAddress)
class RegisteredAddressAdmin(ReadOnlyAdmin):
    list_display = (
        "code",
        "venue",
        "asset",
        "network",
        masked,
        word("state", _("state")),
        confirmers,
        senders,
        since("fetched_at", _("fetched at")),
    )
    list_filter = ("state", "venue", "asset")
    search_fields = ("code", "asset", "network")

    def get_queryset(self, request: HttpRequest) -> QuerySet[RegisteredAddress]:
        """Read each row with who vouches for it."""
        return selectors.address_book()

    def get_list_display(self, request: HttpRequest) -> Any:
        """Add what this person may do."""
        return with_acts(self.list_display, _address_acts(request))

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        """Show whole addresses to those who may confirm them, and both ends to everybody else."""
        fields = super().get_fields(request, obj)
        hidden = {} if addressing.may_see(user_of(request)) else HIDDEN
        shown = [hidden.get(name, name) if isinstance(name, str) else name for name in fields]
        return [*shown, confirmers, senders, _address_acts(request)]


HIDDEN: dict[str, Any] = {"address": masked, "memo": hidden_memo}


@admin.register(AddressConfirmation)
class AddressConfirmationAdmin(ReadOnlyAdmin):
    list_display = (
        moment("at", _("at")),
        column("address__code", _("address"), str),
        "address",
        "user",
        "seen_version",
        "is_simulated",
    )
    list_filter = ("is_simulated",)
    search_fields = ("address__code", "user__username")
    list_select_related = ("address", "user")
    ordering = ("-id",)


@admin.register(AssetIdentity)
class AssetIdentityAdmin(ReadOnlyAdmin):
    list_display = (
        "venue",
        "venue_symbol",
        "venue_network",
        word("state", _("state")),
        "title",
        "network_title",
        "asset",
        "network",
        "because",
        "decided_by",
        since("fetched_at", _("fetched at")),
    )
    list_filter = ("state", "venue", "venue_symbol")
    search_fields = ("venue_symbol", "asset", "contract", "told_contract")

    def get_list_display(self, request: HttpRequest) -> Any:
        """Add what this person may do."""
        return with_acts(self.list_display, _identity_acts(request))

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        """Add the same to the page."""
        return [*super().get_fields(request, obj), _identity_acts(request)]


@admin.display(description=_("cycle"))
def cycle_of(row: DepositVerification) -> SafeString:
    """Lead to the cycle that waits for the deposit."""
    cycle = row.step.cycle
    url = reverse("admin:cycles_cycle_change", args=[cycle.pk])
    return format_html('<a href="{}">{}</a>', url, cycle.code)


@admin.register(DepositVerification)
class DepositVerificationAdmin(ReadOnlyAdmin):
    list_display = (
        moment("asked_at", _("asked")),
        "venue",
        "sender",
        cycle_of,
        word("outcome", _("outcome")),
        "attempts",
        "detail",
    )
    list_filter = (VenueFilter, "outcome")
    search_fields = ("=venue_deposit_id", "step__cycle__code")
    list_select_related = ("step__cycle",)
