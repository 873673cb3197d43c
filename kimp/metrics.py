"""`/metrics` of the web role: gauges read from the database at each scrape."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from cycles import selectors
from cycles.domain.words import CallOutcome

FORWARDED = ("X-Forwarded-For", "Forwarded", "X-Real-IP")

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """One gauge and what it is read by: one number, or one for each value of its labels."""

    name: str
    text: str
    sql: str = ""  # gives a column for each label, then the number
    read: Callable[[], Mapping[tuple[str, ...], Decimal]] | None = None  # instead
    labels: tuple[str, ...] = ()
    known: tuple[str, ...] = ()  # values of the one label that stand at 0 without a row


def _cycles() -> dict[tuple[str, ...], Decimal]:
    return {(status,): Decimal(found.count) for status, found in selectors.sums_by_status().items()}


GAUGES = (
    Gauge(
        name="kimp_cycles",
        text="Cycles by status.",
        labels=("status",),
        read=_cycles,
    ),
    Gauge(
        name="kimp_open_calls",
        text="Exchange calls whose outcome is not known yet.",
        labels=("outcome",),
        known=(CallOutcome.INTENDED.value, CallOutcome.UNKNOWN.value),
        sql="SELECT outcome, count(*) FROM cycles_exchangecall"
        " WHERE outcome IN ('INTENDED', 'UNKNOWN') GROUP BY outcome",
    ),
    Gauge(
        name="kimp_heartbeat_age_seconds",
        text="Since the newest sign of life of a role.",
        labels=("role",),
        sql="SELECT role, extract(epoch FROM clock_timestamp() - max(beat_at))"
        " FROM cycles_heartbeat WHERE name NOT LIKE 'job:%' GROUP BY role",
    ),
    Gauge(
        name="kimp_job_heartbeat_age_seconds",
        text="Since a scheduled job last ran.",
        labels=("job",),
        sql="SELECT substr(name, 5), extract(epoch FROM clock_timestamp() - beat_at)"
        " FROM cycles_heartbeat WHERE name LIKE 'job:%'",
    ),
    Gauge(
        name="kimp_money_at_risk_krw",
        text="Money at risk in dead letters, KRW.",
        sql="SELECT coalesce(sum(money_at_risk_krw), 0) FROM cycles_cycle"
        " WHERE status = 'DEAD_LETTER'",
    ),
    Gauge(
        name="kimp_oldest_dead_letter_seconds",
        text="Since the oldest dead letter became one; 0 if there is none.",
        sql="SELECT coalesce(extract(epoch FROM clock_timestamp() - min(status_since)), 0)"
        " FROM cycles_cycle WHERE status = 'DEAD_LETTER'",
    ),
    Gauge(
        name="kimp_queue_depth",
        text="Tasks that wait in django-q2's queue.",
        sql="SELECT count(*) FROM django_q_ormq",
    ),
    Gauge(
        name="kimp_alerts_pending",
        text="Alerts that nobody has been told of yet.",
        sql="SELECT count(*) FROM cycles_alert WHERE state = 'PENDING'",
    ),
    Gauge(
        name="kimp_venue_window_left",
        text="Units that the desk has left of a venue's window now.",
        labels=("venue", "window", "scope"),
        # What was taken ten slots ago, or before, counts no more (exchanges/pacing/take_tokens.sql).
        sql="SELECT venue, name, scope, most - coalesce((SELECT sum(u)"
        " FROM unnest(used) WITH ORDINALITY AS slots(u, age) WHERE age + floor("
        "extract(epoch FROM clock_timestamp()) * 1000 / (span_ms / 8)) - slot <= 10), 0)"
        " FROM exchanges_ratewindow WHERE most > 0",
    ),
    Gauge(
        name="kimp_venue_held_seconds",
        text="How long a venue still keeps a window closed for us (window *: everything, a ban).",
        labels=("venue", "window", "scope", "because"),
        sql="SELECT venue, name, scope, held_because,"
        " extract(epoch FROM held_until - clock_timestamp())"
        " FROM exchanges_ratewindow WHERE held_until > clock_timestamp()",
    ),
    Gauge(
        name="kimp_venue_clock_stopped",
        text="1 while a host does not trade on a venue because their clocks disagree.",
        labels=("venue", "host"),
        sql="SELECT venue, host, (stopped_at IS NOT NULL)::int FROM exchanges_venueclock"
        " WHERE measured_at > clock_timestamp() - interval '1 hour'",
    ),
)


class DeskCollector(Collector):
    """Reads the desk's gauges, one after the other."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Give every gauge."""
        for gauge in GAUGES:
            family = GaugeMetricFamily(gauge.name, gauge.text, labels=gauge.labels or None)
            read = gauge.read() if gauge.read else _rows(gauge.sql)
            found = {(value,): ZERO for value in gauge.known} | dict(read)
            for values, number in found.items():
                family.add_metric(values, float(number))
            yield family


def _rows(sql: str) -> dict[tuple[str, ...], Decimal]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return {
            tuple(str(value) for value in values): Decimal(number)
            for *values, number in cursor.fetchall()
        }


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer a scraper on this machine, or one with the bearer token."""
    if not _may_scrape(request):
        return HttpResponseForbidden("metrics: from this machine or with the token only\n")
    registry = CollectorRegistry()
    registry.register(DeskCollector())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _may_scrape(request: HttpRequest) -> bool:
    """Behind a proxy everybody comes from loopback: then only the token counts."""
    token = str(settings.KIMP_METRICS_TOKEN)
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if token and hmac.compare_digest(given.encode(), token.encode()):
        return True
    is_direct = not any(header in request.headers for header in FORWARDED)
    return is_direct and _is_loopback(request.META.get("REMOTE_ADDR", ""))


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
