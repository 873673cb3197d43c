"""The exchanges app."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ExchangesConfig(AppConfig):
    """The gateway to venues."""

    name = "exchanges"
    label = "exchanges"
    verbose_name = _("exchanges")
    default_auto_field = "django.db.models.BigAutoField"
