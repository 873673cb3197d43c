"""Watches, through the whole suite, what commits by itself: a statement of ours that writes outside of any transaction.

What Django's own methods wrap (`bulk_create`, `get_or_create`, `delete`) is one such, too. Every thread of this
process is watched; other processes of a test are not, but those of the crash matrix are killed at each such place.
Watched as well is that what is to stand within another's transaction does (`Kind.WITHIN` in `seam_proofs.py`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from tests.crashes.matrix import seams, sites
from tests.meta.alone_proofs import PARTS, PLACES
from tests.meta.seam_proofs import WITHIN

ORM = str(Path("django", "db", "models"))
# The place of who tells people is its caller's; what a page's wrapper runs is Django's own.
CARRIERS = {"alerting.raise_alert", "alerting.raise_alerts", "site.DeskSite.admin_view.in_seoul"}
NOT_OURS = ("migrations", "migrate.py", "simulator")


@contextmanager
def watched() -> Iterator[list[str]]:
    """Give the list of what is found from now on, in words."""
    strays: list[str] = []
    enter = transaction.Atomic.__enter__

    def entered(atomic: Any) -> None:
        atomic.is_djangos = ORM in sys._getframe(1).f_code.co_filename
        if not atomic.is_djangos and not is_in_ours(transaction.get_connection(atomic.using)):
            strays.extend(f"{one} opens a transaction" for one in _innermost(WITHIN))
        enter(atomic)

    wrapper = partial(_executed, strays=strays, known=known())

    def watch(connection: BaseDatabaseWrapper, **_: object) -> None:
        if wrapper not in connection.execute_wrappers:
            connection.execute_wrappers.append(wrapper)

    transaction.Atomic.__enter__ = entered  # type: ignore[method-assign]
    watch(connections["default"])
    connection_created.connect(watch)  # each thread has one of its own
    yield strays
    connection_created.disconnect(watch)
    transaction.Atomic.__enter__ = enter  # type: ignore[method-assign]


def _executed(
    execute: Callable[..., Any], sql: Any, params: Any, many: bool, told: Any,
    *, strays: list[str], known: Collection[str],
) -> Any:  # fmt: skip
    """Execute a statement, and note its place where it commits by itself and is not known to."""
    if seams.WRITES.search(str(sql)) and not is_in_ours(told["connection"]):
        stands = [one for one in _functions() if one not in CARRIERS]
        if stands and stands[-1] not in PARTS and not is_known(stands[0], known):
            strays.append(f"{' < '.join(stands[:4])} writes outside of any transaction")
    return execute(sql, params, many, told)


def known() -> set[str]:
    """Give the functions whose statements may commit by themselves: each is killed at, or says why it is harmless.

    Who has a transaction somewhere is killed there, not at what it commits beside it.
    """
    return {site.function for site in sites.sites().values() if site.is_alone} | PLACES


def is_known(function: str, known: Collection[str]) -> bool:
    """Say whether a function, or the one that it was written in, is one of those."""
    return function in known or function.rpartition(".")[0] in known


def is_in_ours(connection: BaseDatabaseWrapper) -> bool:
    """Say whether a transaction of ours is open: neither a test's own, nor one within a method of Django's."""
    return any(
        not (getattr(one, "_from_testcase", False) or getattr(one, "is_djangos", False))
        for one in connection.atomic_blocks
    )


def _innermost(of: Collection[str]) -> list[str]:
    """Give the innermost function of ours if it is one of those, and not a test calls it."""
    stands = list(_functions())
    return stands[:1] if len(stands) > 1 and stands[0] in of else []


def _functions() -> Iterator[str]:
    """Give the functions of ours that stand here, innermost first, up to the test."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        path = frame.f_code.co_filename.removeprefix(seams.PROJECT + os.sep)
        if path.startswith("tests" + os.sep) and not path.endswith("writing_alone.py"):
            return
        name = seams._named(frame)
        if name and not any(room in path for room in NOT_OURS):
            yield name
        frame = frame.f_back
