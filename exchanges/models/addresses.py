"""The address book: our own deposit addresses, how far they are confirmed, and who lets us send there."""

from __future__ import annotations

import secrets
from typing import ClassVar

from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint
from django.utils.translation import gettext_lazy as _

from exchanges.values import DepositAddress

DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_LENGTH = 10
SHOWN_ENDS = 4  # characters at either end of a masked address


def new_code() -> str:
    """Make the code that people use for an address: ADR- and 50 random bits."""
    return "ADR-" + "".join(secrets.choice(DIGITS) for _ in range(CODE_LENGTH))


class AddressState(models.TextChoices):
    """How far an address is confirmed. Only a CONFIRMED one is withdrawn to; RETIRED is for ever."""

    PROPOSED = "PROPOSED", _("proposed")
    CONFIRMED = "CONFIRMED", _("confirmed")
    RETIRED = "RETIRED", _("retired")


class RegisteredAddress(models.Model):
    """A deposit address of ours: the only places a withdrawal may go to.

    `venue` is the venue that owns the address, and told it to us: nobody types one. What it says never
    changes (a trigger); CONFIRMED needs the confirmations of two different people (another).
    """

    code = models.CharField(_("code"), max_length=16, unique=True, default=new_code, editable=False)
    venue = models.CharField(_("venue"), max_length=16)
    asset = models.CharField(_("asset"), max_length=16)
    network = models.CharField(_("network"), max_length=32)
    address = models.CharField(_("address"), max_length=128)
    memo = models.CharField(_("memo"), max_length=64, blank=True, default="")
    state = models.CharField(
        _("state"), max_length=12, choices=AddressState, default=AddressState.PROPOSED
    )
    version = models.PositiveIntegerField(_("version"), default=1)
    proposed_at = models.DateTimeField(_("proposed"))
    confirmed_at = models.DateTimeField(_("confirmed"), null=True, blank=True)
    retired_at = models.DateTimeField(_("retired"), null=True, blank=True)
    retired_because = models.CharField(_("retired because"), max_length=200, blank=True, default="")
    fetched_at = models.DateTimeField(_("fetched at"))

    class Meta:
        verbose_name = _("registered address")
        verbose_name_plural = _("registered addresses")
        ordering: ClassVar = ["venue", "asset", "network"]
        permissions: ClassVar = [
            ("confirm_registeredaddress", "Can confirm a deposit address of ours"),
            ("retire_registeredaddress", "Can retire a deposit address of ours"),
        ]
        constraints: ClassVar = [
            # Two of them would leave it open where a withdrawal goes.
            UniqueConstraint(
                fields=["venue", "asset", "network"],
                name="registered_address_one_live",
                condition=~Q(state="RETIRED"),
            ),
            CheckConstraint(condition=~Q(address=""), name="registered_address_is_named"),
            CheckConstraint(
                condition=Q(state__in=AddressState.values), name="registered_address_state_known"
            ),
            CheckConstraint(
                condition=~Q(state="CONFIRMED") | Q(confirmed_at__isnull=False),
                name="registered_address_confirmed_when",
            ),
            CheckConstraint(
                condition=Q(state="RETIRED", retired_at__isnull=False)
                | (~Q(state="RETIRED") & Q(retired_at__isnull=True)),
                name="registered_address_retired_when",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.asset} on {self.network} at {self.venue}"

    @property
    def destination(self) -> DepositAddress:
        """Give the row as a value; an empty memo is None."""
        return DepositAddress(
            venue=self.venue,
            asset=self.asset,
            network=self.network,
            address=self.address,
            memo=self.memo or None,
        )

    @property
    def masked(self) -> str:
        """Give both ends of the address, for everybody's eyes."""
        return masked(self.address)


def masked(address: str) -> str:
    """Give both ends of an address; a short one gives nothing away."""
    if len(address) < 3 * SHOWN_ENDS:
        return "…"
    return f"{address[:SHOWN_ENDS]}…{address[-SHOWN_ENDS:]}"


class AllowedDestination(models.Model):
    """One of our addresses on the allow-list of a venue that would send there, as it last told us."""

    address = models.ForeignKey(
        RegisteredAddress,
        verbose_name=_("address"),
        on_delete=models.PROTECT,
        related_name="allowances",
    )
    sender = models.CharField(_("sending venue"), max_length=16)
    fetched_at = models.DateTimeField(_("fetched at"))

    class Meta:
        verbose_name = _("allowed destination")
        verbose_name_plural = _("allowed destinations")
        constraints: ClassVar = [
            UniqueConstraint(fields=["address", "sender"], name="allowed_destination_once")
        ]

    def __str__(self) -> str:
        return f"{self.address} from {self.sender}"
