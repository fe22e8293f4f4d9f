"""What stands in the way of an OKX account's commands.

Sources: "Get account configuration" (acctLv, posMode, perm, ip), "REST Authentication", and the API FAQ: a key that may
trade or withdraw and is bound to no address is deleted after 14 days without use.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from worker.accounts.account import Account, PositionMode
from worker.venues.client.transport import Calls, ClockedCalls
from worker.venues.okx.answers import only_item
from worker.venues.okx.configuration import LONG_SHORT, PORTFOLIO_MARGIN
from worker.venues.parsing import fields as shape
from worker.venues.port.check_results import Check, CheckResult, not_checked, ok, problem, warning
from worker.venues.port.errors import Ambiguous, VenueError
from worker.venues.reading.preflight import (
    SEE_KEY,
    TimestampWindow,
    attempted,
    clock_finding,
    key_finding,
    position_mode_finding,
    withdrawal_warning,
)

CONFIG = "privateGetAccountConfig"

WINDOW = TimestampWindow(behind=30_000, ahead=30_000)
"""How far a request's timestamp may be from OKX's time, either way."""

SPOT = "1"

LEVELS: Mapping[str, str] = MappingProxyType(
    {SPOT: "spot", "2": "futures", "3": "multi-currency margin", PORTFOLIO_MARGIN: "portfolio margin"}
)
"""Account modes, by `acctLv`."""

MODES: Mapping[str, PositionMode] = MappingProxyType({"net_mode": "one_way", LONG_SHORT: "hedge"})
"""Position modes, by `posMode`."""


@dataclass(frozen=True, slots=True)
class Setup:
    """How account and key are set up. `level` is OKX's own; `bound`: the key is for listed addresses only."""

    level: str
    mode: PositionMode
    rights: frozenset[str]
    bound: bool


async def preflight(transport: ClockedCalls, account: Account) -> tuple[CheckResult, ...]:
    """Read the configuration and the clock, and judge them."""
    setup, skew = await asyncio.gather(attempted(read_setup(transport)), attempted(transport.skew(CONFIG)))
    return (*judged(setup, account.position_mode), clock_finding(skew, WINDOW))


async def read_setup(transport: Calls) -> Setup:
    """The configuration of account and key. Raises VenueError."""
    row = only_item(await transport.call(CONFIG), "the account configuration")
    mode, addresses = MODES.get(shape.text(row, "posMode")), row.get("ip")
    if mode is None or not isinstance(addresses, str):
        raise Ambiguous("the account configuration that OKX tells is unreadable", raw=row)
    return Setup(shape.text(row, "acctLv"), mode, frozenset(shape.text(row, "perm").split(",")), bool(addresses))


def judged(setup: Setup | VenueError, expected: PositionMode | None) -> tuple[CheckResult, ...]:
    """What the configuration means for the account, apart from the clock."""
    key = key_finding((setup,))
    if isinstance(setup, VenueError):
        others = (Check.ACCOUNT, Check.PERMISSIONS, Check.POSITION_MODE)
        return key, *(not_checked(check, SEE_KEY) for check in others)
    return key, _account(setup), *_permissions(setup), position_mode_finding({"": setup.mode}, expected)


def _account(setup: Setup) -> CheckResult:
    if setup.level not in LEVELS:
        says = f"OKX tells an account mode that is not known here (acctLv {setup.level})"
        return problem(Check.ACCOUNT, says, "see whether there is a newer version of this program")
    told = f"account in {LEVELS[setup.level]} mode"
    if setup.level == SPOT:
        return problem(Check.ACCOUNT, f"{told}, which trades no derivatives", "switch its account mode at OKX")
    if setup.level == PORTFOLIO_MARGIN:
        remedy = "switch its account mode if the leverage of cross positions is to be set"
        return warning(Check.ACCOUNT, f"{told}, where cross positions have no leverage", remedy)
    return ok(Check.ACCOUNT, told)


def _permissions(setup: Setup) -> list[CheckResult]:
    found = []
    if "trade" not in setup.rights:
        found.append(problem(Check.PERMISSIONS, "the key may not trade", "give it the permission Trade at OKX"))
    if "withdraw" in setup.rights:
        found.append(withdrawal_warning("Withdraw"))
    if not setup.bound and setup.rights & {"trade", "withdraw"}:
        says = "the key is bound to no address, so OKX deletes it after 14 days without use"
        found.append(warning(Check.PERMISSIONS, says, "bind it to this machine's address at OKX"))
    return found or [ok(Check.PERMISSIONS, "reads and trades, from listed addresses; no withdrawals")]
