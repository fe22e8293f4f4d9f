"""`perps-dma mcp` with the official client, over standard input and output and over streamable HTTP."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult

from schemas.operations import ROUTES
from tests.acceptance.conftest import READY_S, RunningUp
from tests.support.processes import free_port
from tests.support.strategy import Strategy
from worker.mcp.tools import CHANGING

ACCOUNT, BTC = "binance-perp-001", "BTC/USDT:USDT"
TEN = {"exchange_account_id": ACCOUNT, "symbol": BTC, "leverage": 10, "reason": "risk limit lowered"}

Connect = Callable[..., AbstractAsyncContextManager[Client]]
"""Connects the official client to a server with these arguments, with the token of a role."""

MODES = ("auto", "legacy")
"""How the client begins: with the newest protocol, or with the handshake of those before it."""


TOKENS: dict[tuple[str, ...], str] = {}
"""Those that were issued; each takes a second."""


async def token(running_up: RunningUp, role: str, *more: str) -> str:
    if (role, *more) not in TOKENS:
        TOKENS[role, *more] = (await running_up.cli("token", "--role", role, *more)).out.strip()
    return TOKENS[role, *more]


@asynccontextmanager
async def over_stdio(running_up: RunningUp, *arguments: str, given: str | None, mode: str) -> AsyncIterator[Client]:
    program = ["-m", "worker.app.cli", "mcp", *arguments]
    environment = {**running_up.environment, **({"PERPS_DMA_TOKEN": given} if given else {})}
    server = StdioServerParameters(command=sys.executable, args=program, env=environment)
    async with Client(server, mode=mode) as client:
        yield client


@asynccontextmanager
async def served(running_up: RunningUp, *arguments: str) -> AsyncIterator[str]:
    """The URL of a server over HTTP that is there."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "worker.app.cli", "mcp", "--http", "--port", str(port), *arguments),
        env=running_up.environment,
    )
    url = f"http://127.0.0.1:{port}/mcp"
    try:
        async with asyncio.timeout(READY_S), httpx2.AsyncClient() as client:
            while not await answers(client, url):  # noqa: ASYNC110 - nothing tells us
                await asyncio.sleep(0.1)
        yield url
    finally:
        process.terminate()
        assert await process.wait() == -signal.SIGTERM  # uvicorn finishes, and sends itself what it was sent


async def answers(client: httpx2.AsyncClient, url: str) -> bool:
    try:
        return (await client.post(url)).status_code == 401
    except httpx2.TransportError:
        return False


@asynccontextmanager
async def connected(url: str, given: str, mode: str = "auto") -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {given}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        yield client


@pytest.fixture(scope="module")
async def urls(running_up: RunningUp) -> AsyncIterator[dict[tuple[str, ...], str]]:
    """Where servers over HTTP are, by their arguments."""
    async with served(running_up) as reading, served(running_up, "--commands") as commanding:
        yield {(): reading, ("--commands",): commanding}


@pytest.fixture(params=["stdio and a token", "stdio and the broker", "http"])
async def connect(running_up: RunningUp, urls: dict[tuple[str, ...], str], request: pytest.FixtureRequest) -> Connect:
    """How to connect to a server, in each of the ways that there are."""

    @asynccontextmanager
    async def connecting(*arguments: str, role: str = "trader", mode: str = "auto") -> AsyncIterator[Client]:
        if request.param == "stdio and the broker":
            async with over_stdio(running_up, *arguments, given=None, mode=mode) as client:
                yield client
        elif request.param == "stdio and a token":
            given = await token(running_up, role)
            async with over_stdio(running_up, *arguments, given=given, mode=mode) as client:
                yield client
        else:
            given = await token(running_up, role)
            async with connected(urls[arguments], given, mode) as client:
                yield client

    return connecting


def structured(answer: CallToolResult) -> dict[str, Any]:
    found: dict[str, Any] = answer.structured_content
    return found


def text_of(answer: CallToolResult) -> str:
    return "\n".join(block.text for block in answer.content if block.type == "text")


@pytest.mark.parametrize("mode", MODES)
async def test_positions_are_listed_and_a_leverage_is_set_and_confirmed(connect: Connect, mode: str) -> None:
    async with connect("--commands", mode=mode) as client:
        listed = await client.call_tool("get_positions", {"exchange_account_id": ACCOUNT})
        assert not listed.is_error, text_of(listed)
        assert BTC in [row["symbol"] for row in structured(listed)["data"]["positions"]]
        assert structured(listed)["unread"] is None
        for leverage in (20, 10):
            done = await client.call_tool("set_leverage", {**TEN, "leverage": leverage})
            assert not done.is_error, text_of(done)
            facts = structured(done)
            assert (facts["outcome"], facts["confirmed_by"]) in [("applied", "echo"), ("unchanged", "read_back")]
            assert facts["data"]["leverage"] == leverage
        read = await client.call_tool("get_leverage", {"exchange_account_id": ACCOUNT, "symbol": BTC})
        assert structured(read)["data"]["leverage"] == 10


async def test_without_commands_no_tool_changes_anything(connect: Connect) -> None:
    async with connect() as client:
        tools = (await client.list_tools()).tools
        assert {tool.name for tool in tools} == {row.name for row in ROUTES} - CHANGING.keys()
        for tool in tools:
            assert tool.annotations is not None
            assert tool.annotations.read_only_hint
        refused = await client.call_tool("set_leverage", TEN)
        assert refused.is_error
        assert text_of(refused).startswith("forbidden: set_leverage changes something")
        assert "started without --commands" in text_of(refused)
        assert "a right that only a person can grant" in text_of(refused)


async def test_every_tool_that_changes_something_needs_a_reason(connect: Connect, running_up: RunningUp) -> None:
    async with connect("--commands") as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert tools.keys() == {row.name for row in ROUTES}
        for name in CHANGING:
            assert "reason" in tools[name].input_schema["required"]
        unsaid = await client.call_tool("set_leverage", {**TEN, "reason": None})
    assert unsaid.is_error
    assert structured(unsaid)["error"]["code"] == "invalid_request"
    assert "reason is required" in text_of(unsaid)


async def test_the_audit_shows_who_wanted_a_command_and_why(
    connect: Connect, running_up: RunningUp, urls: dict[tuple[str, ...], str]
) -> None:
    command_id, why = str(uuid4()), f"tightened by {uuid4()}, 10 % über Nacht"
    async with connect("--commands", role="trader") as client:
        told = [await client.call_tool("set_leverage", {**TEN, "command_id": command_id, "reason": why})]
        told.append(await client.call_tool("set_leverage", {**TEN, "command_id": command_id, "reason": why}))
    assert [structured(answer)["command_id"] for answer in told] == [command_id] * 2
    async with connected(urls[()], await token(running_up, "admin")) as client:
        audit = structured(await client.call_tool("get_audit", {"limit": 50}))["data"]["entries"]
    [entry] = [row for row in audit if row["details"].get("reason") == why]
    assert (entry["action"], entry["subject"], entry["details"]["command_id"]) == (
        "command",
        "set_leverage",
        command_id,
    )
    assert entry["actor"]


async def test_an_error_is_a_tools_error_with_its_code_and_what_to_do(connect: Connect) -> None:
    async with connect("--commands") as client:
        nobody = await client.call_tool("get_positions", {"exchange_account_id": "nobody"})
        too_much = await client.call_tool("set_leverage", {**TEN, "leverage": 1000})
        misspelt = await client.call_tool("get_leverage", {"exchange_account_id": ACCOUNT, "symbl": BTC})
    assert nobody.is_error
    assert structured(nobody)["error"]["code"] == "unknown_account"
    assert "Call get_accounts" in structured(nobody)["what_to_do"]
    assert too_much.is_error
    assert (structured(too_much)["error"]["code"], structured(too_much)["outcome"]) == ("rejected", "rejected")
    assert structured(misspelt)["error"]["code"] == "invalid_request"
    assert "symbl is not a known field" in text_of(misspelt)


@pytest.mark.parametrize("way", ["stdio", "http"])
async def test_a_viewers_token_reads_and_cannot_command(
    running_up: RunningUp, urls: dict[tuple[str, ...], str], way: str
) -> None:
    given = await token(running_up, "viewer")

    async def try_all(client: Client) -> None:
        read = await client.call_tool("get_leverage", {"exchange_account_id": ACCOUNT, "symbol": BTC})
        assert not read.is_error
        for name, arguments in (("set_leverage", TEN), ("freeze", {"all": True, "reason": "no"})):
            denied = await client.call_tool(name, arguments)
            assert denied.is_error
            assert structured(denied)["error"]["code"] == "forbidden"

    if way == "stdio":
        async with over_stdio(running_up, "--commands", given=given, mode="auto") as client:
            await try_all(client)
    else:
        async with connected(urls["--commands",], given) as client:
            await try_all(client)


async def test_a_token_that_is_limited_to_some_accounts_is_so_here(
    running_up: RunningUp, urls: dict[tuple[str, ...], str]
) -> None:
    given = await token(running_up, "trader", "--account", "okx-perp-001")
    async with connected(urls["--commands",], given) as client:
        accounts = structured(await client.call_tool("get_accounts", {}))["data"]["accounts"]
        assert [row["exchange_account_id"] for row in accounts] == ["okx-perp-001"]
        denied = await client.call_tool("set_leverage", TEN)
        assert structured(denied)["error"]["code"] == "forbidden"


async def test_over_http_there_is_nothing_without_a_good_token_and_nothing_for_a_page(
    running_up: RunningUp, urls: dict[tuple[str, ...], str]
) -> None:
    url = urls[()]
    good = {"Authorization": f"Bearer {await token(running_up, 'admin')}"}
    hello = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    async with httpx2.AsyncClient() as client:
        for headers in ({}, {"Authorization": "Bearer forged"}):
            refused = await client.post(url, json=hello, headers=headers)
            assert (refused.status_code, refused.json()["error"]["code"]) == (401, "unauthorized")
            assert refused.headers["www-authenticate"].startswith("Bearer")
        page = await client.post(url, json=hello, headers={**good, "Origin": "https://elsewhere.example"})
        assert page.status_code == 403


async def test_a_letter_is_settled_by_its_id_with_slashes(
    running_up: RunningUp, strategy: Strategy, urls: dict[tuple[str, ...], str]
) -> None:
    letter_id = f"{uuid4()}/requeue"
    await strategy.publish("set_leverage", {**TEN, "leverage": 0}, message_id=letter_id)
    await strategy.dead_letter(letter_id)
    async with connected(urls["--commands",], await token(running_up, "admin")) as client:
        listed = structured(await client.call_tool("get_dead_letters", {"limit": 500}))["data"]["dead_letters"]
        assert letter_id in [row["letter_id"] for row in listed]
        done = await client.call_tool("drop_dead_letter", {"letter_id": letter_id, "reason": "a test"})
        assert not done.is_error, text_of(done)
        again = await client.call_tool("drop_dead_letter", {"letter_id": letter_id, "reason": "a test"})
        assert structured(again)["error"]["code"] == "unknown_dead_letter"


async def test_a_token_comes_out_of_a_file(running_up: RunningUp, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(await token(running_up, "viewer") + "\n")
    arguments = ("--url", running_up.http, "--token-file", str(file))
    async with over_stdio(running_up, *arguments, given=None, mode="auto") as client:
        assert not (await client.call_tool("get_status", {})).is_error


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--url", "http://127.0.0.1:1"), "--url needs a token"),
        (("--token-file", "/nowhere/token"), "the token can't be read from /nowhere/token"),
        (("--http", "--token-file", "token"), "each request brings the token"),
    ],
)
async def test_what_does_not_go_together_is_said(running_up: RunningUp, arguments: tuple[str, ...], said: str) -> None:
    ended = await running_up.cli("mcp", *arguments)
    assert (ended.code, ended.out) == (1, "")
    assert said in ended.err


async def test_where_the_service_is_away_a_tool_says_what_was_sent_and_what_to_do(running_up: RunningUp) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    given = await token(running_up, "trader")
    async with over_stdio(running_up, "--commands", "--url", nowhere, given=given, mode="auto") as client:
        away = await client.call_tool("set_leverage", TEN)
    assert away.is_error
    assert structured(away)["error"]["code"] == "broker_unavailable"
    assert "nothing was sent" in structured(away)["message"]
    assert structured(away)["command_id"]
