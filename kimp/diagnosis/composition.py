"""How the processes are put together: settings that hold in production, signs of life, the schedule."""

from __future__ import annotations

from collections.abc import Iterator

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage

from cycles.diagnosis.findings import Finding, amiss, doubtful, well
from cycles.domain.words import Role
from kimp import health

ROLES = (*health.BEATING, Role.WORKER)
COMMANDS = {Role.WORKER: "qcluster"}


def of_settings() -> Iterator[Finding]:
    """Say whether the settings are those of production, and what Django's own checks say of them."""
    yield _environment()
    yield _checks(checks.run_checks(include_deployment_checks=_is_production()))


def _is_production() -> bool:
    return bool(settings.KIMP_ENVIRONMENT == "production")


def _is_embedded() -> bool:
    return bool(settings.DATABASES["default"]["ENGINE"] == "kimp.database")


def _environment() -> Finding:
    told = f"{settings.KIMP_ENVIRONMENT}, {'LIVE' if settings.KIMP_LIVE else 'simulated'}"
    wrong = [
        text
        for is_wrong, text in (
            (not _is_production(), "KIMP_ENVIRONMENT is not production"),
            (settings.DEBUG, "DEBUG is on"),
            ("*" in settings.ALLOWED_HOSTS, "ALLOWED_HOSTS takes every name"),
            (_is_embedded(), "the database is the embedded one, without backups"),
        )
        if is_wrong
    ]
    if wrong and settings.KIMP_LIVE:
        cure = "set KIMP_ENVIRONMENT=production, DEBUG=0, ALLOWED_HOSTS and DATABASE_URL"
        return amiss("environment", f"{told}: {', '.join(wrong)}", cure)
    return well("environment", told)


def _checks(found: list[CheckMessage]) -> Finding:
    """Put what Django's system checks found into one line; in production also those of `check --deploy`."""
    serious = [one for one in found if one.is_serious() and not one.is_silenced()]
    lesser = [one for one in found if not one.is_serious() and not one.is_silenced()]
    cure = "manage.py check --deploy tells each of them"
    if serious:
        return amiss("checks", _named(serious), cure)
    if lesser:
        return doubtful("checks", _named(lesser), cure)
    return well("checks", "Django's and kimp's system checks find nothing")


def _named(found: list[CheckMessage]) -> str:
    return "; ".join(f"{one.id} {one.msg}" for one in found)


def of_workers() -> Iterator[Finding]:
    """Say which roles give signs of life."""
    told = {check.name: check for check in health.readiness()}
    for role in ROLES:
        check = told[role.value]
        if check.is_ok:
            yield well(role.value, "alive")
        else:
            cure = f"start it: manage.py {COMMANDS.get(role, role.value)} (all at once: make up)"
            yield amiss(role.value, check.detail, cure)
    yield _jobs(told["jobs"])


def _jobs(check: health.Check) -> Finding:
    if check.is_ok:
        return well("jobs", "each ended well of late")
    cure = "read why in their alerts and the worker's log (task.failed); if they never run: manage.py sync_schedules"
    return amiss("jobs", check.detail, cure)


def of_schedule() -> Finding:
    """Say whether the queue's schedule is the code's."""
    if not apps.is_installed("django_q"):
        cure = "run the doctor with a worker's settings: KIMP_ROLE=worker manage.py doctor"
        return doubtful("schedule", "this role does not know the queue", cure)
    from kimp.schedules import sync  # noqa: PLC0415  its models load only where the queue is installed

    difference = sync(dry_run=True)
    if difference.is_empty:
        return well("schedule", "as the code has it")
    names = (*difference.created, *difference.changed, *difference.deleted)
    return amiss(
        "schedule", f"differs from the code: {', '.join(names)}", "manage.py sync_schedules"
    )
