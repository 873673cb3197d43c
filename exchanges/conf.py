"""The settings the gateway reads, and nothing else reads for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from django.conf import settings


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSettings:
    """Where a venue is and with which keys; keys are never printed.

    `is_limited`: it has rate limits, as all but some simulated ones do.
    """

    base_url: str
    access: str = field(repr=False)
    secret: str = field(repr=False)
    is_limited: bool = True


def is_live() -> bool:
    """Say whether the environment allows live trading."""
    return settings.KIMP_LIVE is True


def simulator_url() -> str:
    """Give the simulator's control address."""
    return str(settings.KIMP_SIMULATOR_URL).rstrip("/")


def market_time(span: timedelta) -> timedelta:
    """Give how long a span of the market's time lasts here: simulated venues may run faster than life."""
    return span / float(settings.KIMP_TIME_SCALE)


def korea_venues() -> tuple[str, ...]:
    """Give the Korean venues that the desk trades at."""
    return tuple(settings.KIMP_KOREA_VENUES)


def upbit() -> AccountSettings:
    """Give the live Upbit account."""
    return AccountSettings(
        base_url=settings.KIMP_UPBIT_BASE_URL,
        access=settings.KIMP_UPBIT_ACCESS_KEY,
        secret=settings.KIMP_UPBIT_SECRET_KEY,
    )


def bithumb() -> AccountSettings:
    """Give the live Bithumb account."""
    return AccountSettings(
        base_url=settings.KIMP_BITHUMB_BASE_URL,
        access=settings.KIMP_BITHUMB_ACCESS_KEY,
        secret=settings.KIMP_BITHUMB_SECRET_KEY,
    )


def binance() -> AccountSettings:
    """Give the live Binance account."""
    return AccountSettings(
        base_url=settings.KIMP_BINANCE_BASE_URL,
        access=settings.KIMP_BINANCE_API_KEY,
        secret=settings.KIMP_BINANCE_SECRET_KEY,
    )


def stream_url(venue: str) -> str:
    """Give where a live venue's streams are, as https."""
    return str(getattr(settings, f"KIMP_{venue.upper()}_STREAM_URL"))


def account_stream_url(venue: str) -> str:
    """Give where a live venue's private stream is, as https: Binance's has a host of its own."""
    return str(settings.KIMP_BINANCE_WS_API_URL) if venue == "binance" else stream_url(venue)


def frankfurter_url() -> str:
    """Give the first source of the official rate; the simulator's unless live."""
    return settings.KIMP_FX_FRANKFURTER_URL or f"{simulator_url()}/fx/usdkrw"


def open_er_api_url() -> str:
    """Give the second source of the official rate; the simulator's unless live."""
    return settings.KIMP_FX_ERAPI_URL or f"{simulator_url()}/fx/v6/latest/USD"


@dataclass(frozen=True, slots=True, kw_only=True)
class EximbankSettings:
    """Where Korea Eximbank's fixings are, and with which key; without a key it is no source."""

    url: str
    key: str = field(repr=False)


def eximbank() -> EximbankSettings:
    """Give the third source of the official rate; it is no source beside the simulator's rates."""
    is_simulated = frankfurter_url().startswith(simulator_url())
    key = "" if is_simulated else settings.KIMP_FX_EXIMBANK_KEY
    return EximbankSettings(url=settings.KIMP_FX_EXIMBANK_URL, key=key)


def deadline_seconds() -> int:
    """Give the total time a venue call may take."""
    return int(settings.KIMP_VENUE_DEADLINE_SECONDS)


def egress() -> str:
    """Give the name of the address that this host's calls come from; empty: the desk has one only."""
    return str(settings.KIMP_EGRESS)


def clock_limit_seconds() -> int:
    """Give how far a venue's clock may lie from ours before trading there stops."""
    return int(settings.KIMP_CLOCK_LIMIT_SECONDS)
