"""`perps-dma dead-letters`, against a running `up`."""

import asyncio
import getpass
import json
import os
import pty
import sys
from typing import Any
from uuid import uuid4

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
