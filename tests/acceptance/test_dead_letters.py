"""`perps-dma dead-letters`, against a running `up`."""

import asyncio
import getpass
import json
import os
import pty
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.acceptance.conftest import RunningUp
from tests.support.strategy import Strategy

BAD = b'{"exchange_account_id": "binance-perp-001", "symbol": "BTC/USDT:USDT", "leverage": 0}'


@pytest.fixture
async def letter_id(running_up: RunningUp, strategy: Strategy) -> str:
    """A dead letter: a command with a bad body."""
    command_id = await strategy.publish("set_leverage", BAD)
    await strategy.dead_letter(command_id)
    return command_id


async def listed(running_up: RunningUp) -> dict[str, dict[str, Any]]:
    ended = await running_up.cli("dead-letters", "list", "--json")
    return {row["id"]: row for row in json.loads(ended.out)}


async def test_list_tells_time_id_operation_account_and_reason(running_up: RunningUp, letter_id: str) -> None:
    row = (await listed(running_up))[letter_id]
    assert row["time"].endswith("Z")
    assert {**row, "time": None} == {
        "time": None,
        "id": letter_id,
        "operation": "set_leverage",
        "account": "binance-perp-001",
        "reason": "leverage must be greater than 0",
    }
    [line] = [line for line in (await running_up.cli("dead-letters", "list")).out.splitlines() if letter_id in line]
    assert "binance-perp-001" in line
    assert "leverage must be greater than 0" in line


async def test_show_has_the_body(running_up: RunningUp, letter_id: str) -> None:
    shown = json.loads((await running_up.cli("dead-letters", "show", letter_id, "--json")).out)
    assert shown["body"] == BAD.decode()
    assert f"body: {BAD.decode()}" in (await running_up.cli("dead-letters", "show", letter_id)).out


async def test_requeue_sends_again_and_says_so(running_up: RunningUp, strategy: Strategy, letter_id: str) -> None:
    ended = await running_up.cli("dead-letters", "requeue", letter_id)
    assert (ended.code, ended.out) == (0, f"sent again: set_leverage {letter_id}\n")
    await strategy.dead_letter(letter_id)  # its body is as bad as before


async def test_what_was_done_with_letters_is_an_event(
    running_up: RunningUp, strategy: Strategy, letter_id: str
) -> None:
    for command, action in (("requeue", "requeued"), ("drop", "dropped")):
        await running_up.cli("dead-letters", command, letter_id)
        told = await strategy.told("dead-letters", action=action)
        assert (told["letters"], told["actor"]) == ([letter_id], getpass.getuser())
        assert told["reasons"] == ["leverage must be greater than 0"]
        if action == "requeued":
            await strategy.dead_letter(letter_id)


async def test_drop_throws_away_and_says_so(running_up: RunningUp, letter_id: str) -> None:
    ended = await running_up.cli("dead-letters", "drop", letter_id)
    assert (ended.code, ended.out) == (0, f"thrown away: set_leverage {letter_id}\n")
    assert letter_id not in await listed(running_up)


async def test_an_id_that_there_is_not_is_named_and_nothing_is_done(running_up: RunningUp, letter_id: str) -> None:
    unknown = str(uuid4())
    for command in ("show", "requeue", "drop"):
        ids = [unknown] if command == "show" else [letter_id, unknown]
        ended = await running_up.cli("dead-letters", command, *ids)
        assert (ended.code, ended.out) == (1, "")
        assert f"there is no dead letter {unknown}" in ended.err
    assert letter_id in await listed(running_up)


@pytest.mark.parametrize("arguments", [(), ("x", "--all")])
async def test_either_ids_or_all_have_to_be_named(running_up: RunningUp, arguments: tuple[str, ...]) -> None:
    ended = await running_up.cli("dead-letters", "drop", *arguments)
    assert ended.code == 1
    assert "name the letters by their ids, or say --all" in ended.err


async def test_all_without_a_terminal_needs_yes(running_up: RunningUp, letter_id: str) -> None:
    ended = await running_up.cli("dead-letters", "drop", "--all")
    assert ended.code == 1
    assert "--yes" in ended.err
    assert letter_id in await listed(running_up)
    assert (await running_up.cli("dead-letters", "drop", "--all", "--yes")).code == 0
    assert await listed(running_up) == {}
    assert (await running_up.cli("dead-letters", "list")).out == "no dead letters\n"


async def test_all_asks_on_a_terminal_and_takes_no_for_an_answer(running_up: RunningUp, letter_id: str) -> None:
    code, shown = await answer(running_up, "n", "dead-letters", "drop", "--all")
    assert code == 1
    assert "Throw all " in shown
    assert letter_id in await listed(running_up)
    code, shown = await answer(running_up, "y", "dead-letters", "drop", "--all")
    assert code == 0
    assert letter_id not in await listed(running_up)


async def answer(running_up: RunningUp, reply: str, *arguments: str) -> tuple[int, str]:
    """Run a command on a terminal of its own and answer its question."""
    ours, theirs = pty.openpty()
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "worker.app.cli", *arguments),
            stdin=theirs,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=running_up.environment,
        )
        os.write(ours, f"{reply}\n".encode())
        out, _ = await process.communicate()
    finally:
        os.close(ours)
        os.close(theirs)
    return process.returncode or 0, out.decode()


async def test_two_readers_at_once_do_not_get_in_each_others_way(running_up: RunningUp, letter_id: str) -> None:
    ends = await asyncio.gather(*(running_up.cli("dead-letters", "list", "--json") for _ in range(6)))
    for ended in ends:
        if ended.code == 0:
            assert letter_id in {row["id"] for row in json.loads(ended.out)}
        else:
            assert "somebody else has the dead letters" in ended.err
    assert letter_id in await listed(running_up)


LETTERS = "/oems/execution/dead-letters"


@pytest.fixture
async def tokens(running_up: RunningUp) -> dict[str, dict[str, str]]:
    """The header of each role, and of an admin who is limited to an account."""
    roles = {"viewer": ["viewer"], "trader": ["trader"], "admin": ["admin"]}
    roles["limited"] = ["admin", "--account", "binance-perp-001"]
    return {
        name: {"Authorization": f"Bearer {(await running_up.cli('token', '--role', *role)).out.strip()}"}
        for name, role in roles.items()
    }


@pytest.fixture
async def client(running_up: RunningUp) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=running_up.http, timeout=30) as client:
        yield client


async def test_over_http_a_viewer_lists_letters_and_a_trader_and_a_limited_token_do_not(
    client: httpx.AsyncClient, tokens: dict[str, dict[str, str]], letter_id: str
) -> None:
    for role in ("viewer", "admin"):
        answer = (await client.get(LETTERS, headers=tokens[role], params={"limit": 500})).json()
        [row] = [row for row in answer["data"]["dead_letters"] if row["letter_id"] == letter_id]
        assert (row["body"], row["reason"]) == (BAD.decode(), "leverage must be greater than 0")
    for role in ("trader", "limited"):
        assert (await client.get(LETTERS, headers=tokens[role])).status_code == 403


async def test_over_http_an_admin_alone_sends_again_and_drops_and_the_audit_keeps_who_and_why(
    client: httpx.AsyncClient, tokens: dict[str, dict[str, str]], strategy: Strategy, letter_id: str
) -> None:
    for role in ("viewer", "trader", "limited"):
        for what in ("requeue", "drop"):
            path = f"{LETTERS}/{letter_id}/{what}"
            assert (await client.post(path, headers=tokens[role], params={"reason": "no"})).status_code == 403
    for what, why in (("requeue", "mended"), ("drop", "hopeless")):
        path = f"{LETTERS}/{letter_id}/{what}"
        unsaid = await client.post(path, headers=tokens["admin"])
        assert (unsaid.status_code, unsaid.json()["message"]) == (400, "Error - reason is required")
        done = await client.post(path, headers=tokens["admin"], params={"reason": why})
        assert (done.status_code, done.json()["data"]["letter_id"]) == (200, letter_id)
        if what == "requeue":
            await strategy.dead_letter(letter_id)  # its body is as bad as before
    gone = await client.post(f"{LETTERS}/{letter_id}/drop", headers=tokens["admin"], params={"reason": "again"})
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "unknown_dead_letter")
    entries = (await client.get("/oems/execution/audit", headers=tokens["admin"])).json()["data"]["entries"]
    written = [
        (row["action"], row["actor"], row["details"]["reason"]) for row in entries if row["subject"] == letter_id
    ]
    assert written == [("drop", "cli", "hopeless"), ("requeue", "cli", "mended")]


async def test_an_id_with_slashes_and_one_that_ends_as_the_path_does_are_found_over_http(
    client: httpx.AsyncClient, tokens: dict[str, dict[str, str]], strategy: Strategy
) -> None:
    for letter_id in (f"{uuid4()}/requeue", f"{uuid4()}/drop"):
        await strategy.publish("set_leverage", BAD, message_id=letter_id)
        await strategy.dead_letter(letter_id)
        path = f"{LETTERS}/{letter_id}/drop"
        done = await client.post(path, headers=tokens["admin"], params={"reason": "a test"})
        assert (done.status_code, done.json()["data"]["letter_id"]) == (200, letter_id)


async def test_a_reason_on_the_command_line_is_told_with_what_was_done(
    running_up: RunningUp, strategy: Strategy, letter_id: str
) -> None:
    await running_up.cli("dead-letters", "drop", letter_id, "--reason", "sent by mistake")
    assert (await strategy.told("dead-letters", letters=[letter_id]))["why"] == "sent by mistake"


PAGE = (Path(__file__).parents[2] / "deploy" / "docs" / "DEAD_LETTERS.md").read_text()


async def test_the_lines_of_the_page_do_what_it_says(
    running_up: RunningUp, tokens: dict[str, dict[str, str]], strategy: Strategy, letter_id: str
) -> None:
    environment = {
        **running_up.environment,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "TOKEN": tokens["admin"]["Authorization"].removeprefix("Bearer "),
        "URL": f"{running_up.http}/oems/execution",
        "LETTER": letter_id,
    }
    over_http, by_hand = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    said = []
    for line in over_http.splitlines():
        said.append(json.loads(await shell(line, environment)))
        if "/requeue" in line:
            await strategy.dead_letter(letter_id)
    assert [answer["isError"] for answer in said] == [False] * 3
    command_id = await strategy.publish("set_leverage", BAD)
    await strategy.dead_letter(command_id)
    shown, details, settled = [
        await shell(line, {**environment, "LETTER": command_id}) for line in by_hand.splitlines()
    ]
    assert command_id in shown
    assert BAD.decode() in details
    assert settled == f"sent again: set_leverage {command_id}\n"
    await strategy.dead_letter(command_id)


async def shell(line: str, environment: dict[str, str]) -> str:
    process = await asyncio.create_subprocess_shell(line, stdout=asyncio.subprocess.PIPE, env=environment)
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
    return out.decode()
