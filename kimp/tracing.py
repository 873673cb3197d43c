"""OpenTelemetry behind `cycles.services.tracing`; imported only when an endpoint is set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import cast
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from cycles.services import tracing
from cycles.services.tracing import Attribute
from kimp.redaction import Redactor

try:
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
except ImportError as error:
    raise ImproperlyConfigured(
        "OTEL_EXPORTER_OTLP_ENDPOINT is set, but the packages of kimp[otel] are not installed"
    ) from error

LOW_64_BITS = (1 << 64) - 1


def start() -> None:
    """Send the spans of this process to the endpoint of the settings."""
    endpoint = settings.OTEL_EXPORTER_OTLP_ENDPOINT.rstrip("/")
    exporter = OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces")
    tracing.install(OpenTelemetry(BatchSpanProcessor(exporter)))


class OpenTelemetry:
    """Makes spans; the trace of a cycle is its UUID, so that the spans of all processes join."""

    def __init__(self, processor: SpanProcessor) -> None:
        resource = Resource.create(
            {
                "service.name": f"kimp-{settings.KIMP_ROLE}",
                "service.instance.id": settings.KIMP_SESSION_ID,
                "deployment.environment.name": settings.KIMP_ENVIRONMENT,
            }
        )
        self.provider = TracerProvider(resource=resource)
        self.provider.add_span_processor(processor)
        self._tracer = self.provider.get_tracer("kimp")
        self._redactor = Redactor(cast("list[str]", settings.LOGGING["secrets"]))

    @contextmanager
    def span(
        self, name: str, cycle_id: UUID | None, attributes: Mapping[str, Attribute]
    ) -> Iterator[str]:
        """Open a span: below the current one if that belongs to the cycle's trace, else linked."""
        facts = self._redactor.mapping({**attributes, "cycle.id": str(cycle_id or "")})
        current = trace.get_current_span().get_span_context()
        parent, links = None, []
        if cycle_id is not None and current.trace_id != cycle_id.int:
            parent = trace.set_span_in_context(trace.NonRecordingSpan(_root(cycle_id)))
            links = [trace.Link(current)] if current.is_valid else []
        with self._tracer.start_as_current_span(
            name,
            context=parent,
            attributes=facts,
            links=links,
            record_exception=False,  # its text would leave unredacted
            set_status_on_exception=False,
        ) as opened:
            try:
                yield trace.format_trace_id(opened.get_span_context().trace_id)
            except BaseException as error:
                text = self._redactor.text(f"{type(error).__name__}: {error}")
                opened.set_status(trace.StatusCode.ERROR, text)
                raise


def _root(cycle_id: UUID) -> trace.SpanContext:
    """Return the parent that all first spans of a cycle share; it was never itself a span."""
    return trace.SpanContext(
        trace_id=cycle_id.int,
        span_id=cycle_id.int & LOW_64_BITS,
        is_remote=True,
        trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED),
    )
