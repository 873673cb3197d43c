"""The settings that the business reads; nothing else in this app reads django.conf."""

from __future__ import annotations

from dataclasses import dataclass, field

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


def lease_seconds() -> int:
    """Return how long a claim on a cycle lasts unrenewed."""
    return int(settings.KIMP_LEASE_SECONDS)
