"""What venues said when they were last looked at: facts, written by whoever looked, read by all cycles.

They decide nothing. A row is told apart by the venue's own id and changes only by a newer look.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from cycles.domain.words import WatchKind
from cycles.models.fields import money
from exchanges.values import DepositStatus, OrderStatus, WithdrawalStatus


class VenueWatch(models.Model):
    """Where looking at a venue for one kind of fact stands: one look at a time, whoever takes it.

    A look is a lease: `owner` has it until `expires_at`, `number` counts those that were granted.
    `looked_at` is when the newest complete one began, `asked_since` how far back it was to reach and
    `covers_since` how far it did. The row of kind STREAM is held for longer, by the process that listens
    to the venue's private stream.
    """

    venue = models.CharField(_("venue"), max_length=16)
    kind = models.CharField(_("kind"), max_length=12, choices=WatchKind)
    owner = models.CharField(_("owner"), max_length=96, blank=True, default="")
    expires_at = models.DateTimeField(_("expires"), null=True)
    number = models.PositiveBigIntegerField(_("looks begun"), default=0)
    done_number = models.PositiveBigIntegerField(_("newest complete look"), default=0)
    looked_at = models.DateTimeField(_("looked"), null=True)
    asked_since = models.DateTimeField(_("asked back to"), null=True)
    covers_since = models.DateTimeField(_("reaches back to"), null=True)
    calls = models.PositiveSmallIntegerField(_("calls of the last look"), default=0)
    unreadable: models.JSONField[Any, Any] = models.JSONField(
        _("assets with unreadable rows"), default=list
    )
    failures = models.PositiveSmallIntegerField(_("failures in a row"), default=0)
    not_before = models.DateTimeField(_("not again before"), null=True)
    error = models.TextField(_("error"), blank=True, default="")

    class Meta:
        verbose_name = _("venue watch")
        verbose_name_plural = _("venue watches")
        ordering = ("venue", "kind")
        constraints = (
            models.UniqueConstraint(fields=("venue", "kind"), name="watch_once"),
            models.CheckConstraint(name="watch_kind_known", condition=Q(kind__in=WatchKind.values)),
            models.CheckConstraint(
                name="watch_lease_is_whole",
                condition=Q(owner="", expires_at__isnull=True)
                | (~Q(owner="") & Q(expires_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="watch_look_was_begun", condition=Q(done_number__lte=F("number"))
            ),
        )

    def __str__(self) -> str:
        return f"{self.venue} {self.kind}"


class Seen(models.Model):
    """What every seen row has: the venue's word, ours for it, and when it changed.

    `look` is the number of the look that last changed it. `is_shown`: the newest look that should have
    shown it did; one that was undone on its chain, say, is shown no more. What venues write has no
    length of ours: one odd row must not keep the others from being written.
    """

    venue = models.CharField(_("venue"), max_length=16)
    status = models.CharField(_("status"), max_length=12)
    detail = models.TextField(_("in the venue's word"), blank=True, default="")
    created_at = models.DateTimeField(_("created there"), null=True)
    first_seen_at = models.DateTimeField(_("first seen"))
    changed_at = models.DateTimeField(_("changed"))
    look = models.PositiveBigIntegerField(_("look"))
    is_shown = models.BooleanField(_("shown"), default=True)

    class Meta:
        abstract = True

    def is_known_by(self, instant: datetime | None) -> bool:
        """Say whether all of it was known by an instant, if one is named; that it is shown no more tells nothing."""
        if instant is None:
            return True
        is_news = self.is_shown and self.changed_at > instant
        return self.first_seen_at <= instant and not is_news


class SeenWithdrawal(Seen):
    """A withdrawal of the account; of its address only a hash."""

    venue_withdrawal_id = models.TextField(_("venue withdrawal id"))
    client_withdrawal_id = models.TextField(_("client withdrawal id"), blank=True, default="")
    asset = models.TextField(_("asset"))
    network = models.TextField(_("network"), blank=True, default="")
    quantity = money(_("quantity"))
    network_fee = money(_("network fee"))
    txid = models.TextField(_("transaction id"), blank=True, default="")
    address_hash = models.CharField(_("address, hashed"), max_length=64, blank=True, default="")

    class Meta:
        verbose_name = _("seen withdrawal")
        verbose_name_plural = _("seen withdrawals")
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("venue", "venue_withdrawal_id"), name="seen_withdrawal_once"
            ),
            models.CheckConstraint(
                name="seen_withdrawal_status_known",
                condition=Q(status__in=[one.value for one in WithdrawalStatus]),
            ),
        )
        indexes = (models.Index(F("venue"), F("created_at").desc(), name="seen_withdrawal_newest"),)

    def __str__(self) -> str:
        return f"{self.venue} {self.venue_withdrawal_id}"


class SeenDeposit(Seen):
    """A deposit to the account. `txid_key` is its transaction id as ids are compared."""

    venue_deposit_id = models.TextField(_("venue deposit id"))
    asset = models.TextField(_("asset"))
    network = models.TextField(_("network"), blank=True, default="")
    quantity = money(_("quantity"))
    txid = models.TextField(_("transaction id"), blank=True, default="")
    txid_key = models.TextField(blank=True, default="", editable=False)
    wants_sender = models.BooleanField(_("wants its sender"), default=False)

    class Meta:
        verbose_name = _("seen deposit")
        verbose_name_plural = _("seen deposits")
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(fields=("venue", "venue_deposit_id"), name="seen_deposit_once"),
            models.CheckConstraint(
                name="seen_deposit_status_known",
                condition=Q(status__in=[one.value for one in DepositStatus]),
            ),
        )
        indexes = (
            models.Index(F("venue"), F("txid_key"), name="seen_deposit_txid"),
            models.Index(F("venue"), F("created_at").desc(), name="seen_deposit_newest"),
        )

    def __str__(self) -> str:
        return f"{self.venue} {self.venue_deposit_id}"


class SeenOrder(Seen):
    """An order of ours that did not end at once, as a list of several showed it: without fills."""

    client_order_id = models.TextField(_("client order id"))
    venue_order_id = models.TextField(_("venue order id"))
    market = models.TextField(_("market"))
    quantity = money(_("quantity"))
    executed_quantity = money(_("executed"))

    class Meta:
        verbose_name = _("seen order")
        verbose_name_plural = _("seen orders")
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(fields=("venue", "client_order_id"), name="seen_order_once"),
            models.CheckConstraint(
                name="seen_order_status_known",
                condition=Q(status__in=[one.value for one in OrderStatus]),
            ),
        )

    def __str__(self) -> str:
        return f"{self.venue} {self.client_order_id}"
