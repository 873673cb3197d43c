"""The application that composes the desk: its commands and its system checks."""

from __future__ import annotations

from django.apps import AppConfig
from django.conf import settings


class KimpConfig(AppConfig):
    """Composition only; it has no models."""

    name = "kimp"
    label = "kimp"
    verbose_name = "kimp"

    def ready(self) -> None:
        """Register the system checks, and start tracing if an endpoint is set."""
        from kimp import checks  # noqa: F401, PLC0415  Django loads apps before checks may be imported

        if settings.OTEL_EXPORTER_OTLP_ENDPOINT:
            from kimp import tracing  # noqa: PLC0415  an extra that is imported only when asked for

            tracing.start()
