"""System checks of the composition: what would lose tasks or money in production."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning as CheckWarning, register


@register(Tags.database)
def no_pool_before_a_fork(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Refuse a psycopg pool in the worker role: qcluster forks after the pool has opened."""
    pool = any(database.get("OPTIONS", {}).get("pool") for database in settings.DATABASES.values())
    if pool and settings.KIMP_ROLE == "worker":
        return [
            Error(
                "A connection pool is set in the worker role, whose cluster forks after opening it.",
                hint="Remove OPTIONS['pool']: tasks would be lost and the cluster would hang.",
                id="kimp.E001",
            )
        ]
    return []


@register()
def queue_timeouts_in_order(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Refuse a queue that hands a task out again while it may still run."""
    queue = settings.Q_CLUSTER
    if queue["timeout"] is None or queue["timeout"] >= queue["retry"]:
        return [Error("Q_CLUSTER: timeout must be shorter than retry.", id="kimp.E002")]
    return []


QUEUE_TRAPS: tuple[tuple[str, Any, str], ...] = (
    (
        "max_attempts",
        1,
        "a task that was cut off would be started again and again: its sweep comes anyway",
    ),
    ("ack_failures", True, "a task that failed would be handed out for ever"),
    ("catch_up", False, "after an outage every missed run would be started at once"),
    ("bulk", 1, "a worker that dies would take the other tasks it has fetched with it"),
)


@register()
def queue_traps_avoided(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Refuse what django-q2 allows and this desk cannot bear."""
    return [
        Error(f"Q_CLUSTER: {name} must be {wanted!r}: {why}.", id="kimp.E003")
        for name, wanted, why in QUEUE_TRAPS
        if settings.Q_CLUSTER.get(name) != wanted
    ]


@register()
def queue_broker_installed(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Refuse a queue in Redis without its client."""
    if "redis" in settings.Q_CLUSTER and find_spec("redis") is None:
        return [
            Error(
                "KIMP_QUEUE_REDIS is set, but the client of Redis is not installed.",
                hint="Install kimp[redis], or leave KIMP_QUEUE_REDIS out: the queue lives in PostgreSQL then.",
                id="kimp.E004",
            )
        ]
    return []


@register(Tags.security, deploy=True)
def live_desk_is_production(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Warn of a live desk outside of the production environment."""
    if settings.KIMP_LIVE and settings.KIMP_ENVIRONMENT != "production":
        return [
            CheckWarning(
                "KIMP_LIVE is set outside of the production environment.",
                hint="Set KIMP_ENVIRONMENT=production.",
                id="kimp.W001",
            )
        ]
    return []
