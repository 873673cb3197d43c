"""What people vouch for: confirmations of our own addresses, one row a person."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class AddressConfirmation(models.Model):
    """One person has compared an address with its venue's own page; append-only.

    `fingerprint` says which address, memo and network were seen. `is_simulated` marks the two stand-ins
    of a simulated desk, whom a LIVE database refuses. All of it is checked by triggers.
    """

    address = models.ForeignKey(
        "exchanges.RegisteredAddress",
        verbose_name=_("address"),
        on_delete=models.PROTECT,
        related_name="confirmations",
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        on_delete=models.PROTECT,
        related_name="+",
    )
    intervention = models.OneToOneField(
        "cycles.Intervention",
        verbose_name=_("intervention"),
        on_delete=models.PROTECT,
        related_name="+",
    )
    seen_version = models.PositiveIntegerField(_("seen version"))
    fingerprint = models.CharField(_("fingerprint"), max_length=64)
    is_simulated = models.BooleanField(_("by a stand-in"), default=False)
    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("address confirmation")
        verbose_name_plural = _("address confirmations")
        ordering = ("id",)
        constraints = (
            # Two confirmations are two people.
            models.UniqueConstraint(
                fields=("address", "user"), name="address_confirmation_once_a_person"
            ),
        )

    def __str__(self) -> str:
        return f"{self.address} by {self.user}"


class DepositVerification(models.Model):
    """What came of telling a venue whose account a held deposit came from (travel rule).

    One row a deposit: `asked_at` is the newest attempt, by the database's clock, so that no two processes
    ask within the venue's ten minutes.
    """

    class Outcome(models.TextChoices):
        """What the newest attempt came to; ASKED after its worker is gone may have been anything."""

        ASKED = "ASKED", _("asked")
        RELEASED = "RELEASED", _("released")
        HELD = "HELD", _("held on")
        UNKNOWN = "UNKNOWN", _("unknown")
        REFUSED = "REFUSED", _("refused")

    venue = models.CharField(_("venue"), max_length=16)
    venue_deposit_id = models.CharField(_("venue's deposit id"), max_length=80)
    step = models.ForeignKey(
        "cycles.Step", verbose_name=_("step"), on_delete=models.PROTECT, related_name="+"
    )
    sender = models.CharField(_("sending venue"), max_length=16)
    attempts = models.PositiveIntegerField(_("attempts"), default=1)
    asked_at = models.DateTimeField(_("asked"))
    outcome = models.CharField(_("outcome"), max_length=12, choices=Outcome, default=Outcome.ASKED)
    detail = models.CharField(_("detail"), max_length=200, blank=True, default="")

    class Meta:
        verbose_name = _("deposit verification")
        verbose_name_plural = _("deposit verifications")
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("venue", "venue_deposit_id"), name="deposit_verification_once"
            ),
            models.CheckConstraint(
                name="deposit_verification_outcome_known",
                condition=models.Q(outcome__in=["ASKED", "RELEASED", "HELD", "UNKNOWN", "REFUSED"]),
            ),
        )

    def __str__(self) -> str:
        return f"{self.venue} {self.venue_deposit_id} {self.outcome}"
