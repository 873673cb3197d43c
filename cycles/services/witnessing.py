"""What the processes of this host have seen of a desk's journal, kept outside of its database, in a file.

A database that lacks it has forgotten what was sent. One that broke off and has it has kept what was committed.
"""

from __future__ import annotations

import os
import tempfile
import uuid
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
# What this host has not looked at for so long may have gone on without it.
LATELY = timedelta(minutes=1)
LOOKED = """
    INSERT INTO kimp_seen (witness, at) VALUES (%s, clock_timestamp())
        ON CONFLICT (witness) DO UPDATE SET at = greatest(kimp_seen.at, excluded.at) RETURNING at
"""
STARTED = Func(function="pg_postmaster_start_time", output_field=DateTimeField())


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """The newest request that was in the journal at an instant, by the database's clock; without one it was empty.

    `witness` names who saw it, there and here.
    """

    home: str
    witness: str
    seen_at: datetime
    call_id: int | None = None
    client_order_id: str = ""
    intended_at: datetime | None = None


@dataclass(slots=True)
class _Own:
    """What this process intended last, and the desk's home as it looked last."""

    home: str = ""
    call: tuple[int, str] | None = None


_own = _Own()


def intended(call_id: int, client_order_id: str) -> None:
    """Remember a request that is about to be sent: between two looks only its process knows of it."""
    _own.call = (call_id, client_order_id)


def lacks_own(home: str) -> bool:
    """Say whether the journal of a desk that is at home lacks what this process intended since it saw it there."""
    if _own.home != home:
        _own.home, _own.call = home, None
    if _own.call is None:
        return False
    call_id, client_order_id = _own.call
    return not ExchangeCall.objects.filter(pk=call_id, client_order_id=client_order_id).exists()


def recall(home: str) -> Witness | None:
    """Give what this host has seen last of the desk of a database, wherever it was at home then; None if nothing."""
    try:
        return msgspec.json.decode(_file(home).read_bytes(), type=Witness)
    except (OSError, msgspec.MsgspecError):
        return None


def keep(home: str) -> None:
    """Keep what is seen now, on disk, there and then here; who cannot goes on, and can vouch for nothing."""
    known = recall(home)
    witness = known.witness if known else uuid.uuid4().hex
    with connection.cursor() as cursor:
        cursor.execute(LOOKED, [witness])
        (now,) = cursor.fetchone()
    seen = Witness(home=home, witness=witness, seen_at=now)
    newest = ExchangeCall.objects.only("client_order_id", "intended_at").order_by("-pk").first()
    if newest is not None:
        seen = replace(
            seen,
            call_id=newest.pk,
            client_order_id=newest.client_order_id,
            intended_at=newest.intended_at,
        )
    path = _file(home)
    try:
        _write(path, msgspec.json.encode(seen))
    except OSError as error:
        log.warning("home.not_kept", path=str(path), error=str(error))


def _write(path: Path, text: bytes) -> None:
    """Write a file whole or not at all, whoever else does at this moment: threads, processes, containers that share it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    number, draft = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # else the loss of the machine leaves an empty one
        Path(draft).replace(path)
    except OSError:
        Path(draft).unlink(missing_ok=True)
        raise


def is_kept(seen: Witness) -> bool:
    """Say whether the journal has what was seen; of an empty one nothing can lack."""
    same = {"client_order_id": seen.client_order_id, "intended_at": seen.intended_at}
    return seen.call_id is None or ExchangeCall.objects.filter(pk=seen.call_id, **same).exists()


def vouches(seen: Witness) -> bool:
    """Say whether a server that broke off has all that was committed there: this host looked at it to the last.

    A copy of before that look lacks the look. Where others of the desk lived on after this host had looked, they may have
    sent what it knows nothing of.
    """
    if not _has_look(seen):
        return False
    others = Heartbeat.objects.filter(role__in=[Role.INITIATOR, Role.FINALIZER, Role.WORKER])
    later = others.filter(beat_at__gt=seen.seen_at + LATELY, beat_at__lt=STARTED)
    return is_kept(seen) and not later.exists()


def _has_look(seen: Witness) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT at >= %s FROM kimp_seen WHERE witness = %s", [seen.seen_at, seen.witness]
        )
        found = cursor.fetchone()
    return bool(found and found[0])


def _file(home: str) -> Path:
    """Name the file of a database: its standbys and copies have the same, without timeline and mark."""
    cluster, _, database, table, _ = home.split("-")
    return conf.home() / FOLDER / f"{cluster}-{database}-{table}.json"
