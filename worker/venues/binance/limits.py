"""What Binance meters: weight by network address. USDⓈ-M and COIN-M count together, other families by themselves.

Sources: the general-info pages of the USDⓈ-M, COIN-M and Portfolio Margin documentation (a minute of the clock, header
X-MBX-USED-WEIGHT-1M, 429 and then 418 with Retry-After, bans from two minutes on), each endpoint's own page for its
weight (read 2026-11-29 in the official clients 18.1, 14.1 and 16.1), and the notice on the integration of COIN-M and
USDⓈ-M, A.3: one count of 2,400 for both since 2026-06-30.

The limit of a minute is in the `rateLimits` of exchangeInfo; Portfolio Margin, which has none, tells its 6,000 on its
general-info page alone. The message of a 429 names the limit too (Error Codes, -1003; in practice with the address in
it), and is believed: otherwise each new minute would begin with a crowd that runs into the same refusal. A 403 comes
from a firewall, for which nobody names a time.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from schemas.base import Milliseconds
from worker.venues.binance.errors import message_of, retry_after
from worker.venues.limits.tables import Cost, Penalty, Per, Scope, UsageReading, VenueLimits
from worker.venues.port.response import VenueResponse

MINUTE: Milliseconds = 60_000
SHORTEST_BAN: Milliseconds = 120_000

FUTURES = Scope("futures weight", 2_400, MINUTE, Per.ADDRESS, on_the_clock=True)
"""fapi and dapi together."""

PAPI = Scope("papi weight", 6_000, MINUTE, Per.ADDRESS, on_the_clock=True)
SAPI = Scope("sapi weight", 12_000, MINUTE, Per.ADDRESS, on_the_clock=True)
"""The wallet endpoints; of them only the rights of a key are asked for."""

COLLECTIONS = Scope("auto-collections", 500, 60 * MINUTE, Per.USER)
"""At most 500 in any hour (Fund Auto-collection)."""

WEIGHTS: Mapping[Scope, Mapping[str, int]] = MappingProxyType(
    {
        FUTURES: {
            "fapiPublicGetTime": 1,
            "fapiPublicGetExchangeInfo": 1,
            "fapiPrivateGetLeverageBracket": 1,
            "fapiPrivateGetSymbolConfig": 5,
            "fapiPrivateV3GetPositionRisk": 5,
            "fapiPrivateGetPositionSideDual": 30,
            "fapiPrivateGetOpenOrders": 40,
            "fapiPrivateV3GetAccount": 5,
            "fapiPrivateGetIncome": 30,
            "fapiPrivateGetPositionMarginHistory": 1,
            "dapiPrivateGetPositionMarginHistory": 1,
            "fapiPrivateGetAccountConfig": 5,
            "dapiPublicGetTime": 1,
            "dapiPublicGetExchangeInfo": 1,
            "dapiPrivateV2GetLeverageBracket": 2,
            "dapiPrivateV2GetLeverageBracket of a symbol": 1,
            "dapiPrivateGetPositionRisk": 1,
            "dapiPrivateGetOpenOrders": 40,
            "dapiPrivateGetIncome": 20,
            "dapiPrivateGetAccount": 5,
            "fapiPrivatePostListenKey": 1,
            "fapiPrivatePutListenKey": 1,
            "dapiPrivatePostListenKey": 1,
            "dapiPrivatePutListenKey": 1,
        },
        SAPI: {"sapiGetAccountApiRestrictions": 1},
        PAPI: {
            "papiGetUmLeverageBracket": 1,
            "papiGetCmLeverageBracket": 1,
            "papiGetUmSymbolConfig": 5,
            "papiGetUmPositionRisk": 5,
            "papiGetCmPositionRisk": 1,
            "papiGetUmPositionSideDual": 30,
            "papiGetUmOpenOrders": 40,
            "papiGetUmIncome": 30,
            "papiGetCmPositionSideDual": 30,
            "papiGetCmOpenOrders": 40,
            "papiGetCmIncome": 30,
            "papiGetBalance": 20,
            "papiGetAccount": 20,
            "papiGetUmAccount": 5,
            "papiGetCmAccount": 5,
            "papiGetUmAccountConfig": 5,
            "papiPostListenKey": 1,
            "papiPutListenKey": 1,
        },
    }
)
"""Weights by ccxt's name of the endpoint. A listen key changes nothing of the account that it lets us listen to."""

POSITION_MODES: Mapping[str, Scope] = MappingProxyType({"fapiPrivate{}": FUTURES, "papi{}Um": PAPI, "papi{}Cm": PAPI})
"""Where a position mode is kept, by the names of its endpoints without their ending; `{}` is for the method."""

LEVERAGES: Mapping[str, Scope] = MappingProxyType(
    {
        "fapiPrivatePostLeverage": FUTURES,
        "dapiPrivatePostLeverage": FUTURES,
        "papiPostUmLeverage": PAPI,
        "papiPostCmLeverage": PAPI,
    }
)
"""Changes that weigh 1 and whose answer states what is in force."""

COSTS: Mapping[str, Cost] = MappingProxyType(
    {name: Cost(((scope, weight),)) for scope, weights in WEIGHTS.items() for name, weight in weights.items()}
    | {name: Cost(((scope, 1),), changes=True) for name, scope in LEVERAGES.items()}
    | {
        f"{name.format('Post')}PositionSideDual": Cost(
            ((scope, 1),), changes=True, confirmed_by=(f"{name.format('Get')}PositionSideDual",)
        )
        for name, scope in POSITION_MODES.items()
    }
    | {
        "fapiPrivatePostMarginType": Cost(((FUTURES, 1),), changes=True, confirmed_by=("fapiPrivateGetSymbolConfig",)),
        "fapiPrivatePostPositionMargin": Cost(
            ((FUTURES, 1),), changes=True, confirmed_by=("fapiPrivateV3GetPositionRisk",)
        ),
        "dapiPrivatePostPositionMargin": Cost(
            ((FUTURES, 1),), changes=True, confirmed_by=("dapiPrivateGetPositionRisk",)
        ),
        "dapiPrivatePostMarginType": Cost(((FUTURES, 1),), changes=True, confirmed_by=("dapiPrivateGetPositionRisk",)),
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
    found = _LIMIT_OF_A_MINUTE.search(message_of(answer)) if _weighs_too_much(answer) else None
    used = answer.number(USED)
    if found:
        return UsageReading(used, int(found["limit"]), Per.ADDRESS)
    rows = answer.body.get("rateLimits") if isinstance(answer.body, dict) else None
    limit = _limit_in(rows) if isinstance(rows, list) else None
    return UsageReading(used, limit, Per.ADDRESS, of_everybody=True)


def penalty(answer: VenueResponse) -> Penalty | None:
    """A ban reaches all families: whoever counts, the address is one."""
    if answer.status == BANNED:
        return Penalty(retry_after(answer) or SHORTEST_BAN, ban=True)
    if answer.status in (TOO_MANY, TURNED_AWAY) or _weighs_too_much(answer):
        return Penalty(retry_after(answer), Per.ADDRESS)
    return None


def _weighs_too_much(answer: VenueResponse) -> bool:
    return isinstance(answer.body, dict) and answer.body.get("code") == TOO_MUCH_WEIGHT


def _limit_in(rows: list[Any]) -> int | None:
    """The weight of a minute, as exchangeInfo lists it."""
    wanted = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1}
    for row in rows:
        if isinstance(row, dict) and wanted.items() <= row.items() and isinstance(row.get("limit"), int):
            return int(row["limit"])
    return None


BRACKETS = "dapiPrivateV2GetLeverageBracket"


def brackets_of(params: Mapping[str, Any]) -> str:
    """The brackets of all COIN-M symbols weigh twice those of one."""
    return f"{BRACKETS} of a symbol" if "symbol" in params else BRACKETS


LIMITS = VenueLimits(COSTS, penalty, reading, banned=(FUTURES, PAPI, SAPI), by_params={BRACKETS: brackets_of})
