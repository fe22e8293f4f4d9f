"""From the bytes of a delivery to a command, or to the reason why not."""

import hashlib
import json
from decimal import Decimal

import pytest

from tests.support.memory_venue import ACCOUNT, BTC
from worker.accounts.account import Accounts
from worker.execution.requests import LONGEST_DEADLINE_MS, Command, RequestParser, RequestRejected, entry_of
from worker.messages.wire import LONGEST_ACTOR, Delivery, encode

NOW = 1_000_000_000_000
BODY = {"exchange_account_id": ACCOUNT.id, "symbol": BTC.symbol, "leverage": 10}
PARSER = RequestParser(Accounts((ACCOUNT,)), 10_000)


def delivery(**more: object) -> Delivery:
    return Delivery("set_leverage", json.dumps({**BODY, **more}).encode(), message_id="c-1")


def received(message: Delivery) -> Command:
    command = PARSER.parse(message, NOW)
    assert isinstance(command, Command)
    return command


def test_numbers_are_compared_by_value_and_requests_by_meaning() -> None:
    variants: tuple[dict[str, object], ...] = ({}, {"leverage": 10.0}, {"market_type": "swap"})
    same = [received(delivery(**more)) for more in variants]
    assert len({entry_of(command).fingerprint for command in same}) == 1
    others: tuple[dict[str, object], ...] = (
        {},
        {"leverage": 10.5},
        {"symbol": "ETH/USDT:USDT"},
        {"market_type": "future"},
    )
    assert len({entry_of(received(delivery(**more))).fingerprint for more in others}) == 4


def test_a_field_that_is_not_given_leaves_the_fingerprint_that_older_workers_made() -> None:
    told = {"exchange_account_id": ACCOUNT.id, "symbol": BODY["symbol"], "market_type": "swap", "leverage": Decimal(10)}
    older = hashlib.sha256(encode(["set_leverage", told | {"leverage": Decimal(10).normalize()}])).hexdigest()
    assert entry_of(received(delivery())).fingerprint == older
    assert entry_of(received(delivery(notional=5))).fingerprint != older


def test_the_same_body_for_another_operation_is_another_request() -> None:
    body = json.dumps({"exchange_account_id": ACCOUNT.id}).encode()
    commands = [received(Delivery(name, body)) for name in ("pm_auto_collect", "get_positions")]
    assert len({entry_of(command).fingerprint for command in commands}) == 2


@pytest.mark.parametrize(
    ("told", "deadline"),
    [
        (None, NOW + 10_000),
        (NOW + 5, NOW + 5),
        (NOW - 5, NOW - 5),
        (-(2**63), 0),
        (2**63 - 1, NOW + LONGEST_DEADLINE_MS),
    ],
)
def test_a_deadline_is_kept_within_reason(told: int | None, deadline: int) -> None:
    message = Delivery("set_leverage", json.dumps(BODY).encode(), deadline=told)
    assert received(message).deadline == deadline


def test_an_actor_is_text_that_any_ledger_takes() -> None:
    message = Delivery("set_leverage", json.dumps(BODY).encode(), actor="a\0nn" + "x" * 1_000)
    assert received(message).actor == ("ann" + "x" * 1_000)[:LONGEST_ACTOR]


@pytest.mark.parametrize("message_id", ["", "two words", "tab\t", "n\0ul", "ü", "x" * 129])
def test_an_id_that_can_be_none_is_refused(message_id: str) -> None:
    with pytest.raises(RequestRejected, match="message_id must be 1 to 128 visible ASCII characters"):
        received(Delivery("set_leverage", json.dumps(BODY).encode(), message_id=message_id))
