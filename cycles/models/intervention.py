"""What operators did, and the doors' own bookkeeping: tokens, idempotency keys, heartbeats."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from cycles.domain.words import Channel, Role, Verb
from cycles.models.fields import LONGEST_NAME, Correlated, by


class Intervention(Correlated):
    """One operator's verb, with identity, reason and seen version; append-only."""

    verb = models.CharField(_("verb"), max_length=16, choices=Verb)
    cycle = models.ForeignKey(
        "cycles.Cycle",
        verbose_name=_("cycle"),
        null=True,
        on_delete=models.PROTECT,
        related_name="interventions",
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        null=True,
        on_delete=models.PROTECT,
        related_name="interventions",
    )
    actor = models.CharField(_("actor"), max_length=LONGEST_NAME)
    channel = models.CharField(_("channel"), max_length=8, choices=Channel)
    reason = models.TextField(_("reason"))
    seen_version = models.PositiveIntegerField(_("seen version"), null=True)
    payload: models.JSONField[Any, Any] = models.JSONField(
        _("details"), encoder=DjangoJSONEncoder, default=dict
    )
    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("intervention")
        verbose_name_plural = _("interventions")
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                name="intervention_verb_known", condition=Q(verb__in=Verb.values)
            ),
            models.CheckConstraint(name="intervention_has_reason", condition=~Q(reason="")),
            models.CheckConstraint(name="intervention_has_actor", condition=~Q(actor="")),
            models.CheckConstraint(
                name="intervention_saw_its_cycle",
                condition=Q(cycle__isnull=True) | Q(verb="open") | Q(seen_version__isnull=False),
            ),
        )
        indexes = (
            by("request_id", "intervention_by_request"),
            by("actor", "intervention_by_actor"),
        )

    def __str__(self) -> str:
        return f"{self.verb} by {self.actor}"


class ApiToken(models.Model):
    """A bearer token: shown once, kept as a hash, with scopes and an end."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("user"), on_delete=models.CASCADE, related_name="+"
    )
    name = models.CharField(_("name"), max_length=80)
    prefix = models.CharField(_("prefix"), max_length=12, unique=True)
    digest = models.CharField(_("hash"), max_length=64)
    scopes: models.JSONField[Any, Any] = models.JSONField(_("scopes"), default=list)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)
    last_used_at = models.DateTimeField(_("last used"), null=True)

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix})"


class IdempotencyRecord(models.Model):
    """What a request under an Idempotency-Key was answered; `status` is null while it runs."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=128)
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    body: models.JSONField[Any, Any] = models.JSONField(null=True, encoder=DjangoJSONEncoder)
    headers: models.JSONField[Any, Any] = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("idempotency record")
        verbose_name_plural = _("idempotency records")
        constraints = (
            models.UniqueConstraint(fields=("user", "key"), name="idempotency_key_once"),
        )

    def __str__(self) -> str:
        return self.key


class Heartbeat(models.Model):
    """The newest sign of life of a process, or of a scheduled job (`job:...`)."""

    name = models.CharField(_("name"), max_length=96, primary_key=True)
    role = models.CharField(_("role"), max_length=12, choices=Role)
    session_id = models.CharField(_("session"), max_length=64, blank=True, default="")
    host = models.CharField(_("host"), max_length=80, blank=True, default="")
    pid = models.PositiveIntegerField(_("pid"), null=True)
    beat_at = models.DateTimeField(_("last beat"))
    detail: models.JSONField[Any, Any] = models.JSONField(_("detail"), default=dict)

    class Meta:
        verbose_name = _("heartbeat")
        verbose_name_plural = _("heartbeats")

    def __str__(self) -> str:
        return self.name
