"""Reads of the address book and of the registry of assets."""

from __future__ import annotations

from django.db.models import Case, Count, IntegerField, QuerySet, When

from cycles.errors import NotFoundError
from cycles.models import Intervention
from exchanges.models import AddressState, AssetIdentity, RegisteredAddress


def address_book() -> QuerySet[RegisteredAddress]:
    """Give the whole book with how many people have confirmed each; what waits comes first."""
    rank = Case(
        When(state=AddressState.PROPOSED, then=0),
        When(state=AddressState.CONFIRMED, then=1),
        default=2,
        output_field=IntegerField(),
    )
    rows = RegisteredAddress.objects.annotate(
        confirmers=Count("confirmations__user", distinct=True)
    )
    return rows.prefetch_related("allowances", "confirmations__user").order_by(
        rank, "venue", "asset", "network", "-pk"
    )


def address_by_code(code: str) -> RegisteredAddress:
    """Find an address. Raises NotFoundError."""
    row = address_book().filter(code=code.upper()).first()
    if row is None:
        raise NotFoundError("there is no address %(code)s", code=code)
    return row


def proposals() -> int:
    """Count the addresses that wait for people."""
    return RegisteredAddress.objects.filter(state=AddressState.PROPOSED).count()


def identities() -> QuerySet[AssetIdentity]:
    """Give every name of every venue."""
    return AssetIdentity.objects.order_by("venue", "venue_symbol", "venue_network")


def identity_by_name(venue: str, symbol: str, network: str) -> AssetIdentity:
    """Find a venue's name. Raises NotFoundError."""
    row = identities().filter(venue=venue, venue_symbol=symbol, venue_network=network).first()
    if row is None:
        raise NotFoundError(
            "%(venue)s lists no %(symbol)s on %(network)s that the registry knows",
            venue=venue,
            symbol=symbol,
            network=network,
        )
    return row


def acts_on_address(code: str) -> QuerySet[Intervention]:
    """Give what people did to an address, newest first."""
    return Intervention.objects.filter(payload__address=code).select_related("user").order_by("-id")


def acts_on_identity(identity: AssetIdentity) -> QuerySet[Intervention]:
    """Give what people did to a venue's name, newest first."""
    name = {
        "venue": identity.venue,
        "symbol": identity.venue_symbol,
        "network": identity.venue_network,
    }
    rows = Intervention.objects.filter(payload__name=name)
    return rows.select_related("user").order_by("-id")
