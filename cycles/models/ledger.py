"""The double-entry ledger: append-only, every posting zero per asset (triggers see to both)."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from cycles.domain.words import AccountOwner, PostingKind
from cycles.models.fields import Correlated, money

# Owners whose accounts hold assets at a venue or on the way; a trigger keeps their balance.
HOLDING_OWNERS = ("DESK", "CYCLE", "IN_FLIGHT", "SUSPENSE", "DUST")
CYCLE_OWNERS = ("CYCLE", "IN_FLIGHT", "SUSPENSE")


class Account(models.Model):
    """(venue, asset, owner): holding accounts carry a balance, kept by the entries' trigger.

    Desk, cycle, in-flight and dust accounts cannot go below zero: whoever commits second to the
    last of the desk's USDT is refused by the database.
    """

    venue = models.CharField(_("venue"), max_length=16)
    asset = models.CharField(_("asset"), max_length=12)
    owner = models.CharField(_("owner"), max_length=16, choices=AccountOwner)
    cycle = models.ForeignKey(
        "cycles.Cycle",
        verbose_name=_("cycle"),
        null=True,
        on_delete=models.PROTECT,
        related_name="accounts",
    )
    balance = money(_("balance"), default=Decimal(0), editable=False)

    class Meta:
        verbose_name = _("account")
        verbose_name_plural = _("accounts")
        ordering = ("venue", "asset", "owner")
        constraints = (
            models.UniqueConstraint(
                fields=("venue", "asset", "owner", "cycle"),
                name="account_once",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                name="account_owner_known", condition=Q(owner__in=AccountOwner.values)
            ),
            models.CheckConstraint(
                name="account_not_overdrawn",
                condition=~Q(owner__in=["DESK", "CYCLE", "IN_FLIGHT", "DUST"]) | Q(balance__gte=0),
            ),
            models.CheckConstraint(
                name="account_cycle_named",
                condition=Q(owner__in=CYCLE_OWNERS, cycle__isnull=False)
                | (~Q(owner__in=CYCLE_OWNERS) & Q(cycle__isnull=True)),
            ),
        )
        indexes = (
            models.Index(
                F("cycle"),
                name="account_of_cycle",
                condition=Q(cycle__isnull=False) & ~Q(balance=0),
            ),
        )

    def __str__(self) -> str:
        return f"{self.venue} {self.asset} {self.owner}"


class Posting(Correlated):
    """A balanced group of entries; append-only. `key` makes posting the same fact twice impossible."""

    key = models.CharField(_("key"), max_length=160, unique=True)
    kind = models.CharField(_("kind"), max_length=12, choices=PostingKind)
    cycle = models.ForeignKey(
        "cycles.Cycle",
        verbose_name=_("cycle"),
        null=True,
        on_delete=models.PROTECT,
        related_name="postings",
    )
    step = models.ForeignKey(
        "cycles.Step",
        verbose_name=_("step"),
        null=True,
        on_delete=models.PROTECT,
        related_name="postings",
        db_index=False,
    )
    memo = models.CharField(_("memo"), max_length=200, blank=True, default="")
    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("posting")
        verbose_name_plural = _("postings")
        ordering = ("id",)
        constraints = (
            models.CheckConstraint(
                name="posting_kind_known", condition=Q(kind__in=PostingKind.values)
            ),
        )

    def __str__(self) -> str:
        return self.key


class Entry(models.Model):
    """One signed line of a posting, in one asset; append-only."""

    posting = models.ForeignKey(
        Posting, verbose_name=_("posting"), on_delete=models.PROTECT, related_name="entries"
    )
    account = models.ForeignKey(
        Account, verbose_name=_("account"), on_delete=models.PROTECT, related_name="entries"
    )
    quantity = money(_("quantity"))

    class Meta:
        verbose_name = _("entry")
        verbose_name_plural = _("entries")
        ordering = ("id",)
        constraints = (models.CheckConstraint(name="entry_not_zero", condition=~Q(quantity=0)),)

    def __str__(self) -> str:
        return f"{self.quantity}"
