"""DATABASES: the one that DATABASE_URL names, else the embedded server; time-outs per role."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import environ

from kimp.environment import Environment
from kimp.environment_table import STATEMENT_SECONDS

_LOCK_MILLISECONDS = 3_000
_IDLE_IN_TRANSACTION_MILLISECONDS = (
    5_000  # a stopped process must not keep rows, or a HALT, waiting
)


def databases(env: Environment, home: Path) -> dict[str, dict[str, Any]]:
    """Return Django's DATABASES; touches no server."""
    config = _outside(env) if env["DATABASE_URL"] else _embedded(env, home)
    # No pool anywhere: one that is opened before a fork loses tasks (kimp.E001).
    config["OPTIONS"] = {**config.get("OPTIONS", {}), **_session(env)}
    return {"default": {**config, "CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}}


def _outside(env: Environment) -> dict[str, Any]:
    config: dict[str, Any] = environ.Env.db_url_config(env.text("DATABASE_URL"))
    return {**config, "ENGINE": "django.db.backends.postgresql"}


def _embedded(env: Environment, home: Path) -> dict[str, Any]:
    programs = env["KIMP_PG_BIN"]
    options = {"embedded_home": str(home), "embedded_programs": programs and str(programs)}
    return {"ENGINE": "kimp.database", "NAME": "kimp", "OPTIONS": options}


def _session(env: Environment) -> dict[str, Any]:
    seconds = env.count("KIMP_STATEMENT_SECONDS", STATEMENT_SECONDS[env.role])
    limits = {
        "statement_timeout": seconds * 1_000,
        "lock_timeout": _LOCK_MILLISECONDS,
        "idle_in_transaction_session_timeout": _IDLE_IN_TRANSACTION_MILLISECONDS,
    }
    return {
        "application_name": f"kimp-{env.role}",
        "options": " ".join(f"-c {name}={value}" for name, value in limits.items()),
        "connect_timeout": 5,
        "keepalives": 1,
        "keepalives_idle": 30,
        "keepalives_interval": 5,
        "keepalives_count": 3,
    }
