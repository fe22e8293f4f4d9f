"""What stands in the way of a Bybit account's commands.

Sources: V5 "Get API Key Information" (any key may ask; an expiry is told of keys without bound addresses only), "Get
Account Info", "Get Position Info", and the guide on recv_window.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from schemas.base import Milliseconds
from worker.accounts.account import Account, PositionMode
from worker.venues.bybit.account import PORTFOLIO, AccountInfo, AccountReader
from worker.venues.bybit.listing import result_of
from worker.venues.bybit.terms import POSITIONS
from worker.venues.client.transport import Calls, ClockedCalls
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.check_results import Check, CheckResult, ok, problem, warning
from worker.venues.port.errors import Ambiguous, VenueError
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

REFERENCE = "BTCUSDT"
"""A market that everybody can trade: its rows tell the position mode while nothing is open."""

MODES: Mapping[object, PositionMode] = MappingProxyType({0: "one_way", 1: "hedge", 2: "hedge"})
"""The position mode by `positionIdx`."""


@dataclass(frozen=True, slots=True)
class BybitApiKey:
    """What the key may do. `until` is when it expires, if it does; `bound`: from listed addresses only."""

    read_only: bool
    changes_positions: bool
    withdrawals: bool
    bound: bool
    until: Milliseconds | None


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


async def read_key(transport: Calls) -> BybitApiKey:
    """What Bybit tells of the key. Raises VenueError."""
    row = result_of(await transport.call(QUERY_KEY), "query-api")
    rights = shape.mapping(row.get("permissions"), "the permissions of query-api")
    return BybitApiKey(
        read_only=bool(shape.decimal(row, "readOnly")),
        changes_positions="Position" in _rights(rights, "ContractTrade")
        or "DerivativesTrade" in _rights(rights, "Derivatives"),
        withdrawals="Withdraw" in _rights(rights, "Wallet"),
        bound=ANY_ADDRESS not in shape.texts(row, "ips"),
        until=_expiry(row),
    )


def _rights(rights: Row, group: str) -> tuple[str, ...]:
    """Those of a group; a group can be missing."""
    return shape.texts(rights, group) if rights.get(group) else ()


def _expiry(row: Row) -> Milliseconds | None:
    """`deadlineDay` counts the days that are left, where the key expires at all."""
    days = row.get("deadlineDay")
    if not isinstance(days, int) or days < 0 or not row.get("expiredAt"):
        return None
    try:
        return int(datetime.fromisoformat(shape.text(row, "expiredAt")).timestamp() * 1000)
    except ValueError:
        raise Ambiguous("the field expiredAt of the venue's answer is unreadable", raw=row) from None


async def read_modes(transport: Calls) -> dict[str, PositionMode]:
    """Position modes by symbol, of what is open and of the reference. Only perpetuals in USDT have any but one-way."""
    asked: tuple[dict[str, str], ...] = ({"symbol": REFERENCE}, {"settleCoin": "USDT"})
    lists = await asyncio.gather(*(POSITIONS.rows(transport, {"category": "linear", **more}) for more in asked))
    return {shape.text(row, "symbol"): _mode(row) for rows in lists for row in rows if _is_perpetual(row)}


def _is_perpetual(row: Row) -> bool:
    """Bybit writes the date of a delivery behind a dash, BTCUSDT-26DEC25."""
    return "-" not in shape.text(row, "symbol")


def _mode(row: Row) -> PositionMode:
    if (mode := MODES.get(row.get("positionIdx"))) is None:
        raise Ambiguous("the field positionIdx of the venue's answer is unreadable", raw=row)
    return mode


def _key(key: BybitApiKey | VenueError, others: tuple[object, ...], now: Milliseconds) -> CheckResult:
    if isinstance(key, BybitApiKey) and key.until is not None:
        return key_until(key.until, now, "make a new key; one that is bound to addresses does not expire")
    return key_finding((key, *others))


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
    found = []
    if key.read_only:
        found.append(problem(Check.PERMISSIONS, "the key may read only", "let it read and write at Bybit"))
    if not key.changes_positions:
        remedy = "give it positions of contracts (unified trading: Contract - Orders, Positions) at Bybit"
        found.append(problem(Check.PERMISSIONS, "the key may not change positions", remedy))
    if key.withdrawals:
        found.append(withdrawal_warning("Withdraw"))
    reach = "from listed addresses" if key.bound else "from any address"
    return found or [ok(Check.PERMISSIONS, f"reads and changes positions, {reach}; no withdrawals")]
