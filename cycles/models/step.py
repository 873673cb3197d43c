"""The step: one durable unit of a passage."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from cycles.domain.words import Passage, StepKind, StepState
from cycles.models.fields import money

if TYPE_CHECKING:
    from cycles.models.journal import ExchangeCall


class Step(models.Model):
    """One step. `quantity_in` is what it was given, `quantity_out` what it yielded, net of fees."""

    cycle = models.ForeignKey(
        "cycles.Cycle",
        verbose_name=_("cycle"),
        on_delete=models.PROTECT,
        related_name="steps",
        db_index=False,  # step_position_once begins with it
    )
    position = models.PositiveSmallIntegerField(_("position"))
    passage = models.CharField(_("passage"), max_length=12, choices=Passage)
    kind = models.CharField(_("kind"), max_length=12, choices=StepKind)
    state = models.CharField(
        _("state"), max_length=12, choices=StepState, default=StepState.PENDING
    )
    venue = models.CharField(_("venue"), max_length=16)
    to_venue = models.CharField(_("to venue"), max_length=16, blank=True, default="")
    asset = models.CharField(_("asset"), max_length=12)
    quote = models.CharField(_("quote asset"), max_length=12, blank=True, default="")
    network = models.CharField(_("network"), max_length=16, blank=True, default="")
    attempt = models.PositiveSmallIntegerField(_("attempts"), default=0)
    reference_price = money(_("top of book when it began"), null=True)
    quantity_in = money(_("given"), default=Decimal(0))
    quantity_out = money(_("yielded"), default=Decimal(0))
    started_at = models.DateTimeField(_("started"), null=True)
    settled_at = models.DateTimeField(_("settled"), null=True)

    calls: models.Manager[ExchangeCall]

    class Meta:
        verbose_name = _("step")
        verbose_name_plural = _("steps")
        ordering = ("cycle", "position")
        constraints = (
            models.UniqueConstraint(fields=("cycle", "position"), name="step_position_once"),
            models.CheckConstraint(
                name="step_passage_known", condition=Q(passage__in=Passage.values)
            ),
            models.CheckConstraint(name="step_kind_known", condition=Q(kind__in=StepKind.values)),
            models.CheckConstraint(
                name="step_state_known", condition=Q(state__in=StepState.values)
            ),
            models.CheckConstraint(
                name="step_done_is_settled",
                condition=~Q(state="DONE") | Q(settled_at__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"{self.position} {self.passage} {self.kind} {self.asset}"
