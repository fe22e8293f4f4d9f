"""What stands in the way of a Bybit account's commands.

Sources: V5 "Get API Key Information" (read as of 2026-01-16; any key may ask; an expiry is told of keys without bound
addresses and after a change of the password only), "Get Account Info", "Get Position Info", and the guide on
recv_window. What a field does not say, or says otherwise than documented, is told as not told.
"""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from schemas.base import Milliseconds
from worker.accounts.account import Account
from worker.venues.bybit.account import PORTFOLIO, AccountInfo, AccountReader
from worker.venues.bybit.listing import result_of
from worker.venues.bybit.terms.position_mode import read_modes
from worker.venues.client.transport import ClockedCalls
from worker.venues.parsing.fields import Row
from worker.venues.port.check_results import Check, CheckResult, not_told, ok, problem, warning
from worker.venues.port.errors import VenueError
from worker.venues.reading.history import DAY
from worker.venues.reading.preflight import (
    TimestampWindow,
    attempted,
    clock_finding,
    key_finding,
    key_until,
    position_mode_finding,
    unread,
    untold,
    withdrawal_warning,
)

QUERY_KEY = "privateGetV5UserQueryApi"

WINDOW = TimestampWindow(behind=5_000, ahead=1_000)
"""The recv_window that ccxt sends, and what Bybit tolerates the other way."""

ANY_ADDRESS = "*"

READ_ONLY: Mapping[object, bool] = MappingProxyType({0: False, 1: True})
"""What `readOnly` says."""

TYPES: Mapping[int, str] = MappingProxyType(
    {
        1: "classic account",
        3: "unified account 1.0",
        4: "unified account 1.0 Pro",
        5: "unified account 2.0",
        6: "unified account 2.0 Pro",
    }
)
"""What `unifiedMarginStatus` says."""

TAKE_MONEY_AWAY: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Wallet": ("Withdraw",),
        "FiatP2P": ("FiatP2POrder",),
        "FiatBybitPay": ("FaitPayOrder",),
        "FiatBitPay": ("FaitPayOrder",),
    }
)
"""Rights that let a key move money out of Bybit, by group. Fait is Bybit's spelling, and the SDK's of the group."""

CHANGE_POSITIONS: Mapping[str, str] = MappingProxyType({"ContractTrade": "Position", "Derivatives": "DerivativesTrade"})
"""Rights of which a key needs one to set leverage and margin mode, by group."""


@dataclass(frozen=True, slots=True)
class BybitApiKey:
    """What the key may do, as far as Bybit tells; None and `untold` name what it does not.

    `takes_away` are its rights to move money out, `bound`: from listed addresses only. `until` is when it expires.
    """

    read_only: bool | None
    changes_positions: bool | None
    takes_away: tuple[str, ...]
    bound: bool | None
    until: Milliseconds | None
    untold: tuple[str, ...] = ()


async def preflight(transport: ClockedCalls, account: Account) -> tuple[CheckResult, ...]:
    """Read the key, the account, its positions and the clock, and judge them."""
    key, info, modes, skew = await asyncio.gather(
        attempted(read_key(transport)),
        attempted(AccountReader(transport).now()),
        attempted(read_modes(transport)),
        attempted(transport.skew(QUERY_KEY)),
    )
    accepted = _key(key, (info, modes), transport.now())
    return (
        accepted,
        _account(info, accepted),
        *_permissions(key, accepted),
        unread(Check.POSITION_MODE, modes, accepted)
        if isinstance(modes, VenueError)
        else position_mode_finding(modes, account.position_mode),
        clock_finding(skew, WINDOW),
    )


async def read_key(transport: ClockedCalls) -> BybitApiKey:
    """What Bybit tells of the key. Raises VenueError."""
    row = result_of(await transport.call(QUERY_KEY), "query-api")
    rights = {
        group: told for group in (*CHANGE_POSITIONS, *TAKE_MONEY_AWAY) if (told := _rights(row, group)) is not None
    }
    addresses = _texts(row.get("ips"))
    return BybitApiKey(
        read_only=READ_ONLY.get(row.get("readOnly")),
        changes_positions=_changes_positions(rights),
        takes_away=tuple(
            right for group, told in rights.items() for right in TAKE_MONEY_AWAY.get(group, ()) if right in told
        ),
        bound=ANY_ADDRESS not in addresses if addresses else None,
        until=_expiry(row, transport.now()),
        untold=() if "Wallet" in rights else ("permissions.Wallet",),
    )


def _rights(row: Row, group: str) -> tuple[str, ...] | None:
    """Those of a group; None where Bybit does not tell the group."""
    permissions = row.get("permissions")
    return _texts(permissions.get(group)) if isinstance(permissions, dict) else None


def _texts(value: object) -> tuple[str, ...] | None:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    return None


def _changes_positions(rights: Mapping[str, tuple[str, ...]]) -> bool | None:
    if any(right in rights.get(group, ()) for group, right in CHANGE_POSITIONS.items()):
        return True
    return False if CHANGE_POSITIONS.keys() <= rights.keys() else None


def _expiry(row: Row, now: Milliseconds) -> Milliseconds | None:
    """`deadlineDay` counts the days that are left, where the key expires at all; `expiredAt` is the day itself."""
    days = row.get("deadlineDay")
    if not isinstance(days, int) or days < 0:
        return None
    try:
        return int(datetime.fromisoformat(str(row.get("expiredAt"))).timestamp() * 1000)
    except ValueError:
        return now + days * DAY


def _key(key: BybitApiKey | VenueError, others: tuple[object, ...], now: Milliseconds) -> CheckResult:
    if isinstance(key, VenueError):
        return key_finding((key, *others))
    if key.until is not None:
        return key_until(key.until, now, "make a new key; one that is bound to addresses does not expire")
    if key.bound:
        return ok(Check.KEY, "accepted; bound to addresses, so that only a change of the password lets it expire")
    return not_told(Check.KEY, "accepted; Bybit does not tell when it expires (deadlineDay, expiredAt)")


def _account(info: AccountInfo | VenueError, key: CheckResult) -> CheckResult:
    if isinstance(info, VenueError):
        return unread(Check.ACCOUNT, info, key)
    kind = TYPES.get(info.status)
    if kind is None:
        says = f"Bybit tells a type of account that is not known here (unifiedMarginStatus {info.status})"
        return problem(Check.ACCOUNT, says, "see whether there is a newer version of this program")
    if info.raw["marginMode"] == PORTFOLIO:
        remedy = "switch the account to cross margin if its leverage is to be set"
        return warning(Check.ACCOUNT, f"{kind} in portfolio margin, which has no leverage", remedy)
    scope = "" if info.status == 1 else f", in {info.margin_mode} margin as a whole"
    return ok(Check.ACCOUNT, f"{kind}{scope}")


def _permissions(key: BybitApiKey | VenueError, accepted: CheckResult) -> list[CheckResult]:
    if isinstance(key, VenueError):
        return [untold(Check.PERMISSIONS, key, accepted)]
    found = list(_hindrances(key))
    if key.takes_away:
        found.append(withdrawal_warning(", ".join(key.takes_away)))
    if missing := _untold(key):
        found.append(not_told(Check.PERMISSIONS, f"Bybit does not tell {missing}"))
    return found or [ok(Check.PERMISSIONS, f"reads and changes positions{_reach(key)}; no right to take money away")]


def _hindrances(key: BybitApiKey) -> Iterator[CheckResult]:
    if key.read_only:
        yield problem(Check.PERMISSIONS, "the key may read only", "let it read and write at Bybit")
    if key.changes_positions is False:
        remedy = "give it positions of contracts (unified trading: Contract - Orders, Positions) at Bybit"
        yield problem(Check.PERMISSIONS, "the key may not change positions", remedy)


def _untold(key: BybitApiKey) -> str:
    """What the documents say is told of a key, and is not."""
    missing = [
        *(["whether the key may do more than read (readOnly)"] if key.read_only is None else []),
        *(["whether it may change positions (permissions)"] if key.changes_positions is None else []),
        *(["whether it may withdraw (permissions.Wallet)"] if key.untold else []),
    ]
    return " and ".join(missing)


def _reach(key: BybitApiKey) -> str:
    if key.bound is None:
        return ", from which addresses is not told (ips)"
    return ", from listed addresses" if key.bound else ", from any address"
