"""What Gate meters: requests to each endpoint, of each user, or of each network address where it is public.

Source: APIv4 documentation, "Frequency limit rule": 200 requests in ten seconds for each endpoint of perpetuals and
deliveries and for each public one of the spot market, told by the headers X-Gate-RateLimit-*. The documents do not say
whether windows roll. All settle currencies share an endpoint here, as they share its path.
"""

from collections.abc import Mapping
from types import MappingProxyType

from schemas.base import Milliseconds
from worker.venues.gate.judge import label_of, retry_after
from worker.venues.limits.tables import Cost, Penalty, Per, Scope, UsageReading, VenueLimits
from worker.venues.port.response import VenueResponse

WINDOW: Milliseconds = 10_000
REQUESTS = 200
WALLET_REQUESTS = 150
"""Of endpoints about the account itself: ccxt's figure, for the documents count them with none of the above."""

SIGNED = (
    "privateFuturesGetSettlePositions",
    "privateFuturesGetSettlePositionsContract",
    "privateFuturesPostSettlePositionsContractLeverage",
    "privateFuturesGetSettleAccountBook",
    "privateFuturesGetSettleAccounts",
    "privateFuturesGetSettleGetLeverageContract",
    "privateFuturesPostSettlePositionsContractSetLeverage",
    "privateFuturesPostSettlePositionsCrossMode",
    "privateFuturesGetSettleDualCompPositionsContract",
    "privateFuturesPostSettleDualCompPositionsContractLeverage",
    "privateFuturesPostSettleDualCompPositionsCrossMode",
    "privateDeliveryGetSettlePositions",
    "privateDeliveryGetSettlePositionsContract",
    "privateDeliveryPostSettlePositionsContractLeverage",
    "privateDeliveryGetSettleAccountBook",
    "privateDeliveryGetSettleAccounts",
)
ACCOUNT = ("privateAccountGetDetail", "privateAccountGetMainKeys")
PUBLIC = ("publicSpotGetTime", "publicFuturesGetSettleContracts", "publicDeliveryGetSettleContracts")

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


LIMITS = VenueLimits(COSTS, penalty, reading)
