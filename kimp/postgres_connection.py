"""How the embedded server is reached, and whether who answers there is the one that is meant."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg

from kimp import postgres_process as processes
from kimp.postgres_binaries import WAYS_OUT, PostgresError

USER = "kimp"
DATABASE = "kimp"
_FULL = ("too many clients already", "remaining connection slots are reserved")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionInfo:
    """How to reach the embedded server; the password stays out of its repr."""

    host: str
    port: int
    user: str
    password: str
    database: str

    def __repr__(self) -> str:
        return f"ConnectionInfo({self.user}@{self.host}:{self.port}/{self.database})"

    @property
    def url(self) -> str:
        """The URL, password included: not for logs."""
        return self.url_of(self.database)

    def url_of(self, database: str) -> str:
        """The URL of another database of this server, password included: not for logs."""
        user_and_secret = f"{self.user}:{quote(self.password, safe='')}"
        return f"postgresql://{user_and_secret}@{self.host}:{self.port}/{quote(database, safe='')}"


def connect(info: ConnectionInfo, database: str) -> psycopg.Connection:
    """Open a connection to a database of the server. Raises psycopg.OperationalError."""
    return psycopg.connect(
        host=info.host, port=info.port, user=info.user, password=info.password,
        dbname=database, connect_timeout=3, autocommit=True,
    )  # fmt: skip


def serves(info: ConnectionInfo, data: Path) -> bool:
    """Tell whether a server answers there that works on this very data.

    Liveness is a real connection: a pid may be a zombie's, a port somebody else's. And a copy of a home
    remembers the port and the password of the original, whose server may run.
    """
    try:
        with connect(info, "postgres") as connection:
            row = connection.execute("SHOW data_directory").fetchone()
    except psycopg.OperationalError as error:  # when full it serves, only nobody more
        return any(words in str(error) for words in _FULL) and processes.serves_here(data)
    except psycopg.Error:
        return False  # we are not its owner, whom it tells
    try:
        return row is not None and Path(row[0]).samefile(data)
    except OSError:  # the folder was moved while it runs
        return processes.serves_here(data)


def remembered(base: Path) -> ConnectionInfo | None:
    """Read how the server of a home is reached. Raises PostgresError where that is another user's."""
    path = base / "connection.json"
    try:
        return ConnectionInfo(**json.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise PostgresError(
            f"{path} belongs to another user: the server was set up by somebody else. Run as that "
            f"user, or name another folder in KIMP_HOME. {WAYS_OUT}"
        ) from error


def remember(base: Path, info: ConnectionInfo) -> None:
    """Write down how it is reached, for this user alone."""
    draft = base / "connection.json.new"
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(asdict(info), file)
    draft.replace(base / "connection.json")


def new_info(*, port: int, password: str | None = None) -> ConnectionInfo:
    """Give a new way to reach one on this machine, with a random password unless there is one."""
    return ConnectionInfo(
        host="127.0.0.1",
        port=port,
        user=USER,
        password=password or secrets.token_urlsafe(32),
        database=DATABASE,
    )
