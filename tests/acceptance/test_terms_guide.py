"""The commands of the guide to terms, run as they stand there, and what it says of them."""

import asyncio
import json
import re
import shlex
from pathlib import Path

import httpx
import pytest

from tests.acceptance.conftest import RunningUp, Venue
from tests.support.forks import Ended
from worker.console.terms.files import read_terms

GUIDE = (Path(__file__).parents[2] / "deploy" / "docs" / "TERMS.md").read_text()
BLOCKS = re.findall(r"```(toml|sh|json)\n(.*?)```", GUIDE, re.DOTALL)
COMMANDS = [line for kind, text in BLOCKS if kind == "sh" for line in text.splitlines()]
[DOCUMENT] = [text for kind, text in BLOCKS if kind == "toml"]
[BODY] = [json.loads(text) for kind, text in BLOCKS if kind == "json"]


@pytest.fixture
async def asked(running_up: RunningUp, venue: Venue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunningUp:
    """In a folder with the document of the guide."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "terms.toml").write_text(DOCUMENT)
    return running_up


async def typed(asked: RunningUp, command: str) -> Ended:
    """What a line of the guide does."""
    program, *arguments = shlex.split(command)
    assert program == "perps-dma"
    return await asked.cli(*arguments)


async def test_the_commands_of_the_guide_do_as_it_says(asked: RunningUp) -> None:
    plan, apply, out, apply_out, cancel, *_ = COMMANDS
    planned = await typed(asked, plan)
    assert planned.code == 0, planned.err
    assert re.search(r"~\s+BTC/USDT:USDT\s+leverage 10x → 5x", planned.out)
    assert re.search(r"~\s+ETH/USDT:USDT\s+margin mode cross → isolated, leverage 20x → 3x", planned.out)
    assert "Plan: 3 to change" in planned.out
    done = await typed(asked, apply)
    assert (done.code, "Terms applied: 3 applied" in done.out) == (0, True), done.out + done.err
    kept = await typed(asked, out)
    assert "No changes. The account is as terms.toml says." in kept.out
    again = await typed(asked, apply_out)
    assert (again.code, "Terms unchanged: 3 unchanged" in again.out) == (0, True), again.out + again.err
    unknown = await typed(asked, cancel)
    assert (unknown.code, "no command 5b9bb3f0" in unknown.err) == (1, True)


async def test_a_plan_that_was_kept_is_not_applied_to_another_state(asked: RunningUp) -> None:
    plan, _, out, apply_out, *_ = COMMANDS
    await typed(asked, out)
    await asked.cli("leverage", "binance-perp-001", "SOL/USDT:USDT", "7")
    outdated = await typed(asked, apply_out)
    assert (outdated.code, "plan again" in outdated.out) == (4, True), outdated.out + outdated.err
    assert (await typed(asked, f"{plan} --detailed-exitcode")).code == 2


async def test_what_is_kept_is_mended_until_it_is_dropped(asked: RunningUp) -> None:
    *_, keep, show, drop = COMMANDS
    kept = await typed(asked, keep)
    assert (kept.code, "the terms of binance-perp-001 are kept, version 1" in kept.out) == (0, True), kept.err
    async with asyncio.timeout(40):
        while " set " not in (shown := await typed(asked, show)).out:  # noqa: ASYNC110 - it is another process's
            await asyncio.sleep(0.5)
    assert re.search(r"binance-perp-001\s+kept\s+1\s", shown.out), shown.out
    assert re.search(r"BTC/USDT:USDT\s+leverage", shown.out), shown.out
    dropped = await typed(asked, drop)
    assert (dropped.code, "are kept no more" in dropped.out) == (0, True), dropped.err
    assert "no terms are kept" in (await typed(asked, show)).out


async def test_without_a_terminal_to_ask_on_it_must_be_approved(asked: RunningUp) -> None:
    refused = await asked.cli("terms", "apply", "terms.toml")
    assert (refused.code, "say --auto-approve too" in refused.err) == (1, True)


async def test_a_file_that_is_wrong_is_named_with_what_is_wrong(asked: RunningUp, tmp_path: Path) -> None:
    for text, said in (
        ('exchange_account_id = "binance-perp-001"', "names nothing"),
        (
            f"{DOCUMENT}\nleverege = 3",
            f"wrong.toml:{len(DOCUMENT.splitlines()) + 2}: symbols.SOL/USDT:USDT.leverege is",
        ),
        (f"{DOCUMENT}\nleverege = 3", "did you mean leverage?"),
        (DOCUMENT.replace("leverage = 5", 'leverage = "5"'), "must be a number, not a string"),
        ("exchange_account_id = ", "is not TOML"),
        ('{"kind": "other"}', "is no plan"),
    ):
        (tmp_path / "wrong.toml").write_text(text)
        ended = await asked.cli("terms", "plan", "wrong.toml")
        assert (ended.code, said in ended.err) == (1, True), ended.err
    assert "can't be read" in (await asked.cli("terms", "plan", "missing.toml")).err


async def test_each_mistake_of_a_file_is_told_with_its_line(asked: RunningUp, tmp_path: Path) -> None:
    wrong = """position_mod = "hedge"
exchange_account_id = "binance-perp-001"

[defaults]
leverage = "3"

[symbols]
"BTC/USDT:USDT" = { leverage = 3, margin_mode = "crossed" }
"""
    (tmp_path / "wrong.toml").write_text(wrong)
    ended = await asked.cli("terms", "plan", "wrong.toml")
    assert {line.removeprefix("perps-dma: ") for line in ended.err.splitlines()} == {
        "wrong.toml:1: position_mod is not a known field; did you mean position_mode?",
        "wrong.toml:5: defaults.leverage must be a number, not a string",
        "wrong.toml:8: symbols.BTC/USDT:USDT.margin_mode must be 'cross' or 'isolated'",
    }


async def test_options_may_be_written_as_terraform_writes_its_own(asked: RunningUp, tmp_path: Path) -> None:
    planned = await asked.cli("terms", "plan", "-detailed-exitcode", "-out=plan.json", "terms.toml")
    assert (planned.code, (tmp_path / "plan.json").exists()) == (2, True), planned.err
    done = await asked.cli("terms", "apply", "-auto-approve", "terms.toml")
    assert (done.code, "Terms applied" in done.out) == (0, True), done.err
    again = await asked.cli("terms", "plan", "-json", "terms.toml")
    assert json.loads(again.out)["change"] == 0


async def test_a_plan_shows_the_position_mode_as_it_shows_symbols(asked: RunningUp, tmp_path: Path) -> None:
    (tmp_path / "mode.toml").write_text('exchange_account_id = "binance-perp-001"\nposition_mode = "hedge"\n')
    planned = await asked.cli("terms", "plan", "mode.toml")
    assert re.search(r"!\s+binance-perp-001\s+position mode one_way → hedge\s+close BTC/USDT:USDT", planned.out), (
        planned.out
    )


async def test_the_body_of_the_guide_is_the_document_of_the_guide(
    asked: RunningUp, trader: httpx.AsyncClient, tmp_path: Path
) -> None:
    own = read_terms(tmp_path / "terms.toml").body
    assert {name: BODY[name] for name in ("exchange_account_id", "defaults")} == {
        name: own[name] for name in ("exchange_account_id", "defaults")
    }
    document = {name: value for name, value in BODY.items() if name != "fingerprint"}
    planned = (await trader.post("/oems/execution/terms/plan", json=document)).json()["data"]
    body = {**document, "fingerprint": planned["fingerprint"]}
    answer = await trader.post("/oems/execution/terms/apply", json=body)
    assert (answer.status_code, answer.headers["outcome"]) == (200, "applied"), answer.text
