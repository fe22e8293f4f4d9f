"""A real Prometheus, with our rules, scrapes a running worker and shim and answers every panel of the dashboard."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import yaml

from tests.acceptance.conftest import RunningUp
from tests.support.monitoring_files import PROMETHEUS, RULES, dashboard_expressions
from tests.support.processes import free_port

Result = dict[str, Any]

TWICE = "min by (job) (up) == 1 and min by (job) (count_over_time(up[1m])) > 1"


def configuration(running_up: RunningUp, folder: Path) -> Path:
    """Ours, but for the places of what is scraped, and quicker. The private broker has no metrics of its own."""
    told: Result = yaml.safe_load((PROMETHEUS / "prometheus.yaml").read_text())
    urls = json.loads((running_up.state / "up.json").read_text())["metrics"]
    told["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    places = {f"perps-dma-{name}": urlsplit(url).netloc for name, url in urls.items()}
    told["scrape_configs"] = [
        {"job_name": job["job_name"], "static_configs": [{"targets": [places[job["job_name"]]]}]}
        for job in told["scrape_configs"]
        if job["job_name"] in places
    ]
    assert len(told["scrape_configs"]) == len(places)
    shutil.copy(PROMETHEUS / "rules.yaml", folder)
    file = folder / "prometheus.yaml"
    file.write_text(yaml.safe_dump(told))
    return file


@pytest.fixture
async def prometheus(running_up: RunningUp, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of its API."""
    found = shutil.which("prometheus")
    assert found, "there is no prometheus; `make promtool` installs it"
    address = f"127.0.0.1:{free_port()}"
    process = await asyncio.create_subprocess_exec(
        found,
        f"--config.file={configuration(running_up, tmp_path)}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address={address}",
        "--log.level=error",
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://{address}/api/v1/", timeout=20) as client:
            yield client
    finally:
        process.terminate()
        await process.wait()


async def answered(client: httpx.AsyncClient, path: str, **params: str) -> Result:
    """What it answers, once it does."""
    async with asyncio.timeout(30):
        while True:
            try:
                response = await client.get(path, params=params)
            except httpx.TransportError:
                response = httpx.Response(httpx.codes.SERVICE_UNAVAILABLE)
            if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
                await asyncio.sleep(0.1)  # it is starting
                continue
            body: Result = response.json()
            assert body["status"] == "success", body
            data: Result = body["data"]
            return data


async def scraped(client: httpx.AsyncClient) -> None:
    """Wait until worker and shim have been scraped twice and every rule was evaluated."""
    async with asyncio.timeout(60):
        while True:
            up = await answered(
                client, "query", query="min by (job) (count_over_time(up[1m])) > 1 and min by (job) (up)"
            )
            groups = (await answered(client, "rules"))["groups"]
            health = {rule["health"] for group in groups for rule in group["rules"]}
            if len(up["result"]) == 2 and "unknown" not in health and groups:
                assert health == {"ok"}
                return
            await asyncio.sleep(0.2)


async def test_every_panel_is_answered_and_no_page_goes_out_while_all_is_well(prometheus: httpx.AsyncClient) -> None:
    await scraped(prometheus)
    for asked in dashboard_expressions():
        await answered(prometheus, "query", query=asked.replace("$__rate_interval", "1m").replace("$venue", ".*"))
    sure = ("min(perps_dma_ledger_writable) == 1", "count(perps_dma_consumers) > 1", "count(perps_dma_build_info) == 2")
    for told in sure:
        assert (await answered(prometheus, "query", query=told))["result"], told
    (group,) = (await answered(prometheus, "rules"))["groups"]
    assert len(group["rules"]) == len(RULES)
    down = {"PerpsDmaTargetDown", "PerpsDmaBrokerAway", "PerpsDmaLedgerNotWritable", "PerpsDmaNoConsumer"}
    alerts = (await answered(prometheus, "alerts"))["alerts"]
    assert not down & {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}
