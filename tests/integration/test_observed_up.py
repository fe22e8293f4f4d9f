"""One trace through all processes, and its id on every line that they log of a command."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.integration.test_up import new_settings, up
from tests.support.otlp_collector import Collector, Span, collecting
from tests.support.strategy import Strategy
from worker.telemetry.tracing import TraceContext

Line = dict[str, Any]

LEVERAGE = "/oems/execution/leverage"
ACCOUNT, SYMBOL, SET = "binance-perp-001", "BTC/USDT:USDT", "/fapi/v1/leverage"
TO_15X = {"exchange_account_id": ACCOUNT, "symbol": SYMBOL, "leverage": 15}
SERVER, CLIENT, PRODUCER, CONSUMER = "SERVER", "CLIENT", "PRODUCER", "CONSUMER"


@dataclass(frozen=True, slots=True)
class Observed:
    """A running `up` that sends its traces here, and who asks it for something."""

    state: Path
    collector: Collector
    client: httpx.AsyncClient
    venue: httpx.AsyncClient
    strategy: Strategy

    async def misbehave(self, **fault: Any) -> None:
        """Plan a fault of the venue."""
        (await self.venue.post("faults", json=fault)).raise_for_status()

    async def set_leverage(self, context: TraceContext, **more: Any) -> httpx.Response:
        """Ask for a leverage in a trace."""
        return await self.client.post(LEVERAGE, json=TO_15X | more, headers=context.headers())

    def lines(self, process: str) -> list[Line]:
        """What a process has logged."""
        log = self.state / "log" / f"{process}.log"
        return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]

    async def until(self, process: str, is_it: Callable[[Line], bool]) -> list[Line]:
        """The same, once a line is there."""
        async with asyncio.timeout(20):
            while True:
                if any(map(is_it, lines := self.lines(process))):
                    return lines
                await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
async def observed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Observed]:
    settings = new_settings(tmp_path_factory.mktemp("observed"))
    async with (
        collecting() as collector,
        up(
            settings,
            PERPS_DMA_TRACES="otlp",
            PERPS_DMA_LOG_LEVEL="debug",
            PERPS_DMA_SNAPSHOT_INTERVAL_MS="0",
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            OTEL_BSP_SCHEDULE_DELAY="1500",
        ) as running,
    ):
        url, token = await running.says("ready"), await running.says("token")
        amqp = json.loads(settings.up_file.read_text())["amqp"]
        control = json.loads(settings.sandbox_file.read_text())["venues"]["binance"]["control_url"]
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            httpx.AsyncClient(base_url=url, headers=headers, timeout=20) as client,
            httpx.AsyncClient(base_url=f"{control}/") as venue,
            Strategy.connected(amqp) as strategy,
        ):
            observed = Observed(settings.state, collector, client, venue, strategy)
            yield observed
            last = caller()
            await observed.set_leverage(last, leverage=19)
        running.process.send_signal(signal.SIGTERM)
        assert await running.ends() == 0
        # What was not sent before is sent when a process stops.
        await collector.trace(last.trace_id, f"POST {LEVERAGE}", "process set_leverage")


def caller() -> TraceContext:
    """The trace of somebody who asks."""
    return TraceContext(uuid4().hex, "00f067aa0ba902b7", "01", "desk=7")


def one(spans: list[Span], name: str, kind: str) -> Span:
    (found,) = [span for span in spans if (span.name, span.kind) == (name, kind)]
    return found


async def test_a_command_is_one_trace_from_http_over_the_bus_to_the_venue_and_its_event(observed: Observed) -> None:
    context = caller()
    response = await observed.set_leverage(context)
    assert response.headers["traceparent"] == context.traceparent
    wanted = (f"POST {LEVERAGE}", "send dma.commands", "process set_leverage", "POST binance", "send dma.events")
    spans = await observed.collector.trace(context.trace_id, *wanted)

    request = one(spans, f"POST {LEVERAGE}", SERVER)
    sent = one(spans, "send dma.commands", PRODUCER)
    processed = one(spans, "process set_leverage", CONSUMER)
    lane = one(spans, "wait for the lane", "INTERNAL")
    venue = one(spans, "POST binance", CLIENT)
    told = next(span for span in spans if span.name == "send dma.events")
    assert [request.parent, sent.parent, processed.parent] == [context.span_id, request.id, sent.id]
    assert [lane.parent, venue.parent, told.parent] == [processed.id] * 3
    assert {span.process for span in (request, sent)} == {"perps-dma-shim"}
    assert {span.process for span in (processed, lane, venue, told)} == {"perps-dma-worker"}
    assert {span.state for span in spans} == {"desk=7"}
    assert request.attributes.items() >= {"http.route": LEVERAGE, "http.response.status_code": 200}.items()
    assert processed.attributes["messaging.message.id"] == response.headers["command-id"]
    ours = {"perps_dma.account": ACCOUNT, "perps_dma.venue": "binance", "perps_dma.outcome": "applied"}
    assert processed.attributes.items() >= ours.items()
    assert venue.attributes.items() >= {"url.path": SET, "http.response.status_code": 200}.items()


async def test_the_event_tells_its_trace_in_its_body_and_its_headers(observed: Observed) -> None:
    context = caller()
    command_id = await observed.strategy.publish("set_leverage", TO_15X, headers=context.headers())
    while True:
        async with asyncio.timeout(20):
            message = await observed.strategy.events.get()
        event = json.loads(message.body)
        if event["data"].get("command_id") == command_id:
            break
    spans = await observed.collector.trace(context.trace_id, "process set_leverage", "send dma.events")
    processed = one(spans, "process set_leverage", CONSUMER)
    assert processed.parent == context.span_id
    assert event["traceparent"] == f"00-{context.trace_id}-{processed.id}-01"
    sent = TraceContext.read(message.headers["traceparent"], message.headers["tracestate"])
    assert sent is not None
    assert sent.span_id in {span.id for span in spans if span.name == "send dma.events"}
    assert sent.state == "desk=7"


async def test_a_venues_failure_and_the_read_back_show_in_the_trace(observed: Observed) -> None:
    context = caller()
    await observed.misbehave(fault="status", status=502, method="POST", path=SET, apply=True)
    response = await observed.set_leverage(context, leverage=16)
    assert response.headers["outcome"] == "applied"
    spans = await observed.collector.trace(context.trace_id, "POST binance", "GET binance", "send dma.events")
    failed = one(spans, "POST binance", CLIENT)
    assert failed.failed
    assert failed.attributes.items() >= {"http.response.status_code": 502, "error.type": "Ambiguous"}.items()
    assert any(span.name == "GET binance" and not span.failed for span in spans)


async def test_no_span_holds_a_query_a_key_or_a_signature(observed: Observed) -> None:
    context = caller()
    await observed.set_leverage(context, leverage=17)
    await observed.collector.trace(context.trace_id, "POST binance", "send dma.events")
    accounts = json.loads((observed.state / "sandbox.json").read_text())["accounts"]
    secrets = {row[name] for row in accounts for name in ("api_key", "secret", "passphrase") if row.get(name)}
    told = [str(value) for span in observed.collector.spans for value in span.attributes.values()]
    assert len(told) > 50
    assert secrets
    for value in told:
        assert not any(secret in value for secret in secrets)
        assert "signature" not in value
        assert "?" not in value


async def test_every_line_of_a_command_names_command_account_venue_and_trace(observed: Observed) -> None:
    faults: tuple[dict[str, Any], ...] = (
        {},
        {"fault": "html", "apply": True},
        {"fault": "reset"},
        {"fault": "status", "status": 400, "code": -4028, "msg": "Leverage is not valid"},
    )
    traces: dict[str, str] = {}
    for leverage, fault in enumerate(faults, start=20):
        if fault:
            await observed.misbehave(method="POST", path=SET, **fault)
        context = caller()
        response = await observed.set_leverage(context, leverage=leverage)
        traces[response.headers["command-id"]] = context.trace_id
    repeated = next(iter(traces))
    await observed.client.post(
        LEVERAGE, json=TO_15X | {"leverage": 20}, headers={"Idempotency-Key": repeated} | caller().headers()
    )
    worker = await observed.until("worker", lambda line: line["event"] == "duplicate_delivery")
    shim = await observed.until("shim", lambda line: line.get("command_id") == repeated)
    for process in (worker, shim):
        ours = [line for line in process if line.get("command_id") in traces]
        assert {line["command_id"] for line in ours} == traces.keys()
        for line in ours:
            assert (line["account"], line["venue"], line["operation"]) == (ACCOUNT, "binance", "set_leverage"), line
            if line["event"] != "duplicate_delivery" and line.get("command_id") != repeated:
                assert line["trace_id"] == traces[line["command_id"]]
            assert len(line["trace_id"]) == 32
        of_our_traces = [line for line in process if line.get("trace_id") in traces.values()]
        assert all(line["command_id"] in traces for line in of_our_traces)


async def test_a_message_that_nobody_can_carry_out_is_logged_with_its_id_and_trace(observed: Observed) -> None:
    context = caller()
    command_id = await observed.strategy.publish(
        "set_leverage", TO_15X | {"exchange_account_id": "nobody"}, headers=context.headers()
    )
    lines = await observed.until("worker", lambda line: line["event"] == "message_dead_lettered")
    ours = [line for line in lines if line.get("command_id") == command_id]
    assert [line["event"] for line in ours] == ["request_rejected", "message_dead_lettered"]
    assert {(line["trace_id"], line["account"]) for line in ours} == {(context.trace_id, "nobody")}
