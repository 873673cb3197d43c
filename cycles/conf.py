"""The settings that the business reads; nothing else in this app reads django.conf."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from django.conf import settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Telegram:
    """Where alerts go; without token or chat there is no channel."""

    base_url: str
    token: str = field(repr=False)
    chat_id: str

    @property
    def is_configured(self) -> bool:
        """Say whether alerts can be sent at all."""
        return bool(self.token and self.chat_id)


def telegram() -> Telegram:
    """Return the alert channel."""
    return Telegram(
        base_url=str(settings.KIMP_TELEGRAM_BASE_URL).rstrip("/"),
        token=str(settings.KIMP_TELEGRAM_TOKEN),
        chat_id=str(settings.KIMP_TELEGRAM_CHAT_ID),
    )


def public_url() -> str:
    """Return the address of the admin's site, without a slash at its end."""
    return str(settings.KIMP_PUBLIC_URL).rstrip("/")


def session_id() -> str:
    """Return the name of this run of the process."""
    return str(settings.KIMP_SESSION_ID)


def home() -> Path:
    """Return the folder of this host's own data."""
    return Path(settings.KIMP_HOME)


def lease_seconds() -> int:
    """Return how long a claim on a cycle lasts unrenewed."""
    return int(settings.KIMP_LEASE_SECONDS)


def time_scale() -> Decimal:
    """Return what divides the policy's durations: 1, but for demonstrations."""
    return Decimal(settings.KIMP_TIME_SCALE)


def scaled(seconds: int | Decimal) -> timedelta:
    """Turn a policy's duration into wall time."""
    return timedelta(milliseconds=int(seconds * 1000 / time_scale()))


def samples_kept() -> timedelta:
    """Return how long premium samples stay."""
    return timedelta(days=int(settings.KIMP_SAMPLES_KEPT_DAYS))


def minutes_kept() -> timedelta:
    """Return how long samples rolled up to minutes stay."""
    return timedelta(days=int(settings.KIMP_MINUTES_KEPT_DAYS))


def hours_kept() -> timedelta:
    """Return how long samples rolled up to hours stay."""
    return timedelta(days=int(settings.KIMP_HOURS_KEPT_DAYS))


def worker_threads() -> int:
    """Return how many cycles one process drives at a time."""
    return int(settings.KIMP_WORKER_THREADS)


def venue_deadline_seconds() -> int:
    """Return how long one call of a venue may take."""
    return int(settings.KIMP_VENUE_DEADLINE_SECONDS)


def is_live() -> bool:
    """Say whether the environment asks for live trading; the database must agree."""
    return bool(settings.KIMP_LIVE)


def private_streams() -> bool:
    """Say whether private streams are listened to."""
    return bool(settings.KIMP_PRIVATE_STREAMS)


def port() -> int:
    """Return the port of this role."""
    return int(settings.KIMP_PORT)


def display_time_zone() -> ZoneInfo:
    """Return the time zone in which people are shown instants, and in which a day begins."""
    return ZoneInfo(str(settings.KIMP_DISPLAY_TIME_ZONE))


def log_in_failures() -> int:
    """Return how many wrong passwords in a row lock a name for an address."""
    return int(settings.KIMP_LOG_IN_FAILURES)


def log_in_lock() -> timedelta:
    """Return how long a name stays locked after the last wrong password."""
    return timedelta(minutes=int(settings.KIMP_LOG_IN_LOCK_MINUTES))


def trusts_proxy() -> bool:
    """Say whether the web role stands behind a proxy that says for whom it asks."""
    return bool(settings.KIMP_TRUST_PROXY)


def operator() -> str:
    """Return who acts through commands when they do not say; may be empty."""
    return str(settings.KIMP_OPERATOR)


def bind() -> str:
    """Return the address that this role's metrics are served on."""
    return str(settings.KIMP_BIND)
