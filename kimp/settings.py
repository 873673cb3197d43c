"""Django's settings, from the strict environment layer; the role decides what loads."""

from __future__ import annotations

import os
import sys
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

from exchanges import official
from kimp import environment, secret_key
from kimp.environment_table import PORTS
from kimp.settings_database import databases

BASE_DIR = Path(__file__).resolve().parent.parent
ENVIRONMENT = environment.load(BASE_DIR, os.environ)  # raises with every problem at once
_env = ENVIRONMENT


# Who we are
KIMP_ENVIRONMENT = _env.environment
KIMP_ROLE = _env.role
KIMP_HOME = Path(
    str(_env["KIMP_HOME"] or BASE_DIR / (".kimp/test" if KIMP_ENVIRONMENT == "test" else ".kimp"))
).absolute()
KIMP_LIVE = _env.flag("KIMP_LIVE")
KIMP_TIME_SCALE = Decimal(_env.text("KIMP_TIME_SCALE"))
KIMP_SESSION_ID = _env.text("KIMP_SESSION_ID") or uuid.uuid4().hex
KIMP_PORT = _env.count("KIMP_PORT", PORTS[KIMP_ROLE])
KIMP_BIND = _env.text("KIMP_BIND")
KIMP_PUBLIC_URL = _env.text("KIMP_PUBLIC_URL") or f"http://127.0.0.1:{PORTS['web']}"
KIMP_TRUST_PROXY = _env.flag("KIMP_TRUST_PROXY")
KIMP_LOG_IN_FAILURES = _env.count("KIMP_LOG_IN_FAILURES", 5)
KIMP_LOG_IN_LOCK_MINUTES = _env.count("KIMP_LOG_IN_LOCK_MINUTES", 15)
_is_production = KIMP_ENVIRONMENT == "production"
_is_web = KIMP_ROLE == "web"

SECRET_KEY = _env.text("SECRET_KEY") or secret_key.kept(KIMP_HOME)
DEBUG = _env.flag("DEBUG")
_loopback = ["localhost", "127.0.0.1", "[::1]"]
ALLOWED_HOSTS = _env.names("ALLOWED_HOSTS", default=() if _is_production else _loopback)
CSRF_TRUSTED_ORIGINS = _env.names("CSRF_TRUSTED_ORIGINS")

# What loads
_everywhere = ["django.contrib.auth", "django.contrib.contenttypes", "exchanges", "cycles", "kimp"]
INSTALLED_APPS = list(_everywhere)
MIDDLEWARE: list[str] = []
ROOT_URLCONF = "kimp.urls_headless"
SILENCED_SYSTEM_CHECKS = ["security.W001", "security.W002", "security.W003"]  # it serves no pages
TEMPLATES: list[dict[str, Any]] = []
WSGI_APPLICATION = "kimp.wsgi.application"
if KIMP_ROLE == "worker":
    INSTALLED_APPS += ["django_q"]
if _is_web:
    from kimp import settings_web as _web

    INSTALLED_APPS = [*_everywhere, *_web.APPS]
    MIDDLEWARE = _web.MIDDLEWARE
    ROOT_URLCONF = "kimp.urls"
    SILENCED_SYSTEM_CHECKS = []
    TEMPLATES = [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "DIRS": [BASE_DIR / "templates"],
            "APP_DIRS": True,
            "OPTIONS": {"context_processors": _web.CONTEXT_PROCESSORS},
        }
    ]
    CONTENT_SECURITY_POLICY = _web.CONTENT_SECURITY_POLICY
    REST_FRAMEWORK = _web.REST_FRAMEWORK
    SPECTACULAR_SETTINGS = _web.SPECTACULAR_SETTINGS
    AUTHENTICATION_BACKENDS = _web.AUTHENTICATION_BACKENDS
    globals().update(
        _web.security(is_production=_is_production, trusts_proxy=KIMP_TRUST_PROXY),
        **_web.log_ins(failures=KIMP_LOG_IN_FAILURES, lock_minutes=KIMP_LOG_IN_LOCK_MINUTES),
    )

# Database
DATABASES = databases(_env, KIMP_HOME)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Time and language: stored in UTC, shown in Seoul's time
USE_TZ = True
TIME_ZONE = "UTC"
KIMP_DISPLAY_TIME_ZONE = "Asia/Seoul"
USE_I18N = True
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("ko", "한국어")]
LOCALE_PATHS = [BASE_DIR / "kimp" / "locale"]

# Static files: hashed in production, straight from the apps elsewhere
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles" if _is_production else None  # finders serve elsewhere
WHITENOISE_USE_FINDERS = not _is_production
WHITENOISE_AUTOREFRESH = False
_static = "whitenoise.storage.CompressedManifestStaticFilesStorage"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": _static
        if _is_production
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}

# Operators
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "admin:login"

# django-q2: delivery is at least once, and twice at a time only of a cluster that stood still: what is fetched has
# ended before `retry` (kimp.E002); from Redis at most once
_queue = _env.text("KIMP_QUEUE_REDIS")
Q_CLUSTER: dict[str, Any] = {
    "name": "kimp",
    "label": "Queue",
    **({"redis": _queue} if _queue else {"orm": "default"}),
    "broker_class": "kimp.queue_broker.patient",
    "workers": 2,
    "timeout": 50,
    "retry": 120,
    "max_attempts": 1,
    "ack_failures": True,
    "catch_up": False,
    "save_limit": 20,  # each saved result costs more than the task
    "bulk": 1,
    "sync": False,
    "poll": 0.5,
    "queue_limit": 1,  # one more waits in the hand of who fetches
    "recycle": 500,
    "log_level": _env.text("KIMP_LOG_LEVEL"),
}

# Venues and rates
KIMP_SIMULATOR_URL = _env.text("KIMP_SIMULATOR_URL")
KIMP_SCENARIO = _env.text("KIMP_SCENARIO")
_live = {
    **{f"KIMP_{venue.upper()}_BASE_URL": url for venue, url in official.REST.items()},
    **{f"KIMP_{venue.upper()}_STREAM_URL": url for venue, url in official.STREAMS.items()},
    "KIMP_BINANCE_WS_API_URL": official.BINANCE_WS_API,
    "KIMP_FX_FRANKFURTER_URL": official.FRANKFURTER,
    "KIMP_FX_ERAPI_URL": official.OPEN_ER_API,
}
_simulated = {
    "KIMP_FX_FRANKFURTER_URL": f"{KIMP_SIMULATOR_URL}/fx/usdkrw",
    "KIMP_FX_ERAPI_URL": f"{KIMP_SIMULATOR_URL}/fx/v6/latest/USD",
}
_defaults = _live if KIMP_LIVE else _simulated
KIMP_KOREA_VENUES = _env.names("KIMP_KOREA_VENUES")
# Empty when simulated: the simulator itself names its addresses and keys.
KIMP_UPBIT_BASE_URL = _env.text("KIMP_UPBIT_BASE_URL") or _defaults.get("KIMP_UPBIT_BASE_URL", "")
KIMP_UPBIT_ACCESS_KEY = _env.text("KIMP_UPBIT_ACCESS_KEY")
KIMP_UPBIT_SECRET_KEY = _env.text("KIMP_UPBIT_SECRET_KEY")
KIMP_BITHUMB_BASE_URL = _env.text("KIMP_BITHUMB_BASE_URL") or _defaults.get(
    "KIMP_BITHUMB_BASE_URL", ""
)
KIMP_BITHUMB_ACCESS_KEY = _env.text("KIMP_BITHUMB_ACCESS_KEY")
KIMP_BITHUMB_SECRET_KEY = _env.text("KIMP_BITHUMB_SECRET_KEY")
KIMP_BINANCE_BASE_URL = _env.text("KIMP_BINANCE_BASE_URL") or _defaults.get(
    "KIMP_BINANCE_BASE_URL", ""
)
KIMP_BINANCE_API_KEY = _env.text("KIMP_BINANCE_API_KEY")
KIMP_BINANCE_SECRET_KEY = _env.text("KIMP_BINANCE_SECRET_KEY")
KIMP_UPBIT_STREAM_URL = _env.text("KIMP_UPBIT_STREAM_URL") or _defaults.get(
    "KIMP_UPBIT_STREAM_URL", ""
)
KIMP_BITHUMB_STREAM_URL = _env.text("KIMP_BITHUMB_STREAM_URL") or _defaults.get(
    "KIMP_BITHUMB_STREAM_URL", ""
)
KIMP_BINANCE_STREAM_URL = _env.text("KIMP_BINANCE_STREAM_URL") or _defaults.get(
    "KIMP_BINANCE_STREAM_URL", ""
)
KIMP_BINANCE_WS_API_URL = _env.text("KIMP_BINANCE_WS_API_URL") or _defaults.get(
    "KIMP_BINANCE_WS_API_URL", ""
)
KIMP_PRIVATE_STREAMS = _env.flag("KIMP_PRIVATE_STREAMS")
KIMP_FX_FRANKFURTER_URL = (
    _env.text("KIMP_FX_FRANKFURTER_URL") or _defaults["KIMP_FX_FRANKFURTER_URL"]
)
KIMP_FX_ERAPI_URL = _env.text("KIMP_FX_ERAPI_URL") or _defaults["KIMP_FX_ERAPI_URL"]
KIMP_FX_EXIMBANK_URL = _env.text("KIMP_FX_EXIMBANK_URL")
KIMP_FX_EXIMBANK_KEY = _env.text("KIMP_FX_EXIMBANK_KEY")

# Alerts, workers, logs, traces
KIMP_TELEGRAM_BASE_URL = _env.text("KIMP_TELEGRAM_BASE_URL")
KIMP_TELEGRAM_TOKEN = _env.text("KIMP_TELEGRAM_TOKEN")
KIMP_TELEGRAM_CHAT_ID = _env.text("KIMP_TELEGRAM_CHAT_ID")
KIMP_OPERATOR = _env.text("KIMP_OPERATOR")
KIMP_LEASE_SECONDS = _env.count("KIMP_LEASE_SECONDS", 30)
KIMP_VENUE_DEADLINE_SECONDS = _env.count("KIMP_VENUE_DEADLINE_SECONDS", 10)
KIMP_EGRESS = _env.text("KIMP_EGRESS")
KIMP_CLOCK_LIMIT_SECONDS = _env.count("KIMP_CLOCK_LIMIT_SECONDS", 5)
KIMP_WORKER_THREADS = _env.count("KIMP_WORKER_THREADS", 32)
KIMP_SAMPLES_KEPT_DAYS = _env.count("KIMP_SAMPLES_KEPT_DAYS", 30)
KIMP_MINUTES_KEPT_DAYS = _env.count("KIMP_MINUTES_KEPT_DAYS", 400)
KIMP_HOURS_KEPT_DAYS = _env.count("KIMP_HOURS_KEPT_DAYS", 3650)
KIMP_LOG_FORMAT = _env.text("KIMP_LOG_FORMAT")
KIMP_LOG_LEVEL = _env.text("KIMP_LOG_LEVEL")
KIMP_METRICS_TOKEN = _env.text("KIMP_METRICS_TOKEN")
OTEL_EXPORTER_OTLP_ENDPOINT = _env.text("OTEL_EXPORTER_OTLP_ENDPOINT")
LOGGING_CONFIG = "kimp.logs.configure"
LOGGING = {
    "format": KIMP_LOG_FORMAT,
    "level": KIMP_LOG_LEVEL,
    "role": environment.name_in_logs(sys.argv, KIMP_ROLE),
    "session_id": KIMP_SESSION_ID,
    "is_production": _is_production,
    "secrets": [SECRET_KEY, *_env.secrets()],
}
DEFAULT_EXCEPTION_REPORTER = "kimp.error_pages.Reporter"
DEFAULT_EXCEPTION_REPORTER_FILTER = "kimp.error_pages.Filter"
