"""The cycle: one round trip of capital, as a row with a status and a version."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from cycles.domain.postings import Holding
from cycles.domain.states import FINAL
from cycles.domain.words import CycleKind, CycleStatus, FailureClass, OpeningRule, Plan
from cycles.models.fields import bps, money, public_code, uuid7

if TYPE_CHECKING:
    from cycles.models.step import Step

FINAL_STATUSES = sorted(FINAL)

# The same literals stand in the claims' queries, so that the partial indexes serve them.
DUE_OUTBOUND = Q(status="STARTED") | Q(status="RETRY_PENDING", resume_status="STARTED")
DUE_RETURN = Q(
    status__in=[
        "INITIAL_TRADE_COMPLETED",
        "AWAITING_REBALANCE",
        "REBALANCING_IN_PROGRESS",
        "REBALANCE_TRADE_COMPLETED",
    ],
) | (Q(status="RETRY_PENDING") & ~Q(resume_status="STARTED"))


class Cycle(models.Model):
    """One round trip. `status` is written by `services.moving` only, `version` by F() only."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    code = models.CharField(_("code"), max_length=20, unique=True, editable=False)
    kind = models.CharField(
        _("kind"), max_length=16, choices=CycleKind, default=CycleKind.ROUND_TRIP
    )
    status = models.CharField(_("status"), max_length=32, choices=CycleStatus)
    version = models.PositiveIntegerField(_("version"), default=1)
    session_id = models.CharField(_("session"), max_length=64, blank=True, default="")

    outbound_asset = models.CharField(_("outbound asset"), max_length=12, blank=True)
    return_asset = models.CharField(_("return asset"), max_length=12, blank=True)
    global_venue = models.CharField(_("global venue"), max_length=16)
    korea_venue = models.CharField(_("Korean venue"), max_length=16)

    policy = models.ForeignKey(
        "cycles.PolicyVersion",
        verbose_name=_("policy"),
        on_delete=models.PROTECT,
        related_name="cycles",
        db_index=False,
    )
    opening_rule = models.CharField(_("opening rule"), max_length=16, choices=OpeningRule)
    krw_per_usdt_at_open = money(_("KRW per USDT at opening"), null=True)
    krw_per_usd_at_open = money(_("KRW per USD at opening, official"), null=True)
    notional_usdt = money(_("notional, USDT"), default=Decimal(0))
    notional_krw = money(_("notional, KRW"), default=Decimal(0))
    expected_edge_bps = bps(_("expected edge, bps"), null=True)
    realised_pnl_usdt = money(_("realised P&L, USDT"), null=True)
    realised_pnl_krw = money(_("realised P&L, KRW"), null=True)
    money_at_risk_krw = money(_("money at risk, KRW"), default=Decimal(0))

    started_at = models.DateTimeField(_("started"), editable=False)
    ended_at = models.DateTimeField(_("ended"), null=True, editable=False)
    status_since = models.DateTimeField(_("in this status since"), editable=False)
    wake_at = models.DateTimeField(_("wakes"), null=True)

    lease_owner = models.CharField(_("lease owner"), max_length=64, blank=True, default="")
    lease_expires_at = models.DateTimeField(_("lease expires"), null=True)
    fence = models.PositiveBigIntegerField(_("fence"), default=0)

    retry_count = models.PositiveIntegerField(_("retries"), default=0)
    max_retries = models.PositiveIntegerField(_("of at most"), default=3)
    last_retry_at = models.DateTimeField(_("last retry"), null=True)
    next_retry_at = models.DateTimeField(_("next retry"), null=True)
    failure_class = models.CharField(
        _("failure class"), max_length=24, blank=True, choices=FailureClass
    )
    failure_reason = models.TextField(_("failure reason"), blank=True, default="")
    resume_status = models.CharField(
        _("status to resume"), max_length=32, blank=True, default="", choices=CycleStatus
    )
    plan = models.CharField(_("plan"), max_length=16, choices=Plan, default=Plan.RESUME)

    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("assignee"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
    )
    acknowledged_at = models.DateTimeField(_("acknowledged"), null=True)

    steps: models.Manager[Step]
    # What it owned when this instance was read, if that was read with it; one under a lock asks anew.
    held_when_read: tuple[Holding, ...] | None = None

    class Meta:
        verbose_name = _("cycle")
        verbose_name_plural = _("cycles")
        ordering = ("-id",)
        permissions = (
            ("redrive_cycle", "Can redrive a dead letter"),
            ("unwind_cycle", "Can unwind a cycle"),
            ("resolve_cycle", "Can resolve a cycle by hand"),
            ("write_off_cycle", "Can write a cycle off"),
            ("acknowledge_cycle", "Can acknowledge and assign a cycle"),
            ("open_cycle", "Can open a cycle by hand"),
            ("halt_desk", "Can halt the desk and pause parts of it"),
            ("resume_desk", "Can leave a halt"),
            ("approve_intervention", "Can approve another's intervention"),
        )
        constraints = (
            models.CheckConstraint(
                name="cycle_status_known", condition=Q(status__in=CycleStatus.values)
            ),
            models.CheckConstraint(name="cycle_kind_known", condition=Q(kind__in=CycleKind.values)),
            models.CheckConstraint(name="cycle_plan_known", condition=Q(plan__in=Plan.values)),
            models.CheckConstraint(
                name="cycle_failure_class_known",
                condition=Q(failure_class__in=["", *FailureClass.values]),
            ),
            models.CheckConstraint(
                name="cycle_final_has_ended",
                condition=Q(status__in=FINAL_STATUSES, ended_at__isnull=False, wake_at__isnull=True)
                | (~Q(status__in=FINAL_STATUSES) & Q(ended_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="cycle_retry_pending_is_planned",
                condition=~Q(status="RETRY_PENDING")
                | (Q(next_retry_at__isnull=False, wake_at__isnull=False) & ~Q(resume_status="")),
            ),
            models.CheckConstraint(
                name="cycle_dead_letter_says_why",
                condition=~Q(status="DEAD_LETTER")
                | (~Q(failure_class="") & ~Q(resume_status="") & Q(wake_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="cycle_running_has_wake_up",
                condition=Q(status__in=[*FINAL_STATUSES, "DEAD_LETTER"]) | Q(wake_at__isnull=False),
            ),
            models.CheckConstraint(
                name="cycle_initial_trade_names_its_asset",
                condition=~Q(status="STARTED") | ~Q(outbound_asset=""),
            ),
            models.CheckConstraint(
                name="cycle_rebalancing_names_its_asset",
                condition=~Q(status__in=["REBALANCING_IN_PROGRESS", "REBALANCE_TRADE_COMPLETED"])
                | ~Q(return_asset=""),
            ),
            models.CheckConstraint(
                name="cycle_lease_is_whole",
                condition=Q(lease_owner="", lease_expires_at__isnull=True)
                | (~Q(lease_owner="") & Q(lease_expires_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="cycle_resume_status_running",
                condition=Q(
                    resume_status__in=[
                        "",
                        "STARTED",
                        "INITIAL_TRADE_COMPLETED",
                        "AWAITING_REBALANCE",
                        "REBALANCING_IN_PROGRESS",
                        "REBALANCE_TRADE_COMPLETED",
                    ]
                ),
            ),
            models.CheckConstraint(
                name="cycle_notional_not_negative",
                condition=Q(notional_usdt__gte=0, notional_krw__gte=0),
            ),
        )
        indexes = (
            models.Index(F("wake_at"), name="cycle_due_outbound", condition=DUE_OUTBOUND),
            models.Index(F("wake_at"), name="cycle_due_return", condition=DUE_RETURN),
            # By no status: the planner would take the retries of a large table from `cycle_open` then.
            models.Index(
                F("wake_at"), name="cycle_retry_due", condition=Q(next_retry_at__isnull=False)
            ),
            models.Index(
                F("money_at_risk_krw").desc(),
                F("status_since"),
                name="cycle_dead_letters",
                condition=Q(status="DEAD_LETTER"),
            ),
            models.Index(F("status"), name="cycle_open", condition=~Q(status__in=FINAL_STATUSES)),
            models.Index(F("ended_at"), name="cycle_ended", condition=Q(ended_at__isnull=False)),
        )

    def __str__(self) -> str:
        return self.code

    def save(self, *args: object, **kwargs: object) -> None:
        """Give a new cycle its code; rows that exist move through `services.moving`."""
        self.code = self.code or public_code(self.id)
        super().save(*args, **kwargs)  # type: ignore[arg-type]  # passed through untouched

    @property
    def is_final(self) -> bool:
        """Say whether nothing more will happen."""
        return self.status in FINAL
