"""The registry of assets: what each venue's symbol and network is, and how far that is proven."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import CheckConstraint, F, Q, UniqueConstraint
from django.utils.translation import gettext_lazy as _

from exchanges.identity.listed import Standing, Tie
from exchanges.values import Listing


class IdentityState(models.TextChoices):
    """Whether a venue's name is tied to one asset.

    UNPROVEN: nothing is begun with it. BLOCKED: nothing is done with it; a person decides.
    """

    PROVEN = Standing.PROVEN.value, _("proven")
    UNPROVEN = Standing.UNPROVEN.value, _("unproven")
    BLOCKED = Standing.BLOCKED.value, _("blocked")


class AssetIdentity(models.Model):
    """A venue's symbol on one of its networks, tied to one asset: our code, the chain, the contract.

    The first columns are the venue's words; `asset`, `network` (the chain, by our code) and `contract`
    (empty: the chain's own coin) are ours. They stay when a proof is withdrawn: what was traded under
    that name must still be found. Triggers keep one coin behind one asset over all venues.
    """

    venue = models.CharField(_("venue"), max_length=16)
    venue_symbol = models.CharField(_("venue's symbol"), max_length=24)
    venue_network = models.CharField(_("venue's network"), max_length=32)
    title = models.CharField(_("venue's name of the asset"), max_length=80, blank=True)
    network_title = models.CharField(_("venue's name of the network"), max_length=80, blank=True)
    # Null: the venue tells none; empty: it says that there is none.
    told_contract = models.CharField(  # noqa: DJ001  the two are not the same
        _("contract, as the venue tells it"), max_length=128, null=True, blank=True
    )
    asset = models.CharField(_("asset"), max_length=16, blank=True, default="")
    network = models.CharField(_("chain"), max_length=32, blank=True, default="")
    contract = models.CharField(_("contract"), max_length=128, blank=True, default="")
    decimals = models.PositiveSmallIntegerField(_("decimals"), null=True, blank=True)
    state = models.CharField(
        _("state"), max_length=12, choices=IdentityState, default=IdentityState.UNPROVEN
    )
    decided_by = models.CharField(
        _("decided by"),
        max_length=150,  # a user's name, as Django keeps it
        blank=True,
        default="",
    )
    because = models.CharField(_("because"), max_length=400, blank=True, default="")
    decided_at = models.DateTimeField(_("decided"))
    version = models.PositiveIntegerField(_("version"), default=1)
    first_seen_at = models.DateTimeField(_("first seen"))
    fetched_at = models.DateTimeField(_("fetched at"))

    class Meta:
        verbose_name = _("asset identity")
        verbose_name_plural = _("asset identities")
        ordering: ClassVar = ["venue", "venue_symbol", "venue_network"]
        permissions: ClassVar = [
            ("prove_assetidentity", "Can prove what a venue's symbol is"),
            ("block_assetidentity", "Can block a venue's symbol"),
        ]
        constraints: ClassVar = [
            UniqueConstraint(
                fields=["venue", "venue_symbol", "venue_network"], name="asset_identity_once"
            ),
            UniqueConstraint(
                fields=["venue", "asset", "network"],
                name="asset_identity_one_name",
                condition=Q(state="PROVEN"),
            ),
            CheckConstraint(
                condition=Q(state__in=IdentityState.values), name="asset_identity_state_known"
            ),
            CheckConstraint(
                condition=~Q(state="PROVEN")
                | (~Q(asset="") & ~Q(network="") & Q(decimals__isnull=False) & ~Q(decided_by="")),
                name="asset_identity_proof_is_whole",
            ),
            # A contract that changes cannot leave its row proven.
            CheckConstraint(
                condition=~Q(state="PROVEN")
                | Q(told_contract__isnull=True)
                | Q(told_contract=F("contract")),
                name="asset_identity_contract_as_told",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.venue_symbol} on {self.venue_network} at {self.venue}"

    @property
    def listing(self) -> Listing:
        """Give what the venue said."""
        return Listing(
            venue=self.venue,
            symbol=self.venue_symbol,
            network=self.venue_network,
            title=self.title,
            network_title=self.network_title,
            contract=self.told_contract,
        )

    @property
    def tie(self) -> Tie:
        """Give what it is tied to, as names are translated by it."""
        return Tie(
            symbol=self.venue_symbol,
            venue_network=self.venue_network,
            asset=self.asset,
            network=self.network,
            standing=Standing(self.state),
        )
