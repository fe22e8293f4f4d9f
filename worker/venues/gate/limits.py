"""What Gate meters: requests to each endpoint, of each user, or of each network address where it is public.

Source: APIv4 documentation v4.106.88, "Frequency limit rule", checked 2026-11-29: by user id (each sub-account is a
user) 200 requests in ten seconds for each endpoint of perpetuals and deliveries, and 150 for each that it does not
name; by address 200 for each public one; told by the headers X-Gate-RateLimit-*. The documents speak of windows, not
of when they begin, so any stretch is kept to. That all settle currencies share an endpoint, as they share its path, is
a guess.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from schemas.base import Milliseconds
from worker.venues.gate.errors import label_of, retry_after
from worker.venues.limits.tables import Cost, Penalty, Per, Scope, UsageReading, VenueLimits
from worker.venues.port.response import VenueResponse

WINDOW: Milliseconds = 10_000
REQUESTS = 200
WALLET_REQUESTS = 150
"""Of endpoints about the account itself, which are among the others."""

SIGNED = (
    "privateFuturesGetSettlePositions",
    "privateFuturesGetSettlePositionsContract",
    "privateFuturesGetSettleAccountBook",
    "privateFuturesGetSettleAccounts",
    "privateFuturesGetSettleGetLeverageContract",
    "privateFuturesPostSettlePositionsContractSetLeverage",
    "privateFuturesPostSettlePositionsCrossMode",
    "privateFuturesPostSettlePositionsContractMargin",
    "privateFuturesPostSettleDualCompPositionsContractMargin",
    "privateDeliveryPostSettlePositionsContractMargin",
    "privateFuturesGetSettleDualCompPositionsContract",
    "privateFuturesPostSettleDualCompPositionsContractLeverage",
    "privateFuturesPostSettleDualCompPositionsCrossMode",
    "privateFuturesPostSettleSetPositionMode",
    "privateFuturesGetSettleOrders",
    "privateDeliveryGetSettlePositions",
    "privateDeliveryGetSettlePositionsContract",
    "privateDeliveryPostSettlePositionsContractLeverage",
    "privateDeliveryGetSettleAccountBook",
    "privateDeliveryGetSettleAccounts",
)
ACCOUNT = ("privateAccountGetDetail", "privateAccountGetMainKeys", "privateUnifiedGetAccounts")
PUBLIC = (
    "publicSpotGetTime",
    "publicFuturesGetSettleContracts",
    "publicFuturesGetSettleContractsAll",
    "publicFuturesGetSettleContractsContract",
    "publicFuturesGetSettleRiskLimitTiers",
    "publicDeliveryGetSettleContracts",
    "publicDeliveryGetSettleContractsContract",
    "publicDeliveryGetSettleRiskLimitTiers",
)

COSTS: Mapping[str, Cost] = MappingProxyType(
    {
        name: Cost(((Scope(name, requests, WINDOW, per), 1),), changes="Post" in name)
        for requests, per, names in (
            (REQUESTS, Per.USER, SIGNED),
            (WALLET_REQUESTS, Per.USER, ACCOUNT),
            (REQUESTS, Per.ADDRESS, PUBLIC),
        )
        for name in names
    }
)

LIMIT, LEFT = "x-gate-ratelimit-limit", "x-gate-ratelimit-requests-remain"
TOO_MANY = 429
LABELS = frozenset({"TOO_MANY_REQUESTS", "TOO_FAST"})


def reading(answer: VenueResponse) -> UsageReading | None:
    """What is left of the endpoint's limit."""
    limit, left = answer.number(LIMIT), answer.number(LEFT)
    if limit is None:
        return None
    return UsageReading(used=None if left is None else limit - left, limit=limit)


def penalty(answer: VenueResponse) -> Penalty | None:
    """An endpoint is open again when the answer says so."""
    if answer.status == TOO_MANY or label_of(answer.body) in LABELS:
        return Penalty(retry_after(answer) or None)
    return None


def user_of(name: str, body: Any) -> str | None:
    """The user id, in each position (`user`) and in what is told of the user (`user_id`)."""
    row = body[0] if isinstance(body, list) and body else body
    if not isinstance(row, dict) or name not in {*SIGNED, *ACCOUNT}:
        return None
    told = row.get("user_id" if name in ACCOUNT else "user")
    return str(told) if told and isinstance(told, int) else None


LIMITS = VenueLimits(COSTS, penalty, reading, user_of=user_of)
