"""Where each sweep stopped, so that the next run goes on behind it."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class SweepMark(models.Model):
    """The last row that a sweep has looked at, by its key as text: the order of a rotation, and no rule."""

    sweep = models.CharField(_("sweep"), max_length=48, primary_key=True)
    last = models.CharField(_("last looked at"), max_length=48)

    class Meta:
        verbose_name = _("sweep mark")
        verbose_name_plural = _("sweep marks")

    def __str__(self) -> str:
        return f"{self.sweep}: up to {self.last}"
