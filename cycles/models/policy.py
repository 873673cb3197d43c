"""What the operators allow: versions of the policy, the desk's mode, and pauses."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from cycles.domain.words import DeskKind, Mode, OpeningRule, PauseScope, Sizing
from cycles.models.fields import LONGEST_NAME, bps, money


def starter_assets() -> list[str]:
    """Give the assets of the starter policy."""
    return ["BTC", "ETH", "SOL", "USDT", "XRP"]


class PolicyVersion(models.Model):
    """One version of the investment policy; append-only, the newest is in force.

    Limits in USDT unless named otherwise; durations are policy time (divided by the time scale).
    """

    number = models.PositiveIntegerField(_("number"), unique=True)
    sizing = models.CharField(
        _("sizing"), max_length=16, choices=Sizing, default=Sizing.FIXED_AMOUNT
    )
    notional_usdt = money(_("notional, USDT"), default=Decimal(5000))
    percentage = models.DecimalField(
        _("percentage of the desk's USDT"), max_digits=5, decimal_places=2, default=Decimal(10)
    )
    max_open_cycles = models.PositiveIntegerField(_("open cycles at most"), default=6)
    max_open_cycles_per_asset = models.PositiveIntegerField(
        _("open cycles at most, per asset"), default=3
    )
    max_exposure_usdt = money(_("exposure at most, USDT"), default=Decimal(60000))
    max_exposure_per_asset_usdt = money(_("exposure at most, per asset"), default=Decimal(40000))
    allowed_assets: models.JSONField[Any, Any] = models.JSONField(
        _("allowed assets"), default=starter_assets
    )
    allowed_networks: models.JSONField[Any, Any] = models.JSONField(
        _("allowed networks"), default=list, blank=True, help_text=_("empty: the registered routes")
    )
    opening_rule = models.CharField(
        _("opening rule"), max_length=16, choices=OpeningRule, default=OpeningRule.LOCKED_EDGE
    )
    min_open_edge_bps = bps(_("edge to open at least, bps"), default=Decimal(10))
    min_rebalance_edge_bps = bps(_("edge to rebalance at least, bps"), default=Decimal(0))
    band_open_premium_bps = bps(_("band: outbound premium to open, bps"), default=Decimal(300))
    max_slippage_bps = bps(_("slippage at most, bps"), default=Decimal(50))
    max_book_age_seconds = models.PositiveIntegerField(_("book age at most, s"), default=15)
    max_book_jump_bps = bps(
        _("book's distance from known prices at most, bps"),
        default=Decimal(10_000),
        db_default=Decimal(10_000),  # the release before writes versions without it
        help_text=_("10,000: twice as much, or half"),
    )
    max_fx_age_seconds = models.PositiveIntegerField(
        _("official rate's age at most, s"), default=4 * 86400
    )
    max_fx_disagreement_bps = bps(_("disagreement of rates at most, bps"), default=Decimal(500))
    longest_wait_seconds = models.PositiveIntegerField(_("longest wait, s"), default=3 * 86400)
    daily_loss_limit_usdt = money(_("daily loss limit, USDT"), default=Decimal(1000))
    auto_recovery_loss_limit_usdt = money(
        _("automatic recovery's loss limit"), default=Decimal(100)
    )
    approval_threshold_krw = money(_("four eyes above, KRW"), default=Decimal(10_000_000))
    calm_base_seconds = models.PositiveIntegerField(_("calm ladder: base, s"), default=300)
    calm_cap_seconds = models.PositiveIntegerField(_("calm ladder: cap, s"), default=6 * 3600)
    calm_attempts = models.PositiveIntegerField(_("calm ladder: attempts"), default=3)
    urgent_base_seconds = models.PositiveIntegerField(_("urgent ladder: base, s"), default=2)
    urgent_cap_seconds = models.PositiveIntegerField(_("urgent ladder: cap, s"), default=60)
    urgent_attempts = models.PositiveIntegerField(_("urgent ladder: attempts"), default=10)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    created_by = models.CharField(_("created by"), max_length=LONGEST_NAME)
    reason = models.TextField(_("reason"))

    class Meta:
        verbose_name = _("policy version")
        verbose_name_plural = _("policy versions")
        ordering = ("-number",)
        constraints = (
            models.CheckConstraint(
                name="policy_sizing_known", condition=Q(sizing__in=Sizing.values)
            ),
            models.CheckConstraint(
                name="policy_rule_known",
                condition=Q(opening_rule__in=["LOCKED_EDGE", "PREMIUM_BAND"]),
            ),
            models.CheckConstraint(
                name="policy_limits_not_negative",
                condition=Q(
                    notional_usdt__gte=0,
                    max_exposure_usdt__gte=0,
                    max_exposure_per_asset_usdt__gte=0,
                    max_slippage_bps__gte=0,
                    daily_loss_limit_usdt__gte=0,
                    auto_recovery_loss_limit_usdt__gte=0,
                    percentage__gt=0,
                    percentage__lte=100,
                ),
            ),
        )

    def __str__(self) -> str:
        return f"v{self.number}"


class Desk(models.Model):
    """The one row of the desk: what this database is for ever, and what may happen now.

    `home` is where it was last in step with the venues, as `kimp_home()` tells; empty: not yet again. It has been
    since `home_settled_at`, by the database's clock, which the database writes.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    kind = models.CharField(_("kind"), max_length=12, choices=DeskKind)
    mode = models.CharField(_("mode"), max_length=16, choices=Mode, default=Mode.RUN)
    mode_reason = models.TextField(_("reason"), blank=True, default="")
    mode_changed_by = models.CharField(
        _("changed by"), max_length=LONGEST_NAME, blank=True, default=""
    )
    mode_changed_at = models.DateTimeField(_("changed"), auto_now_add=True)
    version = models.PositiveIntegerField(_("version"), default=1)
    home = models.CharField(
        _("home"), max_length=80, blank=True, default="", db_default="", editable=False
    )

    home_settled_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("desk")
        verbose_name_plural = _("desk")
        constraints = (
            models.CheckConstraint(name="desk_is_one", condition=Q(id=1)),
            models.CheckConstraint(name="desk_kind_known", condition=Q(kind__in=DeskKind.values)),
            models.CheckConstraint(name="desk_mode_known", condition=Q(mode__in=Mode.values)),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.mode}"


class Pause(models.Model):
    """A venue, an asset or a route (`XRP:binance>upbit`) on which nothing new begins."""

    scope = models.CharField(_("scope"), max_length=8, choices=PauseScope)
    key = models.CharField(_("what"), max_length=48)
    reason = models.TextField(_("reason"))
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(_("since"), auto_now_add=True)

    class Meta:
        verbose_name = _("pause")
        verbose_name_plural = _("pauses")
        constraints = (
            models.UniqueConstraint(fields=("scope", "key"), name="pause_once"),
            models.CheckConstraint(
                name="pause_scope_known", condition=Q(scope__in=PauseScope.values)
            ),
        )

    def __str__(self) -> str:
        return f"{self.scope} {self.key}"
