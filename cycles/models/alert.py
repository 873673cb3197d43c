"""The outbox of alerts: written with the fact it tells of, delivered by a worker."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from cycles.models.fields import Correlated


class Alert(Correlated):
    """One message to people. `key` de-duplicates: the same key is told once."""

    class Severity(models.TextChoices):
        """How urgent."""

        INFO = "INFO", _("info")
        WARNING = "WARNING", _("warning")
        CRITICAL = "CRITICAL", _("critical")

    class State(models.TextChoices):
        """Where delivery stands; LOGGED means that no channel is configured."""

        PENDING = "PENDING", _("pending")
        DELIVERED = "DELIVERED", _("delivered")
        LOGGED = "LOGGED", _("logged")
        GIVEN_UP = "GIVEN_UP", _("given up")

    key = models.CharField(_("key"), max_length=160, unique=True)
    cycle = models.ForeignKey(
        "cycles.Cycle",
        verbose_name=_("cycle"),
        null=True,
        on_delete=models.PROTECT,
        related_name="alerts",
    )
    severity = models.CharField(_("severity"), max_length=8, choices=Severity)
    title = models.CharField(_("title"), max_length=160)
    body = models.TextField(_("text"), blank=True, default="")
    state = models.CharField(_("state"), max_length=12, choices=State, default=State.PENDING)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    due_at = models.DateTimeField(_("due"))
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    delivered_at = models.DateTimeField(_("delivered"), null=True)
    last_error = models.TextField(_("last error"), blank=True, default="")

    class Meta:
        verbose_name = _("alert")
        verbose_name_plural = _("alerts")
        ordering = ("-id",)
        indexes = (models.Index(F("due_at"), name="alert_due", condition=Q(state="PENDING")),)

    def __str__(self) -> str:
        return self.title
