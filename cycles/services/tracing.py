"""Spans around steps, calls and tasks; nothing at all unless the composition installs a tracer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol
from uuid import UUID

from cycles.services.correlating import bound

Attribute = str | int | bool


class Tracer(Protocol):
    """What makes spans; `kimp.tracing` has one over OpenTelemetry."""

    def span(
        self, name: str, cycle_id: UUID | None, attributes: Mapping[str, Attribute]
    ) -> AbstractContextManager[str]:
        """Open a span and give its trace id (32 hexadecimal digits)."""


class _Installed:
    tracer: Tracer | None = None


def install(tracer: Tracer | None) -> Tracer | None:
    """Choose the tracer of this process, None for none; returns the one before."""
    before, _Installed.tracer = _Installed.tracer, tracer
    return before


@contextmanager
def span(
    name: str, *, cycle_id: UUID | None = None, **attributes: Attribute | None
) -> Iterator[None]:
    """Trace a block and bind its `trace_id`; a cycle's blocks share one trace in all processes."""
    tracer = _Installed.tracer
    if tracer is None:
        yield
        return
    facts = {key: value for key, value in attributes.items() if value is not None}
    with tracer.span(name, cycle_id, facts) as trace_id, bound(trace_id=trace_id):
        yield
