"""What the processes of this host have seen of a desk's journal, kept outside of its database, in a file.

A database that lacks it has forgotten what was sent. One that broke off and has it has kept what was committed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import structlog
from django.db import connection
from django.db.models import DateTimeField, Func

from cycles import conf
from cycles.domain.words import Role
from cycles.models import ExchangeCall, Heartbeat

log = structlog.get_logger(__name__)

FOLDER = "seen"
LATELY = timedelta(
    minutes=1
)  # what this host has not looked at for so long may have gone on without it
STARTED = Func(function="pg_postmaster_start_time", output_field=DateTimeField())


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """The newest request that was in the journal at an instant, by the database's clock; without one it was empty."""

    home: str
    seen_at: datetime
    call_id: int | None = None
    client_order_id: str = ""
    intended_at: datetime | None = None


def recall(home: str) -> Witness | None:
    """Give what this host has seen last of the desk of a database, wherever it was at home then; None if nothing."""
    try:
        return msgspec.json.decode(_file(home).read_bytes(), type=Witness)
    except (OSError, msgspec.MsgspecError):
        return None


def keep(home: str) -> None:
    """Keep what is seen now, on disk; who cannot goes on, and can vouch for nothing."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (now,) = cursor.fetchone()
    seen = Witness(home=home, seen_at=now)
    newest = ExchangeCall.objects.only("client_order_id", "intended_at").order_by("-pk").first()
    if newest is not None:
        seen = replace(
            seen,
            call_id=newest.pk,
            client_order_id=newest.client_order_id,
            intended_at=newest.intended_at,
        )
    text = msgspec.json.encode(seen)
    path = _file(home)
    draft = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # else the loss of the machine leaves an empty one
        draft.replace(path)
    except OSError as error:
        log.warning("home.not_kept", path=str(path), error=str(error))


def is_kept(seen: Witness) -> bool:
    """Say whether the journal has what was seen; of an empty one nothing can lack."""
    same = {"client_order_id": seen.client_order_id, "intended_at": seen.intended_at}
    return seen.call_id is None or ExchangeCall.objects.filter(pk=seen.call_id, **same).exists()


def vouches(seen: Witness) -> bool:
    """Say whether a server that broke off has all that was committed there: this host looked at it to the last.

    Where others of the desk lived on after this host had looked, they may have sent what it knows nothing of.
    """
    others = Heartbeat.objects.filter(role__in=[Role.INITIATOR, Role.FINALIZER, Role.WORKER])
    later = others.filter(beat_at__gt=seen.seen_at + LATELY, beat_at__lt=STARTED)
    return is_kept(seen) and not later.exists()


def _file(home: str) -> Path:
    """Name the file of a database: its standbys and copies have the same, without timeline and mark."""
    cluster, _, database, table, _ = home.split("-")
    return conf.home() / FOLDER / f"{cluster}-{database}-{table}.json"
