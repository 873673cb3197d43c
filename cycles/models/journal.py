"""The journal: what we asked of venues, what came of it, and every change of status."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from threading import Event
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Q
from django.db.models.fields.json import KT
from django.db.models.lookups import IsNull
from django.utils.translation import gettext_lazy as _

from cycles.domain.words import CallOutcome, CycleStatus, FailureClass, Operation, Plan
from cycles.models.fields import LONGEST_NAME, Correlated, by, money

ON_ITS_WAY = Q(operation="WITHDRAW", outcome="DONE", report__status="pending")
TXID_IS_TOLD = Q(IsNull(KT("report__txid"), rhs=False))


class ExchangeCall(Correlated):
    """One mutating request: written before it is sent, its outcome written once (a trigger).

    `client_order_id` is ours, deterministic, and at most 32 characters; withdrawals carry one too,
    whether the venue keeps it or not. `is_settled` says that its effect stands in the ledger; `missed_at`
    when its venue first said, its window being over, that there is none; of an order that was accepted, or that
    looks have shown, when it was asked last and said so.
    """

    cycle = models.ForeignKey(
        "cycles.Cycle", verbose_name=_("cycle"), on_delete=models.PROTECT, related_name="calls"
    )
    step = models.ForeignKey(
        "cycles.Step",
        verbose_name=_("step"),
        on_delete=models.PROTECT,
        related_name="calls",
        db_index=False,  # call_attempt_once begins with it
    )
    operation = models.CharField(_("operation"), max_length=16, choices=Operation)
    venue = models.CharField(_("venue"), max_length=16)
    attempt = models.PositiveSmallIntegerField(_("attempt"))
    client_order_id = models.CharField(_("client order id"), max_length=32)
    outcome = models.CharField(
        _("outcome"), max_length=12, choices=CallOutcome, default=CallOutcome.INTENDED
    )
    fence = models.PositiveBigIntegerField(_("fence"))
    fingerprint = models.CharField(_("request fingerprint"), max_length=64)
    request: models.JSONField[Any, Any] = models.JSONField(_("request"), encoder=DjangoJSONEncoder)
    report: models.JSONField[Any, Any] = models.JSONField(
        _("report"), encoder=DjangoJSONEncoder, null=True
    )
    destination = models.ForeignKey(
        "exchanges.RegisteredAddress",
        verbose_name=_("destination"),
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    venue_order_id = models.CharField(_("venue order id"), max_length=80, blank=True, default="")
    refusal_reason = models.CharField(_("refusal"), max_length=24, blank=True, default="")
    error = models.TextField(_("error"), blank=True, default="")
    intended_at = models.DateTimeField(_("intended"))
    noted_at = models.DateTimeField(_("noted"), null=True)
    missed_at = models.DateTimeField(_("first not found"), null=True)
    duration_ms = models.PositiveIntegerField(_("duration, ms"), null=True)
    is_settled = models.BooleanField(_("settled"), default=False)

    # By `lasting`, of the process that intended it: no byte of it leaves after that.
    send_until = timedelta()
    given_up: Event | None = None  # set: it sends it no more, whatever time is left

    class Meta:
        verbose_name = _("exchange call")
        verbose_name_plural = _("exchange calls")
        ordering = ("id",)
        constraints = (
            models.CheckConstraint(
                name="call_operation_known", condition=Q(operation__in=Operation.values)
            ),
            models.CheckConstraint(
                name="call_outcome_known", condition=Q(outcome__in=CallOutcome.values)
            ),
            # Not the field's own, which would keep a second index, of how ids begin.
            models.UniqueConstraint(
                fields=("client_order_id",), name="cycles_exchangecall_client_order_id_key"
            ),
            models.UniqueConstraint(
                fields=("step", "operation", "attempt"), name="call_attempt_once"
            ),
            # A withdrawal goes to a registered address of our own, or it cannot be written.
            models.CheckConstraint(
                name="call_withdrawal_has_registered_destination",
                condition=~Q(operation="WITHDRAW") | Q(destination__isnull=False),
            ),
            models.UniqueConstraint(
                # Not orders: Binance numbers them per market, and ours have client order ids.
                fields=("venue", "venue_order_id"),
                name="call_venue_withdrawal_id_once",
                condition=~Q(venue_order_id="") & Q(operation="WITHDRAW"),
            ),
            # At most one call of a cycle may be open at a time: nothing is sent beside an unknown.
            models.UniqueConstraint(
                fields=("cycle",),
                name="call_one_open_per_cycle",
                condition=Q(outcome__in=["INTENDED", "UNKNOWN"]),
            ),
        )
        indexes = (
            models.Index(
                F("venue"),
                F("intended_at"),
                name="call_open",
                condition=Q(outcome__in=["INTENDED", "UNKNOWN"]),
            ),
            models.Index(
                F("cycle"), name="call_unsettled", condition=Q(outcome="DONE", is_settled=False)
            ),
            # Sent, and on its way still: few at any moment, however many withdrawals there ever were.
            models.Index(F("venue"), name="call_on_its_way", condition=ON_ITS_WAY),
            # What a search looks up; a call has its entry once the venue has told the name, not before.
            models.Index(
                F("venue_order_id"), name="call_by_venue_id", condition=~Q(venue_order_id="")
            ),
            models.Index(KT("report__txid"), name="call_by_txid", condition=TXID_IS_TOLD),
            by("request_id", "call_by_request"),
            by("trace_id", "call_by_trace"),
        )

    def __str__(self) -> str:
        return f"{self.operation} {self.client_order_id} {self.outcome}"


class Transition(Correlated):
    """One change of status; append-only. The database refuses a change without its row."""

    cycle = models.ForeignKey(
        "cycles.Cycle",
        verbose_name=_("cycle"),
        on_delete=models.PROTECT,
        related_name="transitions",
        db_index=False,  # transition_version_once begins with it
    )
    version = models.PositiveIntegerField(_("version"))
    from_status = models.CharField(_("from"), max_length=32, blank=True, choices=CycleStatus)
    to_status = models.CharField(_("to"), max_length=32, choices=CycleStatus)
    event = models.CharField(_("event"), max_length=48)
    actor = models.CharField(_("actor"), max_length=LONGEST_NAME)
    reason = models.TextField(_("reason"), blank=True, default="")
    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("transition")
        verbose_name_plural = _("transitions")
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(fields=("cycle", "version"), name="transition_version_once"),
            models.CheckConstraint(
                name="transition_to_known", condition=Q(to_status__in=CycleStatus.values)
            ),
        )
        indexes = (
            by("request_id", "transition_by_request"),
            by("trace_id", "transition_by_trace"),
        )

    def __str__(self) -> str:
        return f"{self.from_status or '-'} > {self.to_status}"


class Fill(models.Model):
    """One execution of part of an order; append-only."""

    cycle = models.ForeignKey(
        "cycles.Cycle", verbose_name=_("cycle"), on_delete=models.PROTECT, related_name="fills"
    )
    call = models.ForeignKey(
        "cycles.ExchangeCall",
        verbose_name=_("call"),
        on_delete=models.PROTECT,
        related_name="fills",
    )
    venue = models.CharField(_("venue"), max_length=16)
    market = models.CharField(_("market"), max_length=24)
    side = models.CharField(_("side"), max_length=4)
    venue_fill_id = models.CharField(_("venue fill id"), max_length=80)
    price = money(_("price"))
    quantity = money(_("quantity"))
    notional = money(_("notional"))
    fee = money(_("fee"), default=Decimal(0))
    fee_asset = models.CharField(_("fee asset"), max_length=12)
    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("fill")
        verbose_name_plural = _("fills")
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(
                fields=("venue", "market", "venue_fill_id", "call"), name="fill_once"
            ),
            models.CheckConstraint(
                name="fill_is_positive", condition=Q(quantity__gt=0, price__gt=0, fee__gte=0)
            ),
            models.CheckConstraint(name="fill_side_known", condition=Q(side__in=["buy", "sell"])),
        )

    def __str__(self) -> str:
        return f"{self.side} {self.quantity} {self.market}"


class Retry(Correlated):
    """One failure and what was decided; append-only: the retry history of a cycle."""

    cycle = models.ForeignKey(
        "cycles.Cycle", verbose_name=_("cycle"), on_delete=models.PROTECT, related_name="retries"
    )
    attempt = models.PositiveIntegerField(_("attempt"))
    at = models.DateTimeField(_("at"))
    failure_class = models.CharField(_("failure class"), max_length=24, choices=FailureClass)
    error = models.TextField(_("error"))
    context: models.JSONField[Any, Any] = models.JSONField(
        _("context"), encoder=DjangoJSONEncoder, default=dict
    )
    plan = models.CharField(_("plan"), max_length=16, choices=Plan, default=Plan.RESUME)
    next_retry_at = models.DateTimeField(_("next retry"), null=True)

    class Meta:
        verbose_name = _("retry")
        verbose_name_plural = _("retries")
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.failure_class} #{self.attempt}"
