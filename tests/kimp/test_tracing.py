"""Tracing: one trace per cycle, whatever process or task works on it; nothing when off."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db.models.functions import Now
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from cycles.domain.words import CallOutcome
from cycles.models import Cycle
from cycles.services import tracing
from cycles.services.calling import called
from cycles.services.correlating import correlation
from cycles.services.tracing import span
from kimp.tracing import OpenTelemetry
from tests import builders

CYCLE = UUID("0190a3c2-f0c4-7bd1-a1b2-c3d4e5f60718")


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    tracer = OpenTelemetry(SimpleSpanProcessor(exporter))
    before = tracing.install(tracer)
    yield exporter
    tracing.install(before)
    tracer.provider.shutdown()


def by_name(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {one.name: one for one in exporter.get_finished_spans()}


def trace_of(found: ReadableSpan) -> int:
    assert found.context is not None
    return int(found.context.trace_id)


def test_the_trace_of_a_cycle_is_its_uuid_in_every_process(spans: InMemorySpanExporter) -> None:
    with span("step.buy", cycle_id=CYCLE, kind="BUY"):
        pass
    with span("step.sell", cycle_id=CYCLE):  # as another process would, later
        pass
    found = by_name(spans)
    assert {trace_of(one) for one in found.values()} == {CYCLE.int}
    assert found["step.buy"].parent == found["step.sell"].parent
    assert (found["step.buy"].attributes or {})["kind"] == "BUY"


def test_a_call_is_a_child_of_its_step(spans: InMemorySpanExporter) -> None:
    with span("step.buy", cycle_id=CYCLE), span("call.place_order", cycle_id=CYCLE):
        pass
    found = by_name(spans)
    step, call = found["step.buy"], found["call.place_order"]
    assert call.parent is not None
    assert step.context is not None
    assert call.parent.span_id == step.context.span_id


def test_a_task_over_two_cycles_is_linked_to_the_trace_of_each(
    spans: InMemorySpanExporter,
) -> None:
    other = uuid4()
    with span("task.sweep_retries"):
        with span("step.buy", cycle_id=CYCLE):
            pass
        with span("step.sell", cycle_id=other):
            pass
    found = by_name(spans)
    assert trace_of(found["step.buy"]) == CYCLE.int
    assert trace_of(found["step.sell"]) == other.int
    assert found["step.buy"].links[0].context.trace_id == trace_of(found["task.sweep_retries"])


def test_the_trace_id_is_bound_while_the_span_is_open(spans: InMemorySpanExporter) -> None:
    with span("step.buy", cycle_id=CYCLE):
        assert correlation()["trace_id"] == CYCLE.hex
    assert correlation()["trace_id"] == ""


def test_an_error_marks_the_span_and_tells_no_secret(spans: InMemorySpanExporter) -> None:
    with pytest.raises(RuntimeError), span("call.place_order", cycle_id=CYCLE):
        raise RuntimeError("POST /order?signature=hushhush")
    found = by_name(spans)["call.place_order"]
    assert not found.status.is_ok
    assert "RuntimeError" in str(found.status.description)
    assert "hushhush" not in found.to_json()


@pytest.mark.django_db
def test_a_venue_call_has_a_span_that_names_it(spans: InMemorySpanExporter) -> None:
    builders.desk()
    builders.policy()
    builders.capital("binance", "USDT", 100_000)
    row = builders.cycle()
    Cycle.objects.filter(pk=row.pk).update(
        lease_owner="test", lease_expires_at=Now() + timedelta(seconds=30)
    )
    call = builders.order_call(row, outcome=CallOutcome.INTENDED, client_order_id="kabc1")
    call.send_until = timedelta.max
    noted = called(call, lambda: None)
    assert noted.outcome == CallOutcome.DONE
    found = by_name(spans)["call.place_order"]
    assert trace_of(found) == row.pk.int
    facts = found.attributes or {}
    assert (facts["venue"], facts["client_order_id"]) == (call.venue, "kabc1")


def test_nothing_is_bound_when_tracing_is_off() -> None:
    before = tracing.install(None)
    with span("step.buy", cycle_id=CYCLE):
        assert correlation()["trace_id"] == ""
    tracing.install(before)


@pytest.mark.parametrize("endpoint", ["", "http://127.0.0.1:9/"])
def test_opentelemetry_is_imported_only_with_an_endpoint(endpoint: str) -> None:
    probe = (
        "import django, sys; django.setup(); from cycles.services import tracing;"
        "print('opentelemetry' in sys.modules, tracing.install(None) is not None)"
    )
    environ = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "kimp.settings",
        "KIMP_ENVIRONMENT": "test",
        "KIMP_ROLE": "finalizer",
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
    }
    done = subprocess.run(
        [sys.executable, "-c", probe],
        env=environ, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ([str(bool(endpoint))] * 2)
