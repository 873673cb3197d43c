"""Samples rolled up to minutes and hours: what charts and history read, kept long after the samples. And cycles that ended, to sums."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.utils.translation import gettext_lazy as _

from cycles.domain.words import CycleStatus
from cycles.models.fields import money

# What is rolled up: columns of a sample, each as a series of its own.
MEASURES = (
    "outbound_traded_bps",
    "return_traded_bps",
    "outbound_official_bps",
    "return_official_bps",
    "krw_per_usdt_bid",
    "krw_per_usd",
)


class RollUp(models.Model):
    """One measure of one asset at one Korean venue over one bucket of time, which begins at `at`.

    The sum is kept instead of the mean: minutes add up to exactly the hour that samples would give.
    There is no row where nothing was measurable.
    """

    at = models.DateTimeField(_("at"))
    asset = models.CharField(_("asset"), max_length=12)
    korea_venue = models.CharField(_("Korean venue"), max_length=16)
    measure = models.CharField(_("measure"), max_length=24)
    count = models.PositiveIntegerField(_("samples"))
    first = money(_("first"))
    last = money(_("last"))
    low = money(_("lowest"))
    high = money(_("highest"))
    total = money(_("sum"))

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.asset} {self.korea_venue} {self.measure} {self.at:%Y-%m-%d %H:%M}"

    @property
    def mean(self) -> Decimal:
        """Give the mean of the bucket's samples."""
        mean: Decimal = self.total / self.count
        return mean


class PremiumMinute(RollUp):
    """Samples of one minute."""

    class Meta:
        verbose_name = _("premium minute")
        verbose_name_plural = _("premium minutes")
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("asset", "korea_venue", "measure", "at"), name="premium_minute_once"
            ),
        )


class PremiumHour(RollUp):
    """Samples of one hour."""

    class Meta:
        verbose_name = _("premium hour")
        verbose_name_plural = _("premium hours")
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("asset", "korea_venue", "measure", "at"), name="premium_hour_once"
            ),
        )


class RollUpMark(models.Model):
    """How far the roll-up has come, and what is gone: one row, locked by whoever rolls up or prunes.

    Samples are followed by id, not by instant: one that comes late has an old instant and a new id.
    Ids are given before their rows are committed, so what is newest is only `seen_to` at first; a while
    later nothing up to there can come any more (`settled_to`), and what is rolled up then is done.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    done_to = models.BigIntegerField(default=0)
    settled_to = models.BigIntegerField(default=0)
    seen_to = models.BigIntegerField(default=0)
    seen_at = models.DateTimeField(null=True)
    # Buckets before these have lost what they were made of, and are final.
    samples_since = models.DateTimeField(null=True)
    minutes_since = models.DateTimeField(null=True)
    hours_since = models.DateTimeField(null=True)
    # Of the rows up to these ids none is older than that: what comes late has a new id.
    samples_looked_to = models.BigIntegerField(null=True)
    minutes_looked_to = models.BigIntegerField(null=True)
    hours_looked_to = models.BigIntegerField(null=True)

    class Meta:
        verbose_name = _("roll-up mark")
        verbose_name_plural = _("roll-up marks")
        constraints = (
            models.CheckConstraint(name="roll_up_mark_is_one", condition=models.Q(id=1)),
        )

    def __str__(self) -> str:
        return f"samples up to {self.done_to}"


class EndedTotal(models.Model):
    """What the cycles of a final status came to that ended at `up_to` or before: the same instant in all rows.

    Without rows everything is read anew, and added up again.
    """

    status = models.CharField(
        _("status"), max_length=32, choices=CycleStatus, primary_key=True, editable=False
    )
    up_to = models.DateTimeField(_("up to"))
    count = models.PositiveBigIntegerField(_("cycles"), default=0)
    realised_pnl_usdt = money(_("realised P&L, USDT"), default=Decimal(0))
    realised_pnl_krw = money(_("realised P&L, KRW"), default=Decimal(0))

    class Meta:
        verbose_name = _("total of ended cycles")
        verbose_name_plural = _("totals of ended cycles")

    def __str__(self) -> str:
        return f"{self.count} {self.status} up to {self.up_to:%Y-%m-%d %H:%M:%S}"
