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

    def ready(self) -> None:
        """Let the gateway ask what kind of database this is, in every process."""
        from cycles.services.desk import database_is_live  # noqa: PLC0415  models are ready now
        from exchanges import registry  # noqa: PLC0415  as above

        registry.configure_by(database_is_live)
