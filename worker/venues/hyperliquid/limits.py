"""What Hyperliquid meters: weight by network address, and the number of actions that an account may send.

Source: documentation, "Rate limits and user limits": 1,200 of weight in a minute, 1 for an action, and for a question
what its type weighs, to which some add one for every twenty rows of their answer. No answer tells how much is used,
and nobody says whether minutes roll. Actions are earned by trading; without any left, one may be sent in ten seconds.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from schemas.base import Milliseconds
from worker.venues.hyperliquid.errors import NO_ACTIONS_LEFT, TEXTS, refusal_in, retry_after, says
from worker.venues.limits.tables import UNCOUNTED, Cost, Penalty, Per, Scope, VenueLimits
from worker.venues.port.response import VenueResponse

INFO, EXCHANGE = "publicPostInfo", "privatePostExchange"
"""ccxt's names of the venue's two endpoints: questions, and signed actions."""

MINUTE: Milliseconds = 60_000
ROWS = 20
"""The rows of an answer that weigh one."""

WEIGHT = Scope("weight", 1_200, MINUTE, Per.ADDRESS)
ACTIONS = Scope("actions", UNCOUNTED, 10_000, Per.USER)

LIGHT, USUAL, ROLE = 2, 20, 60
QUESTIONS: Mapping[str, int] = MappingProxyType(
    {
        "clearinghouseState": LIGHT,
        "exchangeStatus": LIGHT,
        "activeAssetData": USUAL,
        "allPerpMetas": USUAL,
        "perpDexs": USUAL,
        "meta": USUAL,
        "spotMeta": USUAL,
        "extraAgents": USUAL,
        "vaultDetails": USUAL,
        "userRateLimit": USUAL,
        "userRole": ROLE,
    }
)
"""Weights by the type of a question."""

LISTS: Mapping[str, int] = MappingProxyType({"userFunding": 500, "userFillsByTime": 2_000})
"""The questions that are weighed by their answers, and the most rows of one. Without its rows each weighs the usual.

They are heavy: a walk through a long history would otherwise leave nothing of a minute to changes of leverage.
"""

READ_BACK = (f"{INFO} clearinghouseState", f"{INFO} activeAssetData")
"""What is read after an action, whose answer states success and no leverage; the second one for a flat market."""

TOO_MANY = 429


def weight_of_rows(rows: int) -> int:
    """The weight of a list with its rows; of a part of twenty no more is known than that it is not too much."""
    return USUAL + -(-rows // ROWS)


def _settled(most: int) -> Callable[[Any], int]:
    return lambda body: weight_of_rows(len(body) if isinstance(body, list) else most)


COSTS: Mapping[str, Cost] = MappingProxyType(
    {EXCHANGE: Cost(((WEIGHT, 1), (ACTIONS, 1)), changes=True, confirmed_by=READ_BACK)}
    | {f"{INFO} {kind}": Cost(((WEIGHT, weight),)) for kind, weight in QUESTIONS.items()}
    | {
        f"{INFO} {kind}": Cost(((WEIGHT, weight_of_rows(most)),), heavy=True, settled=_settled(most))
        for kind, most in LISTS.items()
    }
)


def question_of(params: Mapping[str, Any]) -> str:
    """All questions go to one endpoint, and differ in their type."""
    return f"{INFO} {params.get('type')}"


def penalty(answer: VenueResponse) -> Penalty | None:
    """An address that sends too much, or one of the venue's that has no actions left."""
    if answer.status == TOO_MANY:
        return Penalty(retry_after(answer), Per.ADDRESS)
    if says(refusal_in(answer.body) or "", NO_ACTIONS_LEFT):
        return Penalty(TEXTS[NO_ACTIONS_LEFT].wait, Per.USER)
    return None


LIMITS = VenueLimits(COSTS, penalty, by_params={INFO: question_of})
