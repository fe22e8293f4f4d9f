"""POST /info: every question that is answered, with its weight ("Rate limits and user limits")."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from worker.sandbox.hyperliquid import history, market_data, reports
from worker.sandbox.hyperliquid.body import Body
from worker.sandbox.hyperliquid.errors import Broken, Unreadable
from worker.sandbox.hyperliquid.figures import wire
from worker.sandbox.hyperliquid.perps import PERPS
from worker.sandbox.hyperliquid.world import World, dex_asked

LIGHT, USUAL, HEAVY = 2, 20, 60
ROWS_PER_WEIGHT = 20


@dataclass(frozen=True, slots=True)
class Question:
    """A question. One that is `weighed` weighs one more for every twenty rows of its answer."""

    weight: int
    answer: Callable[[World, Body], Any]
    weighed: bool = False

    def weight_of(self, answer: Any) -> int:
        """What the question weighs with its answer."""
        return self.weight + (len(answer) // ROWS_PER_WEIGHT if self.weighed else 0)


def question_of(body: Body) -> Question:
    """The question in a request. Raises Unreadable for one that nobody knows."""
    question = QUESTIONS.get(body.text("type"))
    if question is None:
        raise Unreadable
    return question


def _active_asset_data(world: World, body: Body) -> dict[str, Any]:
    perp = PERPS.get(body.text("coin"))
    if perp is None:
        raise Broken
    return reports.active_asset_data(world.state_asked(body), perp)


def _clearinghouse_state(world: World, body: Body) -> dict[str, Any]:
    return reports.clearinghouse_state(world.state_asked(body), dex_asked(body), world.clock.now())


def _exchange_status(world: World, _body: Body) -> dict[str, Any]:
    return {"specialStatuses": None, "time": world.clock.now()}


def _user_role(world: World, body: Body) -> dict[str, Any]:
    address = body.address("user")
    if master := world.masters.get(address):
        return {"role": "agent", "data": {"user": master}}
    if address in world.leaders:
        return {"role": "vault"}
    return {"role": "user" if address in world.states else "missing"}


def _extra_agents(world: World, body: Body) -> list[dict[str, Any]]:
    address, never = body.address("user"), 4_133_404_800_000
    agents = [agent for agent, master in world.masters.items() if master == address]
    return [{"name": f"agent{number}", "address": agent, "validUntil": never} for number, agent in enumerate(agents)]


def _user_rate_limit(world: World, body: Body) -> dict[str, Any]:
    state = world.state_asked(body)
    return {
        "cumVlm": wire(state.volume),
        "nRequestsUsed": state.actions,
        "nRequestsCap": state.action_limit,
        "nRequestsSurplus": 0,
    }


def _user_funding(world: World, body: Body) -> list[dict[str, Any]]:
    return history.user_funding(world.state_asked(body), body, world.clock.now())


def _user_fills_by_time(world: World, body: Body) -> list[dict[str, Any]]:
    return history.user_fills_by_time(world.state_asked(body), body, world.clock.now())


QUESTIONS: Mapping[str, Question] = {
    "meta": Question(USUAL, lambda _, body: market_data.meta(dex_asked(body))),
    "metaAndAssetCtxs": Question(USUAL, lambda _, body: market_data.meta_and_contexts(dex_asked(body))),
    "perpDexs": Question(USUAL, lambda _, __: market_data.perp_dexs()),
    "spotMeta": Question(USUAL, lambda _, __: market_data.spot_meta()),
    "spotMetaAndAssetCtxs": Question(USUAL, lambda _, __: market_data.spot_meta_and_contexts()),
    "allMids": Question(LIGHT, lambda _, body: market_data.all_mids(dex_asked(body))),
    "exchangeStatus": Question(LIGHT, _exchange_status),
    "clearinghouseState": Question(LIGHT, _clearinghouse_state),
    "activeAssetData": Question(USUAL, _active_asset_data),
    "userFunding": Question(USUAL, _user_funding, weighed=True),
    "userFillsByTime": Question(USUAL, _user_fills_by_time, weighed=True),
    "userFills": Question(USUAL, lambda world, body: history.user_fills(world.state_asked(body)), weighed=True),
    "userRateLimit": Question(USUAL, _user_rate_limit),
    "userRole": Question(HEAVY, _user_role),
    "extraAgents": Question(USUAL, _extra_agents),
}
"""Questions by type."""
