"""pgbench, which comes with PostgreSQL: the same statements without us and without Python."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from django.db import connection

from kimp.postgres_binaries import PostgresError, found


def program() -> Path | None:
    """Give where pgbench is; None where there is none."""
    try:
        path = found().folder / "pgbench"
    except PostgresError:
        return None
    return path if path.exists() else None


def run(
    script: str, *, clients: int, each: int, words: Sequence[str] = (), options: str = ""
) -> float:
    """Let every client send a script so many times, prepared; gives transactions a second.

    `options` are the server's, for its sessions. Raises RuntimeError with what pgbench says if a statement fails.
    """
    parameters = connection.get_connection_params()
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        reply = subprocess.run(
            [
                str(program()), "-n", "-M", "prepared", "-c", str(clients), "-j", str(clients), "-t", str(each),
                "-f", file.name, *words, "-h", str(parameters["host"]), "-p", str(parameters["port"]),
                "-U", str(parameters["user"]), str(parameters["dbname"]),
            ],
            env={**os.environ, "PGPASSWORD": str(parameters["password"]), "PGOPTIONS": options},
            capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
    told = re.search(r"tps = ([0-9.]+)", reply.stdout)
    if reply.returncode or "aborted" in reply.stderr or told is None:
        raise RuntimeError(f"pgbench: {reply.stderr.strip()}")
    return float(told[1])
