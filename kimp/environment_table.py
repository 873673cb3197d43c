"""Every setting that kimp reads from its environment: one table, many readers.

Parsing, `manage.py config`, the README's table and `.env.example` all come from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

ENVIRONMENTS = ("development", "test", "production")
ROLES = ("web", "feeder", "initiator", "finalizer", "worker")
PORTS = {"web": 8000, "feeder": 9101, "initiator": 9102, "finalizer": 9103, "worker": 9104}
STATEMENT_SECONDS = {"web": 15, "feeder": 10, "initiator": 10, "finalizer": 10, "worker": 60}
_KEY_ROLES = ("initiator", "finalizer", "worker")
KOREA = ("upbit", "bithumb")


class Kind(Enum):
    """How a text from the environment is read; anything else is a problem, never a guess."""

    TEXT = "text"
    FLAG = "flag"
    COUNT = "count"  # a whole number, 1 or more
    PORT = "port"
    DECIMAL = "decimal"  # 1 or more
    URL = "http(s) URL"
    DATABASE = "postgresql:// URL"
    NAMES = "comma-separated list"
    PATH = "path"


class Need(Enum):
    """When a setting may not be empty."""

    NEVER = "never"
    PRODUCTION = "in production"
    LIVE = "when live"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One row: a name in the environment and what it means."""

    name: str
    kind: Kind
    help: str
    default: str | None = None  # as it would stand in the environment; None: see `help`
    choices: tuple[str, ...] = ()  # of a list: what may stand in it
    is_secret: bool = False  # masked wherever shown; NAME_FILE is accepted too
    need: Need = Need.NEVER
    needed_by: tuple[str, ...] = ROLES
    korea_venue: str = ""  # needed only where the desk trades there


def _row(name: str, kind: Kind, help_: str, default: str | None = "") -> Setting:
    return Setting(name=name, kind=kind, help=help_, default=default)


def _key(name: str, help_: str, korea_venue: str = "") -> Setting:
    return Setting(
        name=name, kind=Kind.TEXT, help=help_, default="",
        is_secret=True, need=Need.LIVE, needed_by=_KEY_ROLES, korea_venue=korea_venue,
    )  # fmt: skip


TABLE: tuple[Setting, ...] = (
    Setting(
        name="KIMP_ENVIRONMENT", kind=Kind.TEXT, default="development", choices=ENVIRONMENTS,
        help="which environment this is; chooses the .env files",
    ),
    Setting(
        name="KIMP_ROLE", kind=Kind.TEXT, default="web", choices=ROLES,
        help="what this process does; the commands feeder, initiator, finalizer and qcluster set it",
    ),
    _row("KIMP_HOME", Kind.PATH, "folder of the desk's own data; .kimp in the project, .kimp/test in test", None),
    _row("KIMP_LIVE", Kind.FLAG, "trade with real venues; the database must be a LIVE one too", "0"),
    _row("KIMP_TIME_SCALE", Kind.DECIMAL, "divides the policy's durations; 1 outside of demonstrations", "1"),
    _row("KIMP_SESSION_ID", Kind.TEXT, "names this run in logs and journal; generated if not set", None),
    _row("KIMP_PORT", Kind.PORT, "where the role serves; web 8000, feeder 9101, initiator 9102, finalizer 9103, worker 9104", None),
    _row("KIMP_BIND", Kind.TEXT, "address that the metrics of the roles are served on; 0.0.0.0 inside a container", "127.0.0.1"),
    _row("KIMP_PUBLIC_URL", Kind.URL, "the admin's address in alerts; http://127.0.0.1:8000 if not set", None),
    Setting(
        name="SECRET_KEY", kind=Kind.TEXT, is_secret=True, need=Need.PRODUCTION, default=None,
        help="Django's secret; generated into KIMP_HOME outside of production",
    ),
    _row("DEBUG", Kind.FLAG, "Django's debug pages; refused in production and when live", "0"),
    Setting(
        name="ALLOWED_HOSTS", kind=Kind.NAMES, need=Need.PRODUCTION, needed_by=("web",), default=None,
        help="host names the web role answers to; loopback outside of production",
    ),
    _row("CSRF_TRUSTED_ORIGINS", Kind.NAMES, "origins (https://host) that may post forms"),
    _row("KIMP_TRUST_PROXY", Kind.FLAG, "believe X-Forwarded-Proto, and the last of X-Forwarded-For: the web role stands behind a TLS proxy", "0"),
    _row("KIMP_LOG_IN_FAILURES", Kind.COUNT, "wrong passwords in a row that lock a user name for the address they came from", "5"),
    _row("KIMP_LOG_IN_LOCK_MINUTES", Kind.COUNT, "how long it stays locked after the last of them", "15"),
    Setting(
        name="DATABASE_URL", kind=Kind.DATABASE, is_secret=True, need=Need.PRODUCTION, default=None,
        help="the PostgreSQL to use, or several by commas of which one takes writes; without it an embedded one is started under KIMP_HOME",
    ),
    _row("KIMP_PG_BIN", Kind.PATH, "folder with postgres and initdb for the embedded server", None),
    _row("KIMP_STATEMENT_SECONDS", Kind.COUNT, "longest SQL statement; web 15, worker 60, other roles 10", None),
    _row("KIMP_SIMULATOR_URL", Kind.URL, "control address of the venue simulator", "http://127.0.0.1:18080"),
    _row("KIMP_SCENARIO", Kind.TEXT, "what the simulated venues of manage.py up are like; its --scenario comes first", "rehearsal"),
    Setting(
        name="KIMP_KOREA_VENUES", kind=Kind.NAMES, default="upbit", choices=KOREA,
        help="Korean venues that the desk trades at; the same for every role",
    ),
    _row("KIMP_UPBIT_BASE_URL", Kind.URL, "Upbit, when live; https://api.upbit.com if not set", None),
    _key("KIMP_UPBIT_ACCESS_KEY", "Upbit access key, when live", "upbit"),
    _key("KIMP_UPBIT_SECRET_KEY", "Upbit secret key, when live", "upbit"),
    _row("KIMP_BITHUMB_BASE_URL", Kind.URL, "Bithumb, when live; https://api.bithumb.com if not set", None),
    _key("KIMP_BITHUMB_ACCESS_KEY", "Bithumb access key, when live", "bithumb"),
    _key("KIMP_BITHUMB_SECRET_KEY", "Bithumb secret key, when live", "bithumb"),
    _row("KIMP_BINANCE_BASE_URL", Kind.URL, "Binance, when live; https://api.binance.com if not set", None),
    _key("KIMP_BINANCE_API_KEY", "Binance API key, when live"),
    _key("KIMP_BINANCE_SECRET_KEY", "Binance secret key, when live"),
    _row("KIMP_UPBIT_STREAM_URL", Kind.URL, "Upbit's streams, when live, https for wss; https://api.upbit.com if not set", None),
    _row("KIMP_BITHUMB_STREAM_URL", Kind.URL, "Bithumb's streams, when live; https://ws-api.bithumb.com if not set", None),
    _row("KIMP_BINANCE_STREAM_URL", Kind.URL, "Binance's streams, when live; https://stream.binance.com:9443 if not set", None),
    _row("KIMP_BINANCE_WS_API_URL", Kind.URL, "Binance's user events, when live; https://ws-api.binance.com if not set", None),
    _row("KIMP_PRIVATE_STREAMS", Kind.FLAG, "let the venues' private streams hint at news; without them it is found by looking alone", "1"),
    _row("KIMP_FX_FRANKFURTER_URL", Kind.URL, "official USD/KRW, first source; the simulator's unless live", None),
    _row("KIMP_FX_ERAPI_URL", Kind.URL, "official USD/KRW, second source; the simulator's unless live", None),
    _row("KIMP_FX_EXIMBANK_URL", Kind.URL, "official USD/KRW, third source, if there is a key", "https://oapi.koreaexim.go.kr/site/program/financial/exchangeJSON"),
    Setting(
        name="KIMP_FX_EXIMBANK_KEY", kind=Kind.TEXT, is_secret=True, default="",
        help="key for Korea Eximbank's fixings; without it they are not read",
    ),
    _row("KIMP_TELEGRAM_BASE_URL", Kind.URL, "where alerts are posted", "https://api.telegram.org"),
    Setting(
        name="KIMP_TELEGRAM_TOKEN", kind=Kind.TEXT, is_secret=True, default="",
        help="bot token; without it alerts are logged and shown in the admin",
    ),
    _row("KIMP_TELEGRAM_CHAT_ID", Kind.TEXT, "chat that gets the alerts"),
    _row("KIMP_OPERATOR", Kind.TEXT, "who acts through commands when --as is not given"),
    _row("KIMP_LEASE_SECONDS", Kind.COUNT, "how long a claim on a cycle lasts unrenewed", "30"),
    _row("KIMP_VENUE_DEADLINE_SECONDS", Kind.COUNT, "longest that one call of a venue may take, repeats of reads included", "10"),
    _row("KIMP_EGRESS", Kind.TEXT, "names the address this host's calls come from, where hosts have different ones: venues count some limits by address"),
    _row("KIMP_CLOCK_LIMIT_SECONDS", Kind.COUNT, "how far a venue's clock may lie from ours before trading there stops", "5"),
    Setting(
        name="KIMP_QUEUE_REDIS", kind=Kind.TEXT, is_secret=True, default="",
        help="redis:// URL of the queue's broker, for many hosts; PostgreSQL if not set",
    ),
    _row("KIMP_WORKER_THREADS", Kind.COUNT, "cycles that one initiator or finalizer drives at a time", "32"),
    _row("KIMP_WORKER_CONNECTIONS", Kind.COUNT, "database connections that those share, in each of the two", "16"),
    _row("KIMP_SAMPLES_KEPT_DAYS", Kind.COUNT, "how long premium samples stay; charts of single seconds need them", "30"),
    _row("KIMP_MINUTES_KEPT_DAYS", Kind.COUNT, "how long samples rolled up to minutes stay", "400"),
    _row("KIMP_HOURS_KEPT_DAYS", Kind.COUNT, "how long samples rolled up to hours stay", "3650"),
    Setting(
        name="KIMP_LOG_FORMAT", kind=Kind.TEXT, default="auto", choices=("auto", "json", "console"),
        help="auto: colours on a terminal, JSON otherwise",
    ),
    Setting(
        name="KIMP_LOG_LEVEL", kind=Kind.TEXT, default="INFO",
        choices=("DEBUG", "INFO", "WARNING", "ERROR"), help="lowest level that is written",
    ),
    Setting(
        name="KIMP_METRICS_TOKEN", kind=Kind.TEXT, is_secret=True, default="",
        help="bearer token for the web role's /metrics; without it only this machine may scrape",
    ),
    _row("OTEL_EXPORTER_OTLP_ENDPOINT", Kind.URL, "where traces go (kimp[otel]); none are made without it"),
)  # fmt: skip

BY_NAME = {setting.name: setting for setting in TABLE}
