"""What stands in the way of a Newvenue account's commands: `perps-dma accounts check` tells it.

Read: the page of the endpoint that tells a key's rights, and of the account's configuration. Find out, without changing
anything, what would make a command fail: rights, expiry, addresses, account mode, position mode. What no field says is
told as not told. Each of `ACCOUNT_CHECKS` has at least one finding.
"""

import asyncio
from collections.abc import Mapping
from types import MappingProxyType

from schemas.requests import PositionMode
from worker.accounts.account import Account
from worker.venues.client.transport import ClockedCalls
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.check_results import Check, CheckResult, not_checked, not_told, ok, problem
from worker.venues.port.errors import VenueError
from worker.venues.reading.preflight import (
    SEE_KEY,
    TimestampWindow,
    attempted,
    clock_finding,
    key_finding,
    position_mode_finding,
    withdrawal_warning,
)

KEY = "privateGetKey"

WINDOW = TimestampWindow(behind=5_000, ahead=5_000)
"""How far a request's time may be from the venue's, either way."""

MODES: Mapping[str, PositionMode] = MappingProxyType({"net": PositionMode.ONE_WAY, "hedge": PositionMode.HEDGE})
"""Position modes, by `position_mode`."""


async def preflight(transport: ClockedCalls, account: Account) -> tuple[CheckResult, ...]:
    """Read key and clock, and judge them."""
    key, skew = await asyncio.gather(attempted(_read(transport)), attempted(transport.skew(KEY)))
    found = key_finding((key,))
    if isinstance(key, VenueError):
        others = (not_checked(check, SEE_KEY) for check in (Check.ACCOUNT, Check.PERMISSIONS, Check.POSITION_MODE))
        return found, *others, clock_finding(skew, WINDOW)
    account_told = not_told(Check.ACCOUNT, "Newvenue has accounts of one type only")
    return found, account_told, *_rights(key), _mode(key, account), clock_finding(skew, WINDOW)


async def _read(transport: ClockedCalls) -> Row:
    return shape.mapping(await transport.call(KEY), "GET /v1/key")


def _rights(key: Row) -> list[CheckResult]:
    try:
        rights = shape.texts(key, "permissions")
    except VenueError as error:
        return [not_checked(Check.PERMISSIONS, error.message)]
    found = []
    if "trade" not in rights:
        found.append(problem(Check.PERMISSIONS, "the key may not trade", "give it the right to trade at Newvenue"))
    if "withdraw" in rights:
        found.append(withdrawal_warning("withdraw"))
    return found or [ok(Check.PERMISSIONS, "reads and trades; no withdrawals")]


def _mode(key: Row, account: Account) -> CheckResult:
    if (mode := MODES.get(str(key.get("position_mode")))) is None:
        return not_checked(Check.POSITION_MODE, "Newvenue tells a position mode that is not known here")
    return position_mode_finding({"": mode}, account.position_mode)
