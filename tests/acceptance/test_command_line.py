"""The command line, as a person and as a script use it."""

import json

from tests.acceptance.conftest import RunningUp, Venue
from tests.support.strategy import Strategy

TO_10X = '{"exchange_account_id": "binance-perp-001", "symbol": "BTC/USDT:USDT", "leverage": 10}'


async def test_the_tour_finds_everything_as_documented_and_changes_nothing_of_others(
    running_up: RunningUp, venue: Venue
) -> None:
    await running_up.cli("send", "set_leverage", TO_10X.replace("10}", "13}"))
    mine = ("--account", "binance-perp-001")
    await running_up.cli("freeze", *mine, "--reason", "margin call")
    try:
        ended = await running_up.cli("tour")
        assert ended.code == 0, ended.out + ended.err
        assert ended.out.splitlines()[-1] == "all as documented"
        frozen = json.loads((await running_up.cli("freezes", "--json")).out)
        assert [(row["scope"], row["reason"]) for row in frozen] == [("account:binance-perp-001", "margin call")]
    finally:
        await running_up.cli("unfreeze", *mine)
    read = await running_up.cli("send", "get_leverage", TO_10X.replace(', "leverage": 10', ""), "--json")
    assert json.loads(read.out)["data"]["leverage"] == 13


async def test_the_tour_does_not_begin_while_a_venue_is_frozen(running_up: RunningUp, venue: Venue) -> None:
    await running_up.cli("freeze", "--exchange", "binance", "--reason", "key leaked")
    try:
        ended = await running_up.cli("tour")
        assert (ended.code, ended.out) == (1, "")
        assert "frozen: exchange:binance" in ended.err
        frozen = json.loads((await running_up.cli("freezes", "--json")).out)
        assert [row["reason"] for row in frozen] == ["key leaked"]
    finally:
        await running_up.cli("unfreeze", "--exchange", "binance")
    assert await venue.changes() == []


async def test_send_prints_the_envelope_for_programs(running_up: RunningUp, venue: Venue) -> None:
    ended = await running_up.cli("send", "set_leverage", TO_10X, "--json")
    assert json.loads(ended.out)["data"]["leverage"] == 10


async def test_send_of_a_bad_request_says_what_is_wrong_and_fails(running_up: RunningUp, venue: Venue) -> None:
    ended = await running_up.cli("send", "set_leverage", "{}")
    assert ended.code == 1
    assert "leverage is required" in ended.out
    ended = await running_up.cli("send", "set_leverige", "{}")
    assert ended.code == 1
    assert "there are set_leverage" in ended.err


async def test_watch_replays_the_past_as_often_as_asked(running_up: RunningUp, strategy: Strategy) -> None:
    command_id = await strategy.publish("set_leverage", json.loads(TO_10X))
    await strategy.event("positions", command_id)
    once, again = [await running_up.cli("watch", "--from", "first", "--count", "2", "--json") for _ in range(2)]
    events = [json.loads(line) for line in once.out.splitlines()]
    assert len({event["id"] for event in events}) == 2
    assert {event["specversion"] for event in events} == {"1.0"}
    assert once.out == again.out


async def test_watch_shows_people_one_line_an_event(running_up: RunningUp, strategy: Strategy) -> None:
    command_id = await strategy.publish("set_leverage", json.loads(TO_10X))
    await strategy.event("positions", command_id)
    # The first ones tell of the ledger's epoch and that the account's venue is up; the account's own follow.
    ended = await running_up.cli("watch", "--from", "10m", "--account", "binance-perp-001", "--count", "4")
    assert len(lines := ended.out.splitlines()) == 4
    assert sum("binance-perp-001" in line for line in lines) >= 2


async def test_watch_says_what_from_takes(running_up: RunningUp) -> None:
    ended = await running_up.cli("watch", "--from", "yesterday")
    assert ended.code == 1
    assert "first, last, next" in ended.err


async def test_accounts_lists_what_each_can_do(running_up: RunningUp) -> None:
    rows = {row["id"]: row for row in json.loads((await running_up.cli("accounts", "--json")).out)}
    assert "margin_mode" in rows["binance-perp-001"]["capabilities"]
    assert "margin_mode" not in rows["binance-pm-001"]["capabilities"]
    assert "portfolio_margin" in rows["binance-pm-001"]["capabilities"]
    keys = json.loads((running_up.state / "sandbox.json").read_text())["accounts"]
    listed = (await running_up.cli("accounts")).out
    for key in keys:
        assert key["id"] in listed
        assert key["secret"] not in listed


async def test_schemas_prints_the_documents(running_up: RunningUp) -> None:
    assert "openapi.yaml" in (await running_up.cli("schemas")).out
    assert (await running_up.cli("schemas", "asyncapi.yaml")).out.startswith("asyncapi: 3.0.0")


async def test_without_a_running_up_the_message_says_how_to_start_one(running_up: RunningUp) -> None:
    elsewhere = RunningUp(
        running_up.state,
        running_up.http,
        running_up.amqp,
        running_up.control_urls,
        {**running_up.environment, "PERPS_DMA_STATE": str(running_up.state / "nowhere")},
    )
    for command in (("send", "set_leverage", TO_10X), ("watch",), ("tour",)):
        ended = await elsewhere.cli(*command)
        assert ended.code == 1
        assert "make up" in ended.err
