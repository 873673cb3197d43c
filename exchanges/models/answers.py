"""Which answers of venues are kept: what somebody still has in hand may be older by now."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import UniqueConstraint
from django.utils.translation import gettext_lazy as _


class KeptAnswer(models.Model):
    """The newest answer of a venue that was kept of one subject; written by `exchanges.answers`.

    Questions and what is kept are numbered in one order, by the sequence of `id`: clocks have no say in it.
    """

    venue = models.CharField(_("venue"), max_length=16)
    subject = models.CharField(_("of what"), max_length=80)
    question = models.BigIntegerField(_("number of its question"))
    kept = models.BigIntegerField(_("number of when it was kept"))

    class Meta:
        verbose_name = _("kept answer")
        verbose_name_plural = _("kept answers")
        ordering: ClassVar = ["venue", "subject"]
        constraints: ClassVar = [
            UniqueConstraint(fields=["venue", "subject"], name="kept_answer_once"),
        ]

    def __str__(self) -> str:
        return f"{self.venue}: {self.subject}"
