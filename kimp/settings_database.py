"""DATABASES: the one that DATABASE_URL names, else the embedded server; time-outs per role."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import environ

from kimp.environment import Environment
from kimp.environment_parse import each_server
from kimp.environment_table import STATEMENT_SECONDS

_POSTGRES_PORT = 5432
_LOCK_MILLISECONDS = 3_000
_CONNECT_SECONDS = 5
POOLED_ROLES = ("initiator", "finalizer")
_AT_ONCE = 3  # a worker that has little to do gets by with them
_UNANSWERED_MILLISECONDS = (
    15_000  # a machine that vanished; keepalives say nothing of what was sent
)
_IDLE_IN_TRANSACTION_MILLISECONDS = (
    5_000  # a stopped process must not keep rows, or a HALT, waiting
)
# A worker's statements go by indexes. Their plans are kept, those of foreign keys too, and one that was made
# while a table was tiny would read it whole until its statistics are taken anew.
_BY_INDEX = {"enable_seqscan": "off"}


def databases(env: Environment, home: Path) -> dict[str, dict[str, Any]]:
    """Return Django's DATABASES; touches no server."""
    config = _outside(env) if env["DATABASE_URL"] else _embedded(env, home)
    config["OPTIONS"] = {**config.get("OPTIONS", {}), **_session(env), **_pool(env)}
    most_seconds = 0 if "pool" in config["OPTIONS"] else 60
    kept: dict[str, Any] = {
        "CONN_MAX_AGE": most_seconds,
        "CONN_HEALTH_CHECKS": True,
        "DISABLE_SERVER_SIDE_CURSORS": True,  # a pooler by transaction loses them between two rows
    }
    return {"default": {**config, **kept}}


def _outside(env: Environment) -> dict[str, Any]:
    url = env.text("DATABASE_URL")
    config: dict[str, Any] = environ.Env.db_url_config(url)
    return {**config, **_servers(url, config), "ENGINE": "kimp.database_outside"}


def _servers(url: str, config: dict[str, Any]) -> dict[str, Any]:
    """Name several servers, each with its port, as libpq wants them: the one that takes writes is looked for."""
    servers = each_server(url)
    if len(servers) == 1:
        return {}
    return {
        "HOST": ",".join(one.hostname or "" for one in servers),
        "PORT": ",".join(str(one.port or _POSTGRES_PORT) for one in servers),
        "OPTIONS": {"target_session_attrs": "read-write", **config.get("OPTIONS", {})},
    }


def _embedded(env: Environment, home: Path) -> dict[str, Any]:
    programs = env["KIMP_PG_BIN"]
    options = {"embedded_home": str(home), "embedded_programs": programs and str(programs)}
    return {"ENGINE": "kimp.database", "NAME": "kimp", "OPTIONS": options}


def _pool(env: Environment) -> dict[str, Any]:
    """Let the roles that drive many cycles share a few connections; nobody else forks or threads like that.

    In a process that forks after opening it a pool loses tasks (kimp.E001). After an outage it tries anew
    whenever one is asked for, instead of at growing intervals of its own. Those of the start are made beside it.
    """
    if env.role not in POOLED_ROLES:
        return {}
    most = env.count("KIMP_WORKER_CONNECTIONS", 16)
    size = {"min_size": min(_AT_ONCE, most), "max_size": most}
    waits = {"timeout": _CONNECT_SECONDS, "reconnect_timeout": _CONNECT_SECONDS}
    return {"pool": {**size, **waits, "warmed_by": "cycles.services.warming.warm"}}


def _session(env: Environment) -> dict[str, Any]:
    seconds = env.count("KIMP_STATEMENT_SECONDS", STATEMENT_SECONDS[env.role])
    limits: dict[str, Any] = {
        "statement_timeout": seconds * 1_000,
        "lock_timeout": _LOCK_MILLISECONDS,
        "idle_in_transaction_session_timeout": _IDLE_IN_TRANSACTION_MILLISECONDS,
        **(_BY_INDEX if env.role in POOLED_ROLES else {}),
    }
    return {
        "application_name": f"kimp-{env.role}",
        "options": " ".join(f"-c {name}={value}" for name, value in limits.items()),
        "connect_timeout": _CONNECT_SECONDS,
        "keepalives": 1,
        "keepalives_idle": 30,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": _UNANSWERED_MILLISECONDS,
    }
