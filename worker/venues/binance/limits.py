"""What Binance meters: weight by network address, a count of its own in each family of endpoints.

Sources: the general-info pages of the USDⓈ-M, COIN-M and Portfolio Margin documentation (a minute of the clock, header
X-MBX-USED-WEIGHT-1M, 429 and then 418 with Retry-After, bans from two minutes on) and each endpoint's own page for its
weight. The limit of a minute is in the `rateLimits` of exchangeInfo; Portfolio Margin tells its 6,000 only there, for
it has no exchangeInfo. The message of a 429 names the limit too (Error Codes, -1003; in practice with the address in
it), and is believed: otherwise each new minute would begin with a crowd that runs into the same refusal. A 403 comes
from a firewall, for which nobody names a time.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

from schemas.base import Milliseconds
from worker.venues.binance.judge import code_of, message_of, retry_after
from worker.venues.limits.tables import Cost, Penalty, Per, Scope, UsageReading, VenueLimits
from worker.venues.port.response import VenueResponse

MINUTE: Milliseconds = 60_000
SHORTEST_BAN: Milliseconds = 120_000

FAPI = Scope("fapi weight", 2_400, MINUTE, Per.ADDRESS, on_the_clock=True)
DAPI = Scope("dapi weight", 2_400, MINUTE, Per.ADDRESS, on_the_clock=True)
PAPI = Scope("papi weight", 6_000, MINUTE, Per.ADDRESS, on_the_clock=True)
SAPI = Scope("sapi weight", 12_000, MINUTE, Per.ADDRESS, on_the_clock=True)
"""The wallet endpoints; of them only the rights of a key are asked for."""

COLLECTIONS = Scope("auto-collections", 500, 60 * MINUTE, Per.USER)
"""At most 500 in any hour (Fund Auto-collection)."""

WEIGHTS: Mapping[Scope, Mapping[str, int]] = MappingProxyType(
    {
        FAPI: {
            "fapiPublicGetTime": 1,
            "fapiPublicGetExchangeInfo": 1,
            "fapiPrivateGetLeverageBracket": 1,
            "fapiPrivateGetSymbolConfig": 5,
            "fapiPrivateV3GetPositionRisk": 5,
            "fapiPrivateGetIncome": 30,
            "fapiPrivateGetAccountConfig": 5,
        },
        DAPI: {
            "dapiPublicGetTime": 1,
            "dapiPublicGetExchangeInfo": 1,
            "dapiPrivateV2GetLeverageBracket": 2,
            "dapiPrivateGetPositionRisk": 1,
            "dapiPrivateGetIncome": 20,
            "dapiPrivateGetAccount": 5,
        },
        SAPI: {"sapiGetAccountApiRestrictions": 1},
        PAPI: {
            "papiGetUmLeverageBracket": 1,
            "papiGetCmLeverageBracket": 1,
            "papiGetUmSymbolConfig": 5,
            "papiGetUmPositionRisk": 5,
            "papiGetCmPositionRisk": 1,
            "papiGetUmIncome": 30,
            "papiGetCmIncome": 30,
            "papiGetBalance": 20,
            "papiGetAccount": 20,
            "papiGetUmAccount": 5,
            "papiGetUmAccountConfig": 5,
        },
    }
)
"""Weights by ccxt's name of the endpoint."""

LEVERAGES: Mapping[str, Scope] = MappingProxyType(
    {
        "fapiPrivatePostLeverage": FAPI,
        "dapiPrivatePostLeverage": DAPI,
        "papiPostUmLeverage": PAPI,
        "papiPostCmLeverage": PAPI,
    }
)
"""Changes that weigh 1 and whose answer states what is in force."""

COSTS: Mapping[str, Cost] = MappingProxyType(
    {name: Cost(((scope, weight),)) for scope, weights in WEIGHTS.items() for name, weight in weights.items()}
    | {name: Cost(((scope, 1),), changes=True) for name, scope in LEVERAGES.items()}
    | {
        "fapiPrivatePostMarginType": Cost(((FAPI, 1),), changes=True, confirmed_by=("fapiPrivateGetSymbolConfig",)),
        "dapiPrivatePostMarginType": Cost(((DAPI, 1),), changes=True, confirmed_by=("dapiPrivateGetPositionRisk",)),
        "papiPostAutoCollection": Cost(((PAPI, 750), (COLLECTIONS, 1)), heavy=True, changes=True),
        "papiPostAssetCollection": Cost(((PAPI, 30),), heavy=True, changes=True),
    }
)

USED = "x-mbx-used-weight-1m"
BANNED, TOO_MANY, TURNED_AWAY = 418, 429, 403
TOO_MUCH_WEIGHT = -1003
_LIMIT_OF_A_MINUTE = re.compile(r"current limit (?:of IP ?\([^)]*\) )?is (?P<limit>[0-9]+) requests per minute")


def reading(answer: VenueResponse) -> UsageReading:
    """The weight used in this minute by everybody behind our address, and the limit where it is told."""
    limit = _limit_refused_at(answer) or _limit_in(answer.body)
    return UsageReading(used=answer.number(USED), limit=limit, per=Per.ADDRESS)


def penalty(answer: VenueResponse) -> Penalty | None:
    """A ban reaches all families: they count apart, but the address is one."""
    if answer.status == BANNED:
        return Penalty(retry_after(answer) or SHORTEST_BAN, ban=True)
    if answer.status in (TOO_MANY, TURNED_AWAY) or code_of(answer.body) == TOO_MUCH_WEIGHT:
        return Penalty(retry_after(answer), Per.ADDRESS)
    return None


def _limit_refused_at(answer: VenueResponse) -> int | None:
    """The weight of a minute in the message of a refusal for too much of it."""
    if code_of(answer.body) != TOO_MUCH_WEIGHT:
        return None
    found = _LIMIT_OF_A_MINUTE.search(message_of(answer))
    return int(found["limit"]) if found else None


def _limit_in(body: object) -> int | None:
    """The weight of a minute in an answer of exchangeInfo."""
    rows = body.get("rateLimits") if isinstance(body, dict) else None
    wanted = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1}
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, dict) and wanted.items() <= row.items() and isinstance(row.get("limit"), int):
            return int(row["limit"])
    return None


LIMITS = VenueLimits(COSTS, penalty, reading, banned=(FAPI, DAPI, PAPI, SAPI))
