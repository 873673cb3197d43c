"""Django's admin with our site as the default one."""

from __future__ import annotations

from importlib import import_module

from django.contrib.admin.apps import AdminConfig


class DeskAdminConfig(AdminConfig):
    """Stands in INSTALLED_APPS in place of `django.contrib.admin`."""

    default_site = "cycles.admin.site.DeskSite"

    def ready(self) -> None:
        """Register the other applications' tables, then ours."""
        super().ready()
        import_module("cycles.admin.tables")
