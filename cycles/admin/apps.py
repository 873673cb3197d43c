"""Django's admin with our site as the default one, and the log-ins to it."""

from __future__ import annotations

from importlib import import_module

from axes.apps import AppConfig as AxesConfig
from django.contrib.admin.apps import AdminConfig
from django.utils.translation import gettext_lazy as _


class DeskAdminConfig(AdminConfig):
    """Stands in INSTALLED_APPS in place of `django.contrib.admin`."""

    default_site = "cycles.admin.site.DeskSite"

    def ready(self) -> None:
        """Register the other applications' tables, then ours."""
        super().ready()
        import_module("cycles.admin.tables")


class LogInsConfig(AxesConfig):  # type: ignore[misc]  # axes has no types
    """Stands in place of `axes`, under a name that people understand."""

    verbose_name = _("Log-ins")
