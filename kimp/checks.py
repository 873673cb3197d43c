"""System checks of the composition: what would lose tasks or money in production."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning as CheckWarning, register
from django.db import DatabaseError


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
    """Refuse a queue that hands a task out again while it may still run, or wait in the cluster that has fetched it.

    `retry` counts from the fetch. Beside `queue_limit` tasks one more waits, in the hand of who fetches.
    """
    names = ("timeout", "retry", "queue_limit", "workers")
    timeout, retry, limit, workers = (settings.Q_CLUSTER.get(name) for name in names)
    if timeout and retry and limit and workers:  # none, or 0, is without an end
        waited_for = 1 + limit // workers  # tasks one after the other, before the last one's turn
        if (timeout + ENDED_LATE_SECONDS) * (waited_for + 1) < retry:
            return []
    told = f"retry must be longer than (timeout + {ENDED_LATE_SECONDS}) * (2 + queue_limit // workers), and each of them be set"
    hint = "A task would be handed out again while it runs."
    return [Error(f"Q_CLUSTER: {told}.", hint=hint, id="kimp.E002")]


QUEUE_TRAPS: tuple[tuple[str, Any, str], ...] = (
    (
        "max_attempts",
        1,
        "a task that was cut off would be started again and again: its sweep comes anyway",
    ),
    ("ack_failures", True, "a task that failed would be handed out for ever"),
    ("catch_up", False, "after an outage every missed run would be started at once"),
    ("bulk", 1, "a worker that dies would take the other tasks it has fetched with it"),
    ("sync", False, "a task would run in the process that asks for it, and hold up its request"),
)
ENDED_LATE_SECONDS = (
    5  # a task's own alarm comes first; django-q2 kills three seconds later, and looks now and then
)
SAVE_LIMIT = range(1, 101)  # 0 saves all, without a setting 250 are: each costs more than its task


@register()
def queue_traps_avoided(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Refuse what django-q2 allows and this desk cannot bear."""
    found: list[CheckMessage] = [
        Error(f"Q_CLUSTER: {name} must be {wanted!r}: {why}.", id="kimp.E003")
        for name, wanted, why in QUEUE_TRAPS
        if settings.Q_CLUSTER.get(name) != wanted
    ]
    if settings.Q_CLUSTER.get("save_limit") not in SAVE_LIMIT:
        lowest, highest = SAVE_LIMIT[0], SAVE_LIMIT[-1]
        told = f"Q_CLUSTER: save_limit must be from {lowest} to {highest}"
        found.append(
            Error(f"{told}: results would pile up, or none be left to read.", id="kimp.E003")
        )
    return found


@register(Tags.database)
def schedules_are_of_this_code(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Warn of scheduled names that this code does not have: the queue fails at each, and nothing else says so."""
    if not kwargs.get("databases") or not apps.is_installed("django_q"):
        return []
    from kimp import schedules  # noqa: PLC0415  its models load only where the queue is installed

    try:
        gone = schedules.gone()
    except DatabaseError:  # not migrated yet
        return []
    return [
        CheckWarning(
            f"{name} is scheduled as {function}, which this code does not have.",
            hint="Run manage.py sync_schedules once the new release alone is at work.",
            id="kimp.W002",
        )
        for name, function in gone
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


@register()
def queue_out_of_the_admin(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Refuse pages of the queue's tables: "resubmit" deletes a failure, and a row runs any function by its name."""
    if not apps.is_installed("django.contrib.admin"):
        return []
    from django.contrib.admin.sites import all_sites  # noqa: PLC0415  its models load only in the web role

    return [
        Error(
            f"django-q2's {model.__name__} is in the admin, where failures are deleted and tasks started.",
            hint="Take out what registers it there: the desk page and /readyz tell how the queue is.",
            id="kimp.E005",
        )
        for model in apps.get_app_config("django_q").get_models()
        if any(site.is_registered(model) for site in all_sites)
    ]


@register()
def no_request_outlives_its_judgement(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Refuse times by which a request could reach its venue after it was judged absent, where money is real.

    A simulated desk may hurry, or wait: nobody loses anything.
    """
    if not settings.KIMP_LIVE and settings.KIMP_ENVIRONMENT != "production":
        return []
    from exchanges import registry  # noqa: PLC0415  adapters load only where somebody asks

    deadline, lease = settings.KIMP_VENUE_DEADLINE_SECONDS, settings.KIMP_LEASE_SECONDS
    late_start, late_end = registry.SENT_WITHIN_SECONDS, registry.DELIVERED_LATE_SECONDS
    longest, shortest = _shortest_window() + late_start - late_end, deadline + late_start + 1
    told = (
        (
            deadline > longest,
            f"KIMP_VENUE_DEADLINE_SECONDS is {deadline}: an order could reach its venue after it was judged absent.",
            f"Set it to {longest} at most: it would be sent anew, and both be executed.",
        ),
        (
            lease < shortest,
            f"KIMP_LEASE_SECONDS is {lease}: a call may last longer than the lease that it is made under.",
            f"Set it to {shortest} at least, or KIMP_VENUE_DEADLINE_SECONDS lower.",
        ),
    )
    return [Error(wrong, hint=cure, id="kimp.E006") for is_so, wrong, cure in told if is_so]


def _shortest_window() -> int:
    """Give after how many seconds an unknown order, or its cancel, may be stated absent at the earliest.

    A person may then; the desk itself asks its venue once more after that.
    """
    from exchanges import registry  # noqa: PLC0415  as above

    adapters = [registry.ADAPTERS[code] for code in registry.desk_venues()]
    rules = [rule for one in adapters for rule in (one.order_rule, one.cancel_rule)]
    return min(one.absence_proves_after_seconds or one.lookup_grace_seconds for one in rules)


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
