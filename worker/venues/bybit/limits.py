"""What Bybit meters: all requests of a network address, and those of each user to each endpoint.

Source: the V5 documentation's page "Rate Limit Rules" (600 requests in five seconds by address; who exceeds that is
turned away with 403 for ten minutes at least, at whatever host of Bybit's; by user in a rolling second, told by the
headers X-Bapi-Limit-*), as it was on 2026-07-29. A classic account has 10 of most, which its first answer tells. The
page no longer has a figure for switch-isolated, which had 10, and none for what was before an upgrade: for these, and
for switch-mode, order/realtime and symbol-info, which were not looked up there, stands what ccxt counts.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from schemas.base import Milliseconds
from worker.venues.bybit.errors import BAN, CODES, code_of, is_elsewhere, retry_after
from worker.venues.limits.tables import Cost, Penalty, Per, Scope, UsageReading, VenueLimits
from worker.venues.port.response import VenueResponse

SECOND: Milliseconds = 1_000

ADDRESS = Scope("requests by address", 600, 5 * SECOND, Per.ADDRESS)

BY_USER: Mapping[str, int] = MappingProxyType(
    {
        "privateGetV5AccountInfo": 50,
        "privateGetV5AccountWalletBalance": 50,
        "privatePostV5AccountSetMarginMode": 5,
        "privateGetV5AccountTransactionLog": 25,
        "privateGetV5PositionList": 50,
        "privateGetV5PositionSymbolInfo": 10,
        "privatePostV5PositionSetLeverage": 10,
        "privatePostV5PositionSwitchIsolated": 10,
        "privatePostV5PositionSwitchMode": 10,
        "privateGetV5OrderRealtime": 10,
        "privatePostV5PositionAddMargin": 10,
        "privateGetV5PositionClosedPnl": 50,
        "privateGetV5ExecutionList": 50,
        "privateGetV5UserQueryApi": 10,
        "privateGetV5PreUpgradeExecutionList": 10,
        "privateGetV5PreUpgradePositionClosedPnl": 10,
    }
)
"""Requests of one user in a second, by ccxt's name of the endpoint."""

PUBLIC = ("publicGetV5MarketTime", "publicGetV5MarketInstrumentsInfo", "publicGetV5MarketRiskLimit")

READ_BACK = ("privateGetV5PositionList", "privateGetV5AccountInfo")
"""What is read after a change, whose answer states nothing."""


def _cost(name: str, limit: int) -> Cost:
    weights = ((ADDRESS, 1), (Scope(name, limit, SECOND, Per.USER), 1))
    return Cost(weights, changes=True, confirmed_by=READ_BACK) if name.startswith("privatePost") else Cost(weights)


COSTS: Mapping[str, Cost] = MappingProxyType(
    {name: _cost(name, limit) for name, limit in BY_USER.items()} | dict.fromkeys(PUBLIC, Cost(((ADDRESS, 1),)))
)

LIMIT, LEFT = "x-bapi-limit", "x-bapi-limit-status"
TURNED_AWAY = 403
TOO_MANY_OF_ADDRESS = 10018
TOO_MANY_OF_USER = frozenset({10006, 10429, 429})
"""Codes; the last one comes as an HTTP status too."""


def reading(answer: VenueResponse) -> UsageReading | None:
    """What is left of the endpoint's limit for this user."""
    limit, left = answer.number(LIMIT), answer.number(LEFT)
    if limit is None:
        return None
    return UsageReading(used=None if left is None else limit - left, limit=limit, per=Per.USER)


def penalty(answer: VenueResponse) -> Penalty | None:
    """A user's limit is open again when the answer says so, an address only after its ban."""
    code = code_of(answer.body)
    if answer.status == TURNED_AWAY and code not in CODES and not is_elsewhere(answer):
        return Penalty(BAN, ban=True)
    if code == TOO_MANY_OF_ADDRESS:
        return Penalty(None, Per.ADDRESS)
    if code in TOO_MANY_OF_USER or answer.status in TOO_MANY_OF_USER:
        return Penalty(retry_after(answer) or None, Per.USER)
    return None


def user_of(name: str, body: Any) -> str | None:
    """The UID of a key, by which Bybit counts (Get API Key Information, `userID`): each sub-account has its own."""
    result = body.get("result") if name == "privateGetV5UserQueryApi" and isinstance(body, dict) else None
    told = result.get("userID") if isinstance(result, dict) else None
    return str(told) if told and isinstance(told, int | str) else None


LIMITS = VenueLimits(COSTS, penalty, reading, banned=(ADDRESS,), user_of=user_of)
