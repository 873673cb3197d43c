"""The application that composes the desk: its commands and its system checks."""

from __future__ import annotations

from django.apps import AppConfig


class KimpConfig(AppConfig):
    """Composition only; it has no models."""

    name = "kimp"
    label = "kimp"
    verbose_name = "kimp"

    def ready(self) -> None:
        """Register the system checks."""
        from kimp import checks  # noqa: F401, PLC0415  Django loads apps before checks may be imported
