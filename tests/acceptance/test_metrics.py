"""What a running worker and shim tell Prometheus: all that dashboard, alerts and documentation name, and it is true."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.conftest import RunningUp, Venue
from tests.support.monitoring_files import expressions, labels_in, metrics_in
from worker.telemetry.stages import Stage

LEVERAGE = "/oems/execution/leverage"
TO_12X = {"exchange_account_id": "binance-perp-001", "symbol": "BTC/USDT:USDT", "leverage": 12}
SET = "/fapi/v1/leverage"
SLOW_S = 2.5
OURS = "perps_dma_"
PROMETHEUS_ADDS = {"instance", "job", "le"}


@dataclass(frozen=True, slots=True)
class Scraped:
    """All metrics of a process at one instant."""

    families: dict[str, Metric]

    @classmethod
    def read(cls, text: str) -> "Scraped":
        """From the text that Prometheus reads. Its parser takes `_total` from a counter's name; Prometheus does not."""
        families = {
            f"{family.name}_total" if family.type == "counter" else family.name: family
            for family in text_string_to_metric_families(text)
        }
        return cls(families)

    def value(self, sample: str, **labels: str) -> float:
        """The sum of all samples of a name with these labels."""
        family = re.sub(r"_(bucket|sum|count)$", "", sample)
        rows = self.families[family].samples
        return sum(row.value for row in rows if row.name == sample and labels.items() <= row.labels.items())


@dataclass(frozen=True, slots=True)
class Ports:
    """The metrics ports of a running `up`."""

    urls: dict[str, str]
    client: httpx.AsyncClient

    async def scrape(self, process: str) -> Scraped:
        """What a process tells now."""
        response = await self.client.get(self.urls[process])
        assert response.status_code == 200
        return Scraped.read(response.text)

    async def until(self, process: str, told: Callable[[Scraped], bool]) -> Scraped:
        """What it tells once something is told."""
        async with asyncio.timeout(20):
            while True:
                if told(scraped := await self.scrape(process)):
                    return scraped
                await asyncio.sleep(0.05)


@pytest.fixture
async def ports(running_up: RunningUp, venue: Venue) -> AsyncIterator[Ports]:
    urls = json.loads((running_up.state / "up.json").read_text())["metrics"]
    async with httpx.AsyncClient(timeout=20) as client:
        yield Ports(urls, client)


def commands(scraped: Scraped) -> float:
    return scraped.value("perps_dma_command_seconds_count", venue="binance")


async def test_a_slow_venue_shows_in_the_venues_stage_and_in_no_other(
    trader: httpx.AsyncClient, venue: Venue, ports: Ports
) -> None:
    before = await ports.scrape("worker")
    await venue.misbehave(method="POST", path=SET, fault="delay", delay_ms=SLOW_S * 1000)
    assert (await trader.post(LEVERAGE, json=TO_12X)).headers["outcome"] == "applied"
    after = await ports.until("worker", lambda scraped: commands(scraped) > commands(before))

    def passed(sample: str, **labels: str) -> float:
        return after.value(sample, venue="binance", **labels) - before.value(sample, venue="binance", **labels)

    stages = {stage: passed("perps_dma_command_stage_seconds_sum", stage=stage) for stage in Stage}
    whole = passed("perps_dma_command_seconds_sum")
    assert passed("perps_dma_commands_total", operation="set_leverage", outcome="applied") == 1
    assert stages.pop(Stage.VENUE) >= SLOW_S - 0.01
    assert max(stages.values()) < SLOW_S / 2, stages
    assert sum(stages.values()) + SLOW_S - 0.01 <= whole < 2 * SLOW_S


async def test_a_query_is_counted_with_its_status_and_its_requests(trader: httpx.AsyncClient, ports: Ports) -> None:
    before = await ports.scrape("worker")
    asked = {"exchange_account_id": "binance-perp-001", "symbol": "BTC/USDT:USDT"}
    assert (await trader.get(LEVERAGE, params=asked)).status_code == 200

    def answered(scraped: Scraped) -> float:
        return scraped.value("perps_dma_queries_total", operation="get_leverage", venue="binance", status="200")

    after = await ports.until("worker", lambda scraped: answered(scraped) > answered(before))
    requests = ("perps_dma_venue_request_seconds_count", "binance", "answered")
    assert answered(after) - answered(before) == 1
    assert after.value(requests[0], venue=requests[1], result=requests[2]) > before.value(
        requests[0], venue=requests[1], result=requests[2]
    )


async def test_the_shim_counts_by_route_and_what_it_refuses_by_its_reason(
    trader: httpx.AsyncClient, ports: Ports
) -> None:
    before = await ports.scrape("shim")
    await trader.get("/oems/execution/commands/some-id-of-a-client")
    await trader.post(LEVERAGE, json=TO_12X, headers={"Authorization": "Bearer forged"})
    await trader.request("PROPFIND", LEVERAGE)
    after = await ports.scrape("shim")

    def counted(sample: str, **labels: str) -> float:
        return after.value(sample, **labels) - before.value(sample, **labels)

    requests, commands_route = "perps_dma_http_requests_total", "/oems/execution/commands/{command_id:path}"
    assert counted(requests, route=commands_route, status="404", method="GET") == 1
    assert counted(requests, route=LEVERAGE, status="401", method="POST") == 1
    assert counted(requests, route=LEVERAGE, status="405", method="_OTHER") == 1
    assert counted("perps_dma_http_refused_total", code="unauthorized") == 1
    assert counted("perps_dma_http_refused_total", code="method_not_allowed") == 1


async def test_both_see_a_consumer_of_every_operation_and_a_broker(ports: Ports) -> None:
    for process in ("worker", "shim"):
        scraped = await ports.until(process, lambda told: bool(told.value("perps_dma_consumers")))
        assert {sample.value for sample in scraped.families["perps_dma_consumers"].samples} == {1}
        assert scraped.value("perps_dma_broker_connected") == 1


async def test_both_tell_an_orchestrator_that_they_live_and_are_ready(ports: Ports) -> None:
    for url in ports.urls.values():
        assert (await ports.client.get(url.replace("/metrics", "/livez"))).status_code == 200
        ready = await ports.client.get(url.replace("/metrics", "/readyz"))
        assert (ready.status_code, ready.json()["ready"], ready.json()["reason"]) == (200, True, None)


async def exported(ports: Ports) -> dict[str, Metric]:
    scraped = [await ports.scrape(process) for process in ("worker", "shim")]
    return {name: family for one in scraped for name, family in one.families.items()}


async def test_dashboard_and_alerts_name_metrics_and_labels_that_there_are(
    trader: httpx.AsyncClient, ports: Ports
) -> None:
    await trader.post(LEVERAGE, json=TO_12X)
    await trader.post(LEVERAGE, json={})
    families = await exported(ports)
    for expression in expressions():
        assert metrics_in(expression) - {"up"} <= families.keys(), expression
    ours = {name for name in families if name.startswith(OURS)}
    assert ours <= {name for text in expressions() for name in metrics_in(text)}


async def test_dashboard_and_alerts_group_by_labels_that_there_are(trader: httpx.AsyncClient, ports: Ports) -> None:
    await trader.post(LEVERAGE, json=TO_12X)
    await trader.post(LEVERAGE, json={})
    await trader.post(LEVERAGE, json=TO_12X | {"exchange_account_id": "nobody"})
    families = await exported(ports)
    for expression in expressions():
        rows = [row for name in metrics_in(expression) & families.keys() for row in families[name].samples]
        there = {label for row in rows for label in row.labels}
        if rows:
            assert labels_in(expression) <= there | PROMETHEUS_ADDS, expression


async def test_the_reference_lists_every_metric_with_its_labels_and_no_other(ports: Ports) -> None:
    page = (Path(__file__).parents[2] / "deploy" / "docs" / "reference" / "metrics.md").read_text()
    rows = re.findall(rf"^\| `({OURS}\w+)` \| \w+ \|([^|]*)\|", page, re.MULTILINE)
    there = {name: family.samples for name, family in (await exported(ports)).items() if name.startswith(OURS)}
    assert Counter(name for name, _ in rows) == dict.fromkeys(there, 1)
    for name, labels in rows:
        for sample in there[name]:
            assert sample.labels.keys() - {"le"} == set(re.findall(r"`(\w+)`", labels)), name


async def test_labels_hold_nothing_that_clients_choose(trader: httpx.AsyncClient, ports: Ports) -> None:
    made_up = "an-account-that-nobody-registered"
    await trader.post(LEVERAGE, json=TO_12X | {"exchange_account_id": made_up})
    await trader.get(f"/{made_up}", params={made_up: made_up})
    await trader.post(LEVERAGE, json=TO_12X | {"symbol": f"{made_up}/USDT:USDT"})
    for family in (await exported(ports)).values():
        assert not any(made_up in value for sample in family.samples for value in sample.labels.values())
