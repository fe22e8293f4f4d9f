"""The page about tools for agents: its program and its configurations, used as they stand there."""

import asyncio
import json
import os
import re
import sys
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from tests.acceptance.conftest import RunningUp
from tests.acceptance.test_mcp import served, token

GUIDE = (Path(__file__).parents[2] / "deploy" / "docs" / "MCP.md").read_text()
PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"


def configurations() -> list[dict[str, Any]]:
    blocks = [json.loads(text) for text in re.findall(r"```json\n(\{\n.*?)```", GUIDE, re.DOTALL)]
    return [block["mcpServers"]["perps-dma"] for block in blocks]


async def names(client: Client) -> set[str]:
    return {tool.name for tool in (await client.list_tools()).tools}


async def test_the_program_prints_positions_a_confirmed_leverage_and_the_reason(running_up: RunningUp) -> None:
    [program] = re.findall(r"```python\n(# agent\.py\n.*?)```", GUIDE, re.DOTALL)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program), stdout=PIPE, cwd=running_up.state.parent, env={**os.environ, "PATH": PATH}
    )
    out, _ = await process.communicate()
    *positions, ended, reason = out.decode().splitlines()
    assert process.returncode == 0
    assert any(line.startswith("BTC/USDT:USDT ") for line in positions)
    assert ended in {"applied echo", "unchanged read_back"}
    assert reason == '"the risk limit was lowered"'


async def test_a_client_starts_the_server_as_it_is_configured_there(running_up: RunningUp) -> None:
    bus, _, _ = configurations()
    environment = {
        name: value.replace("/path/to/.perps-dma", str(running_up.state)) for name, value in bus["env"].items()
    }
    server = StdioServerParameters(command=bus["command"], args=bus["args"], env={"PATH": PATH, **environment})
    async with Client(server) as client:
        assert "get_positions" in await names(client)
        assert "set_leverage" not in await names(client)


async def test_a_client_starts_the_server_with_a_token_as_it_is_configured_there(
    running_up: RunningUp, tmp_path: Path
) -> None:
    _, through_http, _ = configurations()
    file = tmp_path / "token"
    file.write_text(await token(running_up, "trader"))
    given = {"https://dma.example": running_up.http, "/run/secrets/dma-token": str(file)}
    arguments = [given.get(word, word) for word in through_http["args"]]
    server = StdioServerParameters(command=through_http["command"], args=arguments, env={"PATH": PATH})
    async with Client(server) as client:
        assert "set_leverage" in await names(client)
        assert not (await client.call_tool("get_status", {})).is_error


async def test_a_client_connects_as_it_is_configured_there(running_up: RunningUp) -> None:
    *_, connecting = configurations()
    headers = {
        name: value.replace("TOKEN", await token(running_up, "viewer")) for name, value in connecting["headers"].items()
    }
    async with served(running_up) as url, httpx2.AsyncClient(headers=headers, timeout=60) as http:
        assert httpx2.URL(connecting["url"]).path == httpx2.URL(url).path
        async with Client(streamable_http_client(url, http_client=http)) as client:
            assert "get_positions" in await names(client)
