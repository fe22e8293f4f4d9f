"""Traces cost nothing while nobody asked for them, and say what is missing when somebody did."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from worker.config.settings import Settings
from worker.monitoring.traces import CLOSE_S, recorded
from worker.telemetry import tracing
from worker.telemetry.otel import OtelTracer
from worker.telemetry.tracing import Kind, TraceContext

CONTEXT = TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "01", "vendor=1")

HIDDEN = """
import sys
sys.modules["opentelemetry"] = None
from worker.app.cli import app
app(["shim"])
"""


def program(code: str, *more: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *more], capture_output=True, text=True, env=variables, check=False, timeout=60
    )


def test_without_being_asked_for_opentelemetry_is_not_even_imported() -> None:
    loads = "import json, sys, worker.app.bootstrap, worker.shim.server; print(json.dumps(list(sys.modules)))"
    modules = json.loads(program(loads).stdout)
    assert "worker.telemetry.tracing" in modules
    assert [name for name in modules if name.startswith("opentelemetry")] == []


def test_traces_without_opentelemetry_are_refused_with_what_to_install(tmp_path: Path) -> None:
    settings = {
        "PERPS_DMA_TRACES": "otlp",
        "PERPS_DMA_STATE": str(tmp_path),
        "PERPS_DMA_JWT_SECRET": "a secret of the tests, 32 bytes or more",
    }
    ended = program(HIDDEN, **settings)
    assert ended.returncode == 1
    assert "pip install 'perps-dma[otel]'" in ended.stderr
    assert "Traceback" not in ended.stderr


async def test_a_collector_that_does_not_answer_holds_up_the_end_for_a_moment_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = asyncio.Event()

    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await gone.wait()
        writer.close()

    async with await asyncio.start_server(silence, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
        async with recorded(Settings(state=tmp_path, traces="otlp"), "test"):
            with tracing.span("work"):
                pass
            began = time.monotonic()
        assert time.monotonic() - began < CLOSE_S + 5, "an export takes ten seconds to give up"
        gone.set()
    assert not tracing.carried()


def test_a_request_goes_on_in_the_trace_of_its_caller() -> None:
    with tracing.arriving(CONTEXT, "work", Kind.SERVER, {}):
        with tracing.span("part of it") as span:
            span.tell({"a": 1})
            span.fail("nothing")
        assert tracing.carried() == CONTEXT.headers()
        assert tracing.trace_id() == CONTEXT.trace_id
    assert (tracing.carried(), tracing.trace_id()) == ({}, None)


def test_a_request_without_a_trace_begins_one() -> None:
    with tracing.arriving(None, "work", Kind.SERVER, {}):
        assert TraceContext.read(tracing.carried()["traceparent"]) is not None


@pytest.fixture
def exported() -> Iterator[InMemorySpanExporter]:
    """What a recording tracer has exported."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.record_with(OtelTracer(provider))
    yield exporter
    tracing.record_with(tracing.OFF)


def test_recorded_spans_hang_together_and_carry_the_callers_state_on(exported: InMemorySpanExporter) -> None:
    with tracing.arriving(CONTEXT, "work", Kind.CONSUMER, {"messaging.system": "rabbitmq"}), tracing.span("part"):
        carried = tracing.carried()
    part, whole = exported.get_finished_spans()
    assert whole.parent is not None
    assert part.parent is not None
    assert f"{whole.parent.span_id:016x}" == CONTEXT.span_id
    assert part.parent.span_id == whole.context.span_id
    assert carried == {"traceparent": f"00-{CONTEXT.trace_id}-{part.context.span_id:016x}-01", "tracestate": "vendor=1"}


def test_a_caller_who_is_not_sampled_is_not_recorded_but_carried_on(exported: InMemorySpanExporter) -> None:
    with tracing.arriving(TraceContext(CONTEXT.trace_id, CONTEXT.span_id, "00"), "work", Kind.SERVER, {}):
        assert tracing.carried()["traceparent"].startswith(f"00-{CONTEXT.trace_id}-")
        assert tracing.carried()["traceparent"].endswith("-00")
    assert exported.get_finished_spans() == ()


def test_of_a_failure_only_its_kind_is_recorded(exported: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="hunter2"), tracing.span("work"):
        raise ValueError("the secret is hunter2")
    (span,) = exported.get_finished_spans()
    assert not span.status.is_ok
    assert (span.attributes or {})["error.type"] == "ValueError"
    assert "hunter2" not in span.to_json()
