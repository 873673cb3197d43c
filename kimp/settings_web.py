"""What only the web role loads: admin, API, static files and the browser's guards."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from csp.constants import NONE, SELF

APPS = [
    "cycles.admin.apps.DeskAdminConfig",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_filters",
    "cycles.admin.apps.LogInsConfig",
    "csp",
    "django_q",
]

MIDDLEWARE = [
    "kimp.middleware.CorrelationMiddleware",  # first: every answer carries its ids
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "kimp.middleware.UserMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "axes.middleware.AxesMiddleware",  # last: it answers in place of a log-in that is locked
]

CONTEXT_PROCESSORS = [
    "django.template.context_processors.request",
    "django.contrib.auth.context_processors.auth",
    "django.contrib.messages.context_processors.messages",
]

# Nothing inline and nothing from elsewhere on a page from which money is moved.
CONTENT_SECURITY_POLICY: dict[str, Any] = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "cycles.api.authentication.BearerAuthentication",
        "cycles.api.authentication.StaffSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "EXCEPTION_HANDLER": "cycles.api.problems.handle",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["cycles.api.parsing.TextualJSONParser"],
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "COERCE_DECIMAL_TO_STRING": True,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "kimp API",
    "DESCRIPTION": "Cycles, dead letters, premia and the operator's verbs of a kimp desk.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "CycleStatus": "cycles.domain.words.CycleStatus",
        "CycleKind": "cycles.domain.words.CycleKind",
        "TimelineKind": "cycles.selectors.TimelineKind",
        "OptionKind": "cycles.domain.recovery.OptionKind",
        "ModeWord": "cycles.domain.words.Mode",
        "DeskKind": "cycles.domain.words.DeskKind",
        "Plan": "cycles.domain.words.Plan",
        "OpeningRule": "cycles.domain.words.OpeningRule",
        "Verb": "cycles.domain.words.Verb",
    },
}

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # first: it refuses a name that is locked
    "django.contrib.auth.backends.ModelBackend",
]


def log_ins(*, failures: int, lock_minutes: int) -> dict[str, Any]:
    """Return the settings of axes: the brake on guessed passwords, shared through the database."""
    return {
        "AXES_HANDLER": "cycles.admin.log_in.Brake",
        "AXES_FAILURE_LIMIT": failures,
        "AXES_COOLOFF_TIME": timedelta(minutes=lock_minutes),
        "AXES_LOCKOUT_PARAMETERS": [["username", "ip_address"]],
        "AXES_RESET_ON_SUCCESS": True,
        # Whoever goes on guessing must not keep the right person out for ever.
        "AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT": False,
        "AXES_ENABLE_ACCESS_FAILURE_LOG": True,
        "AXES_DISABLE_ACCESS_LOG": True,
        "AXES_CLIENT_IP_CALLABLE": "cycles.admin.log_in.client_address",
        "AXES_LOCKOUT_CALLABLE": "cycles.admin.log_in.locked_out",
        "AXES_SENSITIVE_PARAMETERS": ["username", "ip_address", "csrfmiddlewaretoken"],
        "AXES_ENABLE_ADMIN": False,  # we have pages of our own
        "AXES_VERBOSE": False,
    }


def security(*, is_production: bool, trusts_proxy: bool) -> dict[str, Any]:
    """Return the settings that `check --deploy` asks for; TLS ones in production only."""
    return {
        "SECURE_CONTENT_TYPE_NOSNIFF": True,
        "SECURE_REFERRER_POLICY": "same-origin",
        "SECURE_SSL_REDIRECT": is_production,
        "SECURE_REDIRECT_EXEMPT": [r"^(livez|readyz|healthz|metrics)$"],
        "SECURE_HSTS_SECONDS": 31_536_000 if is_production else 0,
        "SECURE_HSTS_INCLUDE_SUBDOMAINS": is_production,
        "SECURE_HSTS_PRELOAD": is_production,
        "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https") if trusts_proxy else None,
        "SESSION_COOKIE_SECURE": is_production,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_AGE": 30 * 60,  # idle time: saved anew at each request
        "SESSION_SAVE_EVERY_REQUEST": True,
        "CSRF_COOKIE_SECURE": is_production,
        "CSRF_COOKIE_HTTPONLY": True,
        "X_FRAME_OPTIONS": "DENY",
    }
