"""The addresses of probes and scrapers; none ends with a slash."""

from __future__ import annotations

from django.urls import path

from kimp import health, metrics

urlpatterns = [
    path("livez", health.livez, name="livez"),
    path("readyz", health.readyz, name="readyz"),
    path("healthz", health.readyz, name="healthz"),
    path("metrics", metrics.metrics, name="metrics"),
]
