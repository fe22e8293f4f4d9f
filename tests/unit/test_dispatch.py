"""From a command to its plan, and from what goes wrong to what is told of it."""

from decimal import Decimal

import pytest

from schemas import OPERATIONS, ErrorCode, Outcome
from schemas.requests import SetLeverage
from tests.support.memory_venue import ACCOUNT, BTC, MemoryVenue
from worker.accounts.account import Account, Accounts
from worker.execution.calls import Interrupted, VenueCalls
from worker.execution.dispatch import Dispatch
from worker.execution.failures import CommandFailure
from worker.execution.requests import Command
from worker.handlers import COMMAND_HANDLERS
from worker.runtime.clock import now
from worker.venues.port.adapter import Adapter
from worker.venues.port.errors import NotSent

HANDLER = COMMAND_HANDLERS["set_leverage"]
ACCOUNTS = Accounts((ACCOUNT,))


def to_10x(symbol: str = BTC.symbol) -> Command:
    request = SetLeverage(exchange_account_id=ACCOUNT.id, symbol=symbol, leverage=Decimal(10))
    return Command("c-1", OPERATIONS["set_leverage"], request, ACCOUNT, None, now(), now() + 5_000)


def without_markets(_: Account) -> Adapter:
    raise NotSent("the markets of binance are not loaded yet")


async def ended(dispatch: Dispatch, command: Command, interrupted: Interrupted | None) -> tuple[Outcome, ErrorCode]:
    refusal = await dispatch.change(command, HANDLER, VenueCalls(command.deadline, now, interrupted=interrupted))
    assert isinstance(refusal, CommandFailure)
    return refusal.outcome, refusal.envelope.error.code


@pytest.mark.parametrize(
    ("interrupted", "told"),
    [
        (None, (Outcome.EXPIRED, ErrorCode.VENUE_UNAVAILABLE)),
        (Interrupted(1, now()), (Outcome.UNKNOWN, ErrorCode.UNKNOWN)),
    ],
)
async def test_what_may_have_been_sent_is_in_doubt_while_there_are_no_markets(
    interrupted: Interrupted | None, told: tuple[Outcome, ErrorCode]
) -> None:
    assert await ended(Dispatch(without_markets, ACCOUNTS), to_10x(), interrupted) == told


@pytest.mark.parametrize(
    ("interrupted", "told"),
    [
        (None, (Outcome.REJECTED, ErrorCode.UNKNOWN_SYMBOL)),
        (Interrupted(1, now()), (Outcome.UNKNOWN, ErrorCode.UNKNOWN)),
    ],
)
async def test_what_may_have_been_sent_is_in_doubt_when_its_market_is_gone(
    interrupted: Interrupted | None, told: tuple[Outcome, ErrorCode]
) -> None:
    assert await ended(Dispatch(lambda _: MemoryVenue(), ACCOUNTS), to_10x("GONE/USDT:USDT"), interrupted) == told
