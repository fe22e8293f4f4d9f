"""What stands in the way of an OKX account's commands, as far as OKX tells it.

Sources: "Get account configuration" (acctLv, posMode, perm, ip, kycLv; 2026-07-20), "REST Authentication", and "API key
creation": a key that may trade or withdraw and is bound to no address expires after 14 days without use, unless it is
one for demo trading. What a field does not say, or says in words that are not documented, is told as not told.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from schemas.requests import PositionMode
from worker.accounts.account import Account
from worker.accounts.networks import MAINNET
from worker.venues.client.transport import Calls, ClockedCalls
from worker.venues.okx import answers
from worker.venues.okx.answers import only_item
from worker.venues.okx.configuration import LONG_SHORT, PORTFOLIO_MARGIN
from worker.venues.parsing.fields import Row
from worker.venues.port.check_results import Check, CheckResult, not_checked, ok, problem, warning
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

CONFIG = "privateGetAccountConfig"

WINDOW = TimestampWindow(behind=30_000, ahead=30_000)
"""How far a request's timestamp may be from OKX's time, either way."""

SPOT = "1"

LEVELS: Mapping[str, str] = MappingProxyType(
    {SPOT: "spot", "2": "futures", "3": "multi-currency margin", PORTFOLIO_MARGIN: "portfolio margin"}
)
"""Account modes, by `acctLv`."""

MODES: Mapping[str, PositionMode] = MappingProxyType({"net_mode": PositionMode.ONE_WAY, LONG_SHORT: PositionMode.HEDGE})
"""Position modes, by `posMode`."""

RIGHTS = frozenset({"read_only", "trade", "withdraw"})
"""What `perm` may list."""

UNVERIFIED = "0"
"""What `kycLv` says of an owner whose identity OKX has not verified."""


@dataclass(frozen=True, slots=True)
class Setup:
    """How account and key are set up, in OKX's words; None is what it does not tell.

    `bound`: the key is for listed addresses only.
    """

    level: str | None
    mode: str | None
    rights: frozenset[str] | None
    bound: bool | None
    verification: str | None


async def preflight(transport: ClockedCalls, account: Account) -> tuple[CheckResult, ...]:
    """Read the configuration and the clock, and judge them."""
    setup, skew = await asyncio.gather(attempted(read_setup(transport)), attempted(transport.skew(CONFIG)))
    return (*judged(setup, account), clock_finding(skew, WINDOW))


async def read_setup(transport: Calls) -> Setup:
    """The configuration of account and key. Raises VenueError."""
    row = only_item(await transport.call(CONFIG), answers.CONFIG)
    rights, addresses = _told(row, "perm"), row.get("ip")
    return Setup(
        level=_told(row, "acctLv"),
        mode=_told(row, "posMode"),
        rights=frozenset(rights.replace(" ", "").split(",")) if rights else None,
        bound=bool(addresses) if isinstance(addresses, str) else None,
        verification=_told(row, "kycLv"),
    )


def _told(row: Row, name: str) -> str | None:
    value = row.get(name)
    return value if isinstance(value, str) and value else None


def judged(setup: Setup | VenueError, account: Account) -> tuple[CheckResult, ...]:
    """What the configuration means for the account, apart from the clock."""
    key = key_finding((setup,))
    if isinstance(setup, VenueError):
        others = (Check.ACCOUNT, Check.PERMISSIONS, Check.POSITION_MODE)
        return key, *(not_checked(check, SEE_KEY) for check in others)
    return key, *_account(setup), *_permissions(setup, account), _position_mode(setup, account)


def _account(setup: Setup) -> list[CheckResult]:
    found = [_level(setup.level)]
    if setup.verification == UNVERIFIED:
        says = "OKX has not verified the identity of the account's owner (kycLv 0), and may refuse what it asks for"
        found.append(warning(Check.ACCOUNT, says, "complete the identity verification at OKX"))
    return found


def _level(level: str | None) -> CheckResult:
    if level is None:
        return not_checked(Check.ACCOUNT, "OKX does not tell the account mode (acctLv)")
    if level not in LEVELS:
        says = f"OKX tells an account mode that is not known here (acctLv {level})"
        return problem(Check.ACCOUNT, says, "see whether there is a newer version of this program")
    told = f"account in {LEVELS[level]} mode"
    if level == SPOT:
        return problem(Check.ACCOUNT, f"{told}, which trades no derivatives", "switch its account mode at OKX")
    if level == PORTFOLIO_MARGIN:
        remedy = "switch its account mode if the leverage of cross positions is to be set"
        return warning(Check.ACCOUNT, f"{told}, where cross positions have no leverage", remedy)
    return ok(Check.ACCOUNT, told)


def _permissions(setup: Setup, account: Account) -> list[CheckResult]:
    if setup.rights is None:
        return [not_checked(Check.PERMISSIONS, "OKX does not tell what the key may do (perm)")]
    found = []
    if "trade" not in setup.rights:
        found.append(problem(Check.PERMISSIONS, "the key may not trade", "give it the permission Trade at OKX"))
    if "withdraw" in setup.rights:
        found.append(withdrawal_warning("Withdraw"))
    if unknown := setup.rights - RIGHTS:
        says = f"the key has rights that are not known here ({', '.join(sorted(unknown))})"
        found.append(warning(Check.PERMISSIONS, says, "see at OKX what they allow"))
    if setup.bound is False and account.network == MAINNET and setup.rights & {"trade", "withdraw"}:
        says = "the key is bound to no address, so OKX deletes it after 14 days without use"
        found.append(warning(Check.PERMISSIONS, says, "bind it to this machine's address at OKX"))
    return found or [ok(Check.PERMISSIONS, f"reads and trades, {_whence(setup)}; no withdrawals")]


def _whence(setup: Setup) -> str:
    if setup.bound is None:
        return "from which addresses OKX does not tell"
    return "from listed addresses" if setup.bound else "from any address"


def _position_mode(setup: Setup, account: Account) -> CheckResult:
    if (mode := MODES.get(setup.mode or "")) is None:
        told = f"tells a position mode that is not known here ({setup.mode})" if setup.mode else "does not tell it"
        return not_checked(Check.POSITION_MODE, f"OKX {told} (posMode)")
    return position_mode_finding({"": mode}, account.position_mode)
