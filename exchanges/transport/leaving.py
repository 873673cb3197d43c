"""What forbids a request that acts to leave: asked right before its bytes do, as connecting takes its time.

Nothing of ours stands between that and the system's call that hands them to the network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Objection = Callable[[], str]  # says why it may not leave any more; nothing if it may


def none() -> str:
    """Forbid nothing."""
    return ""


objection: ContextVar[Objection] = ContextVar("objection", default=none)


@contextmanager
def sending_unless(forbids: Objection) -> Iterator[None]:
    """Let nothing that moves money leave once whoever acts says why: by what it acts under, a lease."""
    token = objection.set(forbids)
    try:
        yield
    finally:
        objection.reset(token)
