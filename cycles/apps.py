"""The cycles app."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CyclesConfig(AppConfig):
    """The business."""

    name = "cycles"
    label = "cycles"
    verbose_name = _("cycles")
    default_auto_field = "django.db.models.BigAutoField"
