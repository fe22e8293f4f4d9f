"""Short commands for people: what is held, under which settings, and what became of a change."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.acceptance.conftest import RunningUp, Venue

BTC = ("binance-perp-001", "BTC/USDT:USDT")
ETH = ("binance-perp-001", "ETH/USDT:USDT")


async def test_positions_of_an_account_are_those_of_the_operation(running_up: RunningUp, venue: Venue) -> None:
    request = json.dumps({"exchange_account_id": "okx-hedge-001"})
    answer = json.loads((await running_up.cli("send", "get_positions", request, "--json")).out)
    assert json.loads((await running_up.cli("positions", "okx-hedge-001", "--json")).out) == answer["data"]["positions"]
    shown = await running_up.cli("positions", "okx-hedge-001")
    assert (shown.code, shown.out.splitlines()[-1]) == (0, f"{answer['data']['count']} open on okx-hedge-001")


async def test_what_cannot_be_read_is_named_and_the_rest_is_shown(running_up: RunningUp, venue: Venue) -> None:
    ended = await running_up.cli("positions", "--futures")
    assert ended.code == 1
    assert "missing: hyperliquid-perp-001: Hyperliquid has perpetuals only" in ended.err
    assert ended.out.splitlines()[-1].endswith(" accounts")


async def test_an_account_that_nobody_knows_has_no_positions_and_says_so(running_up: RunningUp, venue: Venue) -> None:
    for command in ("positions", "margin-health"):
        ended = await running_up.cli(command, "nobody")
        assert (ended.code, ended.out) == (1, "")
    assert "no account 'nobody' is registered" in ended.err


async def test_leverage_is_shown_then_changed_from_what_it_was(running_up: RunningUp, venue: Venue) -> None:
    assert "leverage:       10" in (await running_up.cli("leverage", *BTC)).out
    ended = await running_up.cli("leverage", *BTC, "15", "--id", "first")
    assert ended.out == (
        "BTC/USDT:USDT on binance-perp-001: leverage 10 \N{RIGHTWARDS ARROW} 15\n"
        "outcome applied, confirmed by echo; command first\n"
    )
    assert ended.code == 0
    assert json.loads((await running_up.cli("leverage", *BTC, "--json")).out)["leverage"] == 15


async def test_a_leverage_that_a_position_of_the_size_may_have_is_set(running_up: RunningUp, venue: Venue) -> None:
    ended = await running_up.cli("leverage", *BTC, "100", "--notional", "400000")
    assert (ended.code, "leverage 10 \N{RIGHTWARDS ARROW} 100" in ended.out) == (0, True)


async def test_programs_get_the_change_with_its_outcome(running_up: RunningUp, venue: Venue) -> None:
    told = json.loads((await running_up.cli("leverage", *BTC, "12", "--json")).out)
    assert (told["before"], told["after"], told["outcome"], told["confirmed_by"]) == (10, 12, "applied", "echo")


async def test_a_margin_mode_that_is_so_already_is_unchanged(running_up: RunningUp, venue: Venue) -> None:
    ended = await running_up.cli("margin-mode", *ETH, "cross")
    assert (ended.code, ended.out.splitlines()[0]) == (0, "ETH/USDT:USDT on binance-perp-001: margin mode stays cross")
    assert "outcome unchanged" in ended.out


async def test_a_switch_is_shown_with_what_was(running_up: RunningUp, venue: Venue) -> None:
    ended = await running_up.cli("margin-mode", *ETH, "isolated")
    assert (ended.code, "margin mode cross \N{RIGHTWARDS ARROW} isolated" in ended.out) == (0, True)


async def test_a_position_mode_is_shown_then_switched_from_what_it_was(running_up: RunningUp, venue: Venue) -> None:
    assert "binance-perp-001: one_way" in (await running_up.cli("position-mode", "binance-perp-001")).out
    eth = ("bybit-perp-001", "hedge", "--symbol", "ETH/USDT:USDT")
    ended = await running_up.cli("position-mode", *eth, "--id", "hedged")
    assert ended.out == (
        "ETH/USDT:USDT on bybit-perp-001: position mode one_way \N{RIGHTWARDS ARROW} hedge\n"
        "outcome applied, confirmed by read back; command hedged\n"
    )
    again = json.loads((await running_up.cli("position-mode", *eth, "--json")).out)
    assert (again["before"], again["after"], again["outcome"]) == ("hedge", "hedge", "unchanged")
    back = await running_up.cli("position-mode", "bybit-perp-001", "one_way", "--symbol", "ETH/USDT:USDT")
    assert back.code == 0


async def test_tiers_are_shown_with_their_currency_and_age(running_up: RunningUp, venue: Venue) -> None:
    ended = await running_up.cli("tiers", *BTC)
    assert ended.code == 0
    first = ended.out.splitlines()[1].split()
    assert first == ["BTC/USDT:USDT", "0", "300000", "USDT", "125x", "0.4", "%"]
    assert "1 markets of binance-perp-001, as the venue told them 20" in ended.out


@pytest.mark.parametrize(
    ("arguments", "code", "outcome"),
    [
        (("leverage", *BTC, "500"), 3, "rejected"),
        (("leverage", *BTC, "101", "--notional", "400000"), 3, "rejected"),
        (("margin-mode", *BTC, "isolated"), 4, "precondition_failed"),
        (("margin-mode", "hyperliquid-perp-001", "BTC/USDC:USDC", "isolated"), 5, "unsupported"),
        (("position-mode", "binance-perp-001", "hedge"), 4, "precondition_failed"),
        (("position-mode", "gate-perp-001", "hedge"), 3, "rejected"),
        (("position-mode", "hyperliquid-perp-001", "hedge"), 5, "unsupported"),
    ],
)
async def test_the_exit_code_tells_how_it_ended(
    running_up: RunningUp, venue: Venue, arguments: tuple[str, ...], code: int, outcome: str
) -> None:
    ended = await running_up.cli(*arguments)
    assert (ended.code, f"outcome {outcome};" in ended.out) == (code, True)


async def test_what_nobody_can_tell_is_a_question_mark(running_up: RunningUp, venue: Venue) -> None:
    await venue.misbehave(method="POST", path="/fapi/v1/leverage", fault="status", status=504, apply=True)
    await venue.misbehave(method="GET", fault="html", times=1_000)
    ended = await running_up.cli("leverage", *BTC, "11", "--timeout", "4")
    assert ended.code == 6, ended
    assert "leverage ? \N{RIGHTWARDS ARROW} ?" in ended.out
    assert "outcome unknown; command" in ended.out


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("leverage", *BTC, "ten"), "VALUE must be a number"),
        (("leverage", *BTC, "true"), "VALUE must be a number"),
        (("leverage", *BTC, "10", "--notional", "much"), "--notional must be a number"),
        (("margin-mode", *BTC, "both"), "MODE must be cross or isolated"),
        (("position-mode", "binance-perp-001", "net"), "MODE must be one_way or hedge"),
        (("leverage", "nobody", "BTC/USDT:USDT", "10"), "no account 'nobody' is registered"),
    ],
)
async def test_what_makes_no_command_is_refused_with_1(
    running_up: RunningUp, venue: Venue, arguments: tuple[str, ...], problem: str
) -> None:
    ended = await running_up.cli(*arguments)
    assert (ended.code, ended.out) == (1, "")
    assert problem in ended.err
    assert await venue.changes() == []


async def test_an_account_of_the_documented_id_can_be_registered_beside_up(
    running_up: RunningUp, tmp_path: Path
) -> None:
    registry = tmp_path / "accounts.toml"
    registry.write_text('[accounts.binance-perp-001]\nexchange = "binance"\napi_key = "env:KEY"\nsecret = "env:KEY"\n')
    environment = {**running_up.environment, "PERPS_DMA_ACCOUNTS": str(registry), "KEY": "something"}
    beside = replace(running_up, environment=environment)
    listed = {row["id"]: row["sandbox"] for row in json.loads((await beside.cli("accounts", "--json")).out)}
    assert (listed["binance-perp-001"], listed["okx-perp-001"]) == (False, True)
    assert f"binance-perp-001: as {registry} has it, and not the sandbox" in (await beside.cli("accounts")).out


async def test_watch_says_that_an_account_is_not_known_and_goes_on(running_up: RunningUp, venue: Venue) -> None:
    ended = await running_up.cli("watch", "--from", "first", "--account", "binance-perp-01", "--count", "1")
    assert (ended.code, len(ended.out.splitlines())) == (0, 1)
    assert "there is no account binance-perp-01 here, but binance-perp-001" in ended.err


async def test_watch_shows_the_types_and_outcomes_that_are_asked_for(running_up: RunningUp, venue: Venue) -> None:
    await running_up.cli("leverage", *BTC, "500")
    ended = await running_up.cli("watch", "--from", "first", "--outcome", "rejected", "--count", "1", "--json")
    event = json.loads(ended.out)
    assert (event["type"], event["data"]["outcome"]) == ("perps-dma.result.v1", "rejected")


async def test_margin_health_shows_the_pools_of_an_account(running_up: RunningUp, venue: Venue) -> None:
    shown = await running_up.cli("margin-health", "binance-pm-001")
    assert shown.code == 0
    assert "uniMMR 63.1275" in shown.out
    assert "0.016633" in shown.out
    assert shown.out.splitlines()[-1] == "1 pool of margin; ratio 1 is liquidation"
    (health,) = json.loads((await running_up.cli("margin-health", "binance-pm-001", "--json")).out)
    assert (health["pools"][0]["status"], health["worst_ratio"]) == ("NORMAL", 0.016633)


async def test_margin_health_of_all_accounts_names_each(running_up: RunningUp, venue: Venue) -> None:
    shown = await running_up.cli("margin-health")
    assert {name for name in ("okx-perp-001", "gate-perp-001", "bybit-hedge-001") if name in shown.out} == {
        "okx-perp-001",
        "gate-perp-001",
        "bybit-hedge-001",
    }


async def test_margin_is_added_with_what_it_was_and_is(running_up: RunningUp, venue: Venue) -> None:
    ended = await running_up.cli("add-margin", "binance-hedge-001", "ETH/USDT:USDT", "10", "--id", "moved")
    assert ended.out == (
        "ETH/USDT:USDT on binance-hedge-001, long: margin 650.0 \N{RIGHTWARDS ARROW} 660.0 USDT\n"
        "outcome applied, confirmed by echo; command moved\n"
    )
    assert ended.code == 0


async def test_margin_of_a_cross_position_is_refused_with_an_exit_code(running_up: RunningUp, venue: Venue) -> None:
    ended = await running_up.cli("remove-margin", *BTC, "1")
    assert (ended.code, "is in cross margin" in ended.out) == (4, True)
