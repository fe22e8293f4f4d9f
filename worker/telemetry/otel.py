"""Recording spans with OpenTelemetry. Imported only where traces are turned on."""

import time
from contextvars import Token
from importlib.metadata import version
from os import environ
from types import TracebackType
from typing import Self
from uuid import uuid4

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from worker.telemetry.tracing import CURRENT, Attributes, Kind, TraceContext

NS = 1_000_000_000

_KINDS = {kind: trace.SpanKind[kind.name] for kind in Kind}


def _parent() -> Context:
    """Where a new span belongs, in OpenTelemetry's terms."""
    context = CURRENT.get()
    if context is None:
        return Context()
    state = trace.TraceState.from_header([context.state]) if context.state else None
    told = trace.SpanContext(
        trace_id=int(context.trace_id, 16),
        span_id=int(context.span_id, 16),
        is_remote=True,
        trace_flags=trace.TraceFlags(int(context.flags, 16)),
        trace_state=state,
    )
    return trace.set_span_in_context(trace.NonRecordingSpan(told), Context())


def _context_of(span: trace.Span) -> TraceContext:
    told = span.get_span_context()
    return TraceContext(
        trace_id=trace.format_trace_id(told.trace_id),
        span_id=trace.format_span_id(told.span_id),
        flags=f"{int(told.trace_flags):02x}",
        state=told.trace_state.to_header() or None,
    )


class _RecordedSpan:
    """A span from entering to leaving it. Of what is raised only the class is told: a message may say too much."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        self._token: Token[TraceContext | None] | None = None

    def __enter__(self) -> Self:
        self._token = CURRENT.set(_context_of(self._span))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._token is not None:
            CURRENT.reset(self._token)
        if kind is not None:
            self.fail(kind.__name__)
        self._span.end()

    def rename(self, name: str) -> None:
        """Call it by a better name."""
        self._span.update_name(name)

    def tell(self, attributes: Attributes) -> None:
        """Say more of it."""
        self._span.set_attributes(dict(attributes))

    def fail(self, reason: str) -> None:
        """Mark it as failed."""
        self._span.set_attribute("error.type", reason)
        self._span.set_status(trace.Status(trace.StatusCode.ERROR))


class OtelTracer:
    """Makes spans of a provider. Their parent is our own context, so that nothing depends on OpenTelemetry's."""

    records = True

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("perps-dma")

    def span(self, name: str, kind: Kind, attributes: Attributes) -> _RecordedSpan:
        """A span under the one that is open."""
        return _RecordedSpan(self._tracer.start_span(name, _parent(), _KINDS[kind], dict(attributes)))

    def passed(self, name: str, began: float, ended: float) -> None:
        """A span of what is over."""
        ahead = time.time_ns() - int(time.perf_counter() * NS)
        span = self._tracer.start_span(name, _parent(), start_time=ahead + int(began * NS))
        span.end(ahead + int(ended * NS))

    def close(self) -> None:
        """Send what is recorded and not sent yet. Blocks meanwhile, ten seconds and more where nobody takes it."""
        self._provider.shutdown()


def otlp_tracer(process: str) -> OtelTracer:
    """A tracer that sends spans by OTLP over HTTP, where and how OpenTelemetry's own variables (OTEL_…) say."""
    about = {
        SERVICE_NAME: environ.get("OTEL_SERVICE_NAME", f"perps-dma-{process}"),
        SERVICE_VERSION: version("perps-dma"),
        SERVICE_INSTANCE_ID: str(uuid4()),
    }
    resource = Resource.create(about)
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return OtelTracer(provider)
