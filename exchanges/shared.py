"""What all processes share of the venues: what is used of their limits, and how far clocks lie apart.

Rows of the moment, not of the business: written without waiting for the disk, and worth nothing a day
later. A desk that loses them asks too much for one window at worst.
"""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint
from django.utils.translation import gettext_lazy as _


class RateWindow(models.Model):
    """One window of a venue's limiter, as the whole desk uses it; written by `exchanges_take_tokens`.

    `scope` says whom the venue counts: the account, or an address that calls. `used` has one count
    for each slot, the newest first. `waiting` are the processes that were given nothing yet.
    """

    venue = models.CharField(_("venue"), max_length=16)
    name = models.CharField(_("window"), max_length=32)
    scope = models.CharField(_("counts"), max_length=48)
    span_ms = models.BigIntegerField(_("span, ms"))
    most = models.IntegerField(_("limit"))
    slot = models.BigIntegerField(_("newest slot"), default=0)
    used = ArrayField(models.IntegerField(), verbose_name=_("used, by slot"))
    waiting = models.JSONField(_("processes waiting"), default=list)
    held_until = models.DateTimeField(_("held until"), null=True)
    held_because = models.CharField(_("held because"), max_length=16, blank=True, default="")
    told_at = models.DateTimeField(_("limit told by the venue at"), null=True)

    class Meta:
        verbose_name = _("rate window")
        verbose_name_plural = _("rate windows")
        ordering: ClassVar = ["venue", "name", "scope"]
        constraints: ClassVar = [
            UniqueConstraint(fields=["venue", "name", "scope"], name="rate_window_once"),
            CheckConstraint(condition=Q(span_ms__gt=0, most__gte=0), name="rate_window_numbers"),
        ]

    def __str__(self) -> str:
        return f"{self.venue} {self.name} ({self.scope})"

    @property
    def used_now(self) -> int:
        """Give what counts, as of the last time that somebody took from it."""
        return sum(self.used)


class VenueClock(models.Model):
    """How far a venue's clock lies from that of one of our hosts, as a process there last measured it.

    `stopped_at` is set while that host does not trade on the venue for it.
    """

    venue = models.CharField(_("venue"), max_length=16)
    host = models.CharField(_("host"), max_length=64)
    ahead_ms = models.IntegerField(_("venue ahead of us, ms"))
    doubt_ms = models.IntegerField(_("give or take, ms"))
    measured_at = models.DateTimeField(_("measured at"))
    stopped_at = models.DateTimeField(_("trading stopped at"), null=True)
    stopped_because = models.CharField(
        _("trading stopped because"), max_length=200, blank=True, default=""
    )

    class Meta:
        verbose_name = _("venue clock")
        verbose_name_plural = _("venue clocks")
        ordering: ClassVar = ["venue", "host"]
        constraints: ClassVar = [
            UniqueConstraint(fields=["venue", "host"], name="venue_clock_once"),
        ]

    def __str__(self) -> str:
        return f"{self.venue} ({self.host})"

    @property
    def shown(self) -> str:
        """Give the difference and its doubt in seconds."""
        return f"{self.ahead_ms / 1000:+.2f} s ±{self.doubt_ms / 1000:.2f}"
