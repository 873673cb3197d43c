"""The official rates: read from every source when due, held side by side, and told when one fails."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

import structlog
from django.db import connection

from cycles.domain.money import ratio_bps
from cycles.models import Alert
from cycles.services import quoting
from cycles.services.alerting import raise_alert
from cycles.services.correlating import carry, resume
from cycles.services.outage import UNREACHABLE
from exchanges import registry
from exchanges.errors import VenueError
from exchanges.port import RateSource
from exchanges.trouble import Trouble
from exchanges.values import RateQuote

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0


class OverdueError(VenueError):
    """A source has not given the rate that it should have by now: the desk does without it."""


@dataclass(slots=True)
class Rates:
    """The official rates as last read; a failing source is told, never replaced by a constant."""

    quotes: dict[str, RateQuote] = field(default_factory=dict)
    read_at: timedelta | None = None  # by the monotonic clock, which nobody sets back

    @property
    def first(self) -> RateQuote | None:
        """Give the rate of the first source that has one."""
        return next(iter(self.quotes.values()), None)

    @property
    def disagreement_bps(self) -> Decimal | None:
        """Give how far the sources lie apart; None with fewer than two."""
        rates = [quote.krw_per_usd for quote in self.quotes.values()]
        return ratio_bps(max(rates), min(rates)) if len(rates) > 1 else None


def refresh_rates(rates: Rates, now: datetime) -> None:
    """Read every official source when due; one that fails, or is overdue, loses its place, loudly."""
    here = timedelta(seconds=time.monotonic())
    if rates.read_at is not None and here - rates.read_at < quoting.fx_poll_delay():
        return
    rates.read_at = here
    found: dict[str, RateQuote] = {}
    failed: dict[str, str] = {}
    for source in registry.rate_sources():
        try:
            found[source.code] = _read(source, now)
        except VenueError as error:
            failed[source.code] = str(error)
        except (
            Exception
        ) as error:  # else the others would not be read, and this one would keep its place
            log.exception("rate.source_broken", source=source.code)
            failed[source.code] = type(error).__name__
    rates.quotes = found  # at once: others may be reading; first, for an alert may fail
    for code, told in failed.items():
        _tell_failed_source(code, told, now)


def _read(source: RateSource, now: datetime) -> RateQuote:
    """Read one source's rate. Raises VenueError, also where a newer rate is overdue."""
    quote = source.usd_krw()
    if quote.good_until is not None and now > quote.good_until:
        raise OverdueError(
            f"the newest rate is of {quote.quoted_at:%Y-%m-%d %H:%M} UTC: a newer is overdue",
            venue=source.code,
            operation="usd_krw",
        )
    return quote


def _tell_failed_source(code: str, error: str, now: datetime) -> None:
    """Say loudly, once an hour, that an official source does not answer, or not with a rate of today."""
    log.warning("rate.source_failed", source=code, error=error)
    raise_alert(
        key=f"rate:{code}:{now:%Y%m%d%H}",
        severity=Alert.Severity.WARNING,
        title=f"The official rate of {code} cannot be read",
        body=error,
    )


def keep_refreshed(rates: Rates, stop: threading.Event) -> None:
    """Refresh rates in a thread of its own until `stop` is set: a source that hangs delays no sample."""
    ids, trouble = carry(), Trouble("rates")

    def work() -> None:
        try:
            with resume(ids):
                while not stop.wait(LOOK_SECONDS):
                    stop.wait(_refresh_quietly(rates, trouble).total_seconds())
        finally:
            registry.release()
            connection.close()

    threading.Thread(target=work, name="rates", daemon=True).start()


def _refresh_quietly(rates: Rates, trouble: Trouble) -> timedelta:
    """Refresh, whatever comes of it: the boundary of a thread. Gives the pause that it needs."""
    try:
        refresh_rates(rates, registry.utc_now())
    except UNREACHABLE as error:  # an alert could not be written; the next one will be
        log.warning("rate.not_told", error=type(error).__name__)
        connection.close()
    except Exception as error:  # noqa: BLE001  told there
        connection.close()
        return trouble.tell(error)
    else:
        trouble.over()
    return timedelta(0)
