"""What OKX meters: requests to each endpoint, of each user (User ID), or of each network address where it is public.

Source: the endpoints' own pages (2026-07), which give requests in two seconds. No answer tells how much of a limit is
used. A user is a user id, whatever its keys: it is learnt when the account's configuration is read, and until then each
key counts by itself. The instruments are counted by instrument type too; here all types share the limit of one.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from worker.venues.limits.tables import Cost, Penalty, Per, Scope, VenueLimits
from worker.venues.okx.errors import WINDOW, refusal_of, retry_after
from worker.venues.port.response import VenueResponse

REQUESTS: Mapping[Per, Mapping[str, int]] = MappingProxyType(
    {
        Per.USER: {
            "privateGetAccountPositions": 10,
            "privateGetAccountBalance": 10,
            "privateGetAccountConfig": 5,
            "privateGetAccountLeverageInfo": 20,
            "privatePostAccountSetLeverage": 20,
            "privatePostAccountSetPositionMode": 5,
            "privateGetTradeOrdersPending": 60,
            "privatePostAccountPositionMarginBalance": 20,
            "privateGetAccountBills": 10,
            "privateGetAccountBillsArchive": 5,
        },
        Per.ADDRESS: {"publicGetPublicTime": 10, "publicGetPublicInstruments": 20, "publicGetPublicPositionTiers": 10},
    }
)
"""Requests in two seconds, by ccxt's name of the endpoint."""

COSTS: Mapping[str, Cost] = MappingProxyType(
    {
        name: Cost(((Scope(name, limit, WINDOW, per), 1),), changes=name.startswith("privatePost"))
        for per, limits in REQUESTS.items()
        for name, limit in limits.items()
    }
)

TOO_MANY = 429
CODES = frozenset({"50011", "50040", "50061"})
"""What OKX calls too many requests of a user, of operations, or of a sub-account."""


def penalty(answer: VenueResponse) -> Penalty | None:
    """An endpoint is open again after a window, unless the answer says otherwise."""
    refusal = refusal_of(answer.body)
    if answer.status == TOO_MANY or (refusal and refusal.code in CODES):
        return Penalty(retry_after(answer))
    return None


def user_of(name: str, body: Any) -> str | None:
    """The User ID of an account (Get account configuration, `uid`): each sub-account has its own."""
    found = body.get("data") if name == "privateGetAccountConfig" and isinstance(body, dict) else None
    return str(found[0].get("uid") or "") or None if found and isinstance(found[0], dict) else None


LIMITS = VenueLimits(COSTS, penalty, user_of=user_of)
