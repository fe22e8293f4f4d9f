"""Health, the documents, and the page to browse them."""

import asyncio
import importlib.resources
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
import yaml
from structlog.testing import capture_logs

from schemas.documents.asyncapi import asyncapi
from schemas.documents.openapi import openapi
from tests.support.in_memory_caller import InMemoryCaller
from tests.support.shim_client import BOUNDS, LEVERAGE, PREFIX, assert_failure, bearer, gate, shim_client, token
from worker.bus.rpc import BrokerAway, RpcReply
from worker.runtime.errors import ConfigurationError
from worker.shim.app import create_app
from worker.shim.routes.docs import ASSETS, released


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """A client without a token."""
    async with shim_client(InMemoryCaller(), Authorization="") as client:
        yield client


async def test_a_process_that_lives_says_so_even_without_a_broker() -> None:
    async with shim_client(InMemoryCaller(workers=BrokerAway("gone")), Authorization="") as client:
        response = await client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"alive": True})


async def test_both_documents_are_served(client: httpx.AsyncClient) -> None:
    assert (await client.get("/openapi.json")).json() == openapi()
    assert yaml.safe_load((await client.get("/asyncapi.yaml")).text) == asyncapi()


async def test_the_docs_page_loads_everything_it_needs_from_here(client: httpx.AsyncClient) -> None:
    page = await client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    parts = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert {part.rpartition("/")[2] for part in parts} >= {"swagger-ui.css", "swagger-ui-bundle.js", "start.js"}
    assert "default-src 'self'" in page.headers["content-security-policy"]
    for part in parts:
        assert part.startswith("/docs/")
        assert (await client.get(part)).status_code == 200
    assert 'url: "/openapi.json"' in (await client.get("/docs/start.js")).text


async def test_a_request_is_one_log_line_that_holds_no_token() -> None:
    caller = InMemoryCaller({"set_leverage": RpcReply(200, b"{}", {})})
    async with shim_client(caller) as client:
        with capture_logs() as lines:
            response = await client.post(f"{PREFIX}/leverage?token={token()}", json=LEVERAGE)
    [line] = lines
    assert line.pop("ms") >= 0
    assert line == {
        "event": "request_answered",
        "log_level": "info",
        "method": "POST",
        "path": f"{PREFIX}/leverage",
        "status": 200,
        "command_id": response.headers["command-id"],
    }


async def test_a_fault_is_logged_as_500() -> None:
    async with shim_client(InMemoryCaller()) as client:
        with capture_logs() as lines:
            await client.post(f"{PREFIX}/leverage", json=LEVERAGE)
    assert [line["status"] for line in lines] == [500]


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """A shim behind a real HTTP server."""
    answers: dict[str, Any] = {"set_leverage": RpcReply(200, b'{"isError":false}', {"Outcome": "applied"})}
    caller = InMemoryCaller(answers)
    app = create_app(caller, gate(caller), BOUNDS)
    server = uvicorn.Server(uvicorn.Config(app, http="httptools", ws="none", lifespan="off", log_config=None))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        # The socket listens already: a request that comes too early waits in its backlog.
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        await serving


async def test_of_swagger_ui_only_the_files_that_are_named_are_served(client: httpx.AsyncClient) -> None:
    (folder,) = importlib.resources.files("swagger_ui_bundle").joinpath("vendor").iterdir()
    for name in ASSETS:
        assert (await client.get(f"/docs/assets/{name}")).content == folder.joinpath(name).read_bytes()
    assert folder.joinpath("index.html").is_file()
    assert (await client.get("/docs/assets/index.html")).status_code == 404


@pytest.mark.parametrize("name", ASSETS)
def test_a_file_of_swagger_ui_that_is_not_as_released_is_not_served(tmp_path: Path, name: str) -> None:
    (folder,) = importlib.resources.files("swagger_ui_bundle").joinpath("vendor").iterdir()
    for asset in ASSETS:
        (tmp_path / asset).write_bytes(folder.joinpath(asset).read_bytes())
    assert released(tmp_path) == tmp_path
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes() + b" ")
    with pytest.raises(ConfigurationError, match=name):
        released(tmp_path)


async def test_over_real_http_an_answer_an_error_and_the_docs_come_out_the_same(url: str) -> None:
    async with httpx.AsyncClient(base_url=url, headers=bearer(token())) as client:
        done = await client.post(f"{PREFIX}/leverage", json=LEVERAGE)
        assert (done.status_code, done.headers["outcome"]) == (200, "applied")
        assert_failure(await client.post(f"{PREFIX}/leverage", content=b" " * 1_000_000), 413, "payload_too_large")
        assert_failure(await client.get("/nowhere"), 404, "not_found")
        assert (await client.get("/docs/assets/swagger-ui-bundle.js")).status_code == 200
