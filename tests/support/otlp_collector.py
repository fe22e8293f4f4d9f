"""A receiver of traces: OTLP over HTTP, as an OpenTelemetry collector takes it."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

Value = str | int | bool


@dataclass(frozen=True, slots=True)
class Span:
    """One span, ids in hexadecimal digits, and the process that sent it."""

    process: str
    trace_id: str
    id: str
    parent: str
    name: str
    kind: str
    state: str
    failed: bool
    attributes: dict[str, Value]


def _spans(message: ExportTraceServiceRequest) -> list[Span]:
    found = []
    for resource in message.resource_spans:
        named = {row.key: row.value.string_value for row in resource.resource.attributes}
        found += [_span(named["service.name"], span) for scope in resource.scope_spans for span in scope.spans]
    return found


def _span(process: str, span: SpanMessage) -> Span:
    return Span(
        process=process,
        trace_id=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        name=span.name,
        kind=SpanMessage.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        state=span.trace_state,
        failed=span.status.code == span.status.STATUS_CODE_ERROR,
        attributes={row.key: getattr(row.value, str(row.value.WhichOneof("value"))) for row in span.attributes},
    )


@dataclass(slots=True)
class Collector:
    """What has arrived."""

    url: str
    spans: list[Span] = field(default_factory=list)
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def take(self, request: web.Request) -> web.Response:
        """One export."""
        body = await request.read()
        if request.headers.get("Content-Encoding") == "gzip" and body[:2] == b"\x1f\x8b":
            body = gzip.decompress(body)
        async with self.arrived:
            self.spans += _spans(ExportTraceServiceRequest.FromString(body))
            self.arrived.notify_all()
        return web.Response(content_type="application/x-protobuf")

    async def trace(self, trace_id: str, *names: str) -> list[Span]:
        """The spans of a trace, once there are some of all these names."""

        def whole() -> bool:
            return set(names) <= {span.name for span in self.of(trace_id)}

        async with asyncio.timeout(30), self.arrived:
            await self.arrived.wait_for(whole)
        return self.of(trace_id)

    def of(self, trace_id: str) -> list[Span]:
        """The spans of a trace that have come so far."""
        return [span for span in self.spans if span.trace_id == trace_id]


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """A collector on loopback while the context lasts."""
    application = web.Application()
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    collector = Collector("")
    application.add_routes([web.post("/v1/traces", collector.take)])
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        collector.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield collector
    finally:
        await runner.cleanup()
