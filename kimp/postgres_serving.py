"""What a server holds as long as any of its processes lives, also in a container whose processes cannot be seen.

A pid means nothing in another PID namespace, nor a port in another network namespace; the kernel alone knows of
both. So the postmaster inherits a lock on a file beside its data, and its backends inherit it from it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from kimp import postgres_process as processes
from kimp.locks import FileLock
from kimp.postgres_binaries import WAYS_OUT, PostgresError
from kimp.postgres_owner import lock_in
from kimp.postgres_place import Place

_NAME = "server.lock"


@contextmanager
def taken(place: Place, *, patience_seconds: float) -> Iterator[FileLock | None]:
    """Hold what a new server is to inherit; None while the one that holds it lives here, though it may not answer yet.

    Orphaned backends are waited for. Raises PostgresError while it is held by processes that cannot be seen.
    """
    with closing(lock_in(place.folder / _NAME)) as lock:
        serves_here = partial(processes.serves_here, place.data)
        if _comes_true(lock.try_exclusive, serves_here, patience_seconds):
            yield lock
        elif serves_here():
            yield None
        else:
            raise PostgresError(_held_by_others(place.data))


def demand_over(place: Place, *, patience_seconds: float) -> None:
    """Raise PostgresError while any process holds what the server of this place holds; servers of releases before hold nothing."""
    if not (place.folder / _NAME).exists():
        return
    with closing(lock_in(place.folder / _NAME)) as lock:
        if not _comes_true(lock.try_exclusive, lambda: False, patience_seconds):
            raise PostgresError(_held_by_others(place.data))


def _comes_true(
    claim: Callable[[], bool], is_vain: Callable[[], bool], patience_seconds: float
) -> bool:
    ends_at = time.monotonic() + patience_seconds
    while not claim():
        if is_vain() or time.monotonic() > ends_at:
            return False
        time.sleep(0.02)
    return True


def _held_by_others(data: Path) -> str:
    left = ", ".join(map(str, processes.survivors(data)))
    if left:
        return f"Processes of a server that was killed still work on {data}: end {left}, then try again."
    return (
        f"A server works on {data} that cannot be seen from here. If another container shares this folder, work in that "
        "one or end what runs there. If this is a container without the capability SYS_PTRACE, its own server may have "
        f"been killed: end the postgres processes that are left here. Or name another folder in KIMP_HOME. {WAYS_OUT}"
    )
