"""Logs: one stream of structlog lines, JSON or colours; the standard library's join it.

Lines go to standard error; standard output belongs to the data that commands print.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from kimp.redaction import Redactor

HANDLER = "kimp"
# Correlation ids were checked where they were bound; masking one would cut the thread.
KEPT = (
    "timestamp",
    "level",
    "logger",
    "role",
    "request_id",
    "cycle_id",
    "session_id",
    "user_id",
    "trace_id",
)
QUIET = {
    "django.request": logging.ERROR,  # the middleware writes one line per request
    "django.db.backends": logging.INFO,  # its DEBUG prints parameters
    "django-q": logging.WARNING,  # each task writes its own line; its log has four more
    "axes": logging.ERROR,  # its lines quote whatever was typed; ours are written beside it
    "urllib3": logging.WARNING,  # its DEBUG prints query strings, signatures among them
    "requests": logging.WARNING,
    "opentelemetry": logging.WARNING,
    "psycopg.pool": logging.ERROR,  # a database that is away is said once, by who notices it
}

# One list for ever: loggers keep the one they began with, whoever configures again.
PROCESSORS: list[Processor] = [
    structlog.stdlib.filter_by_level,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
]


def configure(options: Mapping[str, Any]) -> None:
    """Route structlog and the standard library to one redacted stream (Django's LOGGING_CONFIG).

    Options: format (auto, json, console), level, role, session_id, is_production, secrets.
    """
    structlog.configure(
        processors=PROCESSORS,
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    _attach(formatter(options), str(options.get("level", "INFO")))


def formatter(options: Mapping[str, Any]) -> logging.Formatter:
    """Build the formatter that every line of this process passes."""
    as_json = _is_json(options)
    render: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if as_json
        else structlog.dev.ConsoleRenderer(
            colors=_has_colours(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    chain: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _origin(options),
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,  # before redaction: exceptions quote their values
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        _redact(Redactor(options.get("secrets", ()))),
        render,
    ]
    return structlog.stdlib.ProcessorFormatter(processors=chain)


def _origin(options: Mapping[str, Any]) -> Processor:
    role, session_id = str(options.get("role", "")), str(options.get("session_id", ""))

    def add(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        event.setdefault("role", role)
        event.setdefault("session_id", session_id)
        return event

    return add


def _redact(redactor: Redactor) -> Processor:
    def clean(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        kept = {name: event[name] for name in KEPT if name in event}
        return redactor.mapping(event) | kept

    return clean


def _is_json(options: Mapping[str, Any]) -> bool:
    form = options.get("format", "auto")
    if form == "auto":
        return bool(options.get("is_production")) or not sys.stderr.isatty()
    return str(form) == "json"


def _has_colours() -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or sys.stderr.isatty()


def _attach(form: logging.Formatter, level: str) -> None:
    """Make the one handler on the root the only one; django's own defaults step back."""
    root = logging.getLogger()
    for handler in [one for one in root.handlers if one.get_name() == HANDLER]:
        root.removeHandler(handler)
    handler = logging.StreamHandler()
    handler.set_name(HANDLER)
    handler.setFormatter(form)
    root.addHandler(handler)
    root.setLevel(level)
    for name in ("django", "django.server"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    for name, lowest in QUIET.items():
        logging.getLogger(name).setLevel(max(lowest, root.level))
