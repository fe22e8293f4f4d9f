"""POST /info: every question that is answered, with its weight ("Rate limits and user limits")."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from worker.sandbox.hyperliquid import history, market_data, reports
from worker.sandbox.hyperliquid.body import Body
from worker.sandbox.hyperliquid.errors import Broken, Unreadable
from worker.sandbox.hyperliquid.figures import wire
from worker.sandbox.hyperliquid.world import World, dex_asked

LIGHT, USUAL, HEAVY = 2, 20, 60
ROWS_PER_WEIGHT = 20


@dataclass(frozen=True, slots=True)
class InfoRequest:
    """A question. One that is `weighed` weighs one more for every twenty rows of its answer."""

    weight: int
    answer: Callable[[World, Body], Any]
    weighed: bool = False

    def weight_of(self, answer: Any) -> int:
        """What the question weighs with its answer."""
        return self.weight + (len(answer) // ROWS_PER_WEIGHT if self.weighed else 0)


def question_of(body: Body) -> InfoRequest:
    """The question in a request. Raises Unreadable for one that nobody knows."""
    question = QUESTIONS.get(body.text("type"))
    if question is None:
        raise Unreadable
    return question


def _active_asset_data(world: World, body: Body) -> dict[str, Any]:
    perp = world.listing.perps.get(body.text("coin"))
    if perp is None:
        raise Broken
    return reports.active_asset_data(world.state_asked(body), perp)


def _clearinghouse_state(world: World, body: Body) -> dict[str, Any]:
    return reports.clearinghouse_state(world.state_asked(body), dex_asked(world, body), world.clock.now())


def _exchange_status(world: World, _body: Body) -> dict[str, Any]:
    return {"specialStatuses": None, "time": world.clock.now()}


def _user_role(world: World, body: Body) -> dict[str, Any]:
    address = body.address("user")
    if agent := world.agents.get(address):
        return {"role": "agent", "data": {"user": agent.master}}
    if owned := world.owned.get(address):
        return {"role": "subAccount", "data": {"master": owned.owner}} if owned.sub_account else {"role": "vault"}
    return {"role": "user" if address in world.states else "missing"}


def _extra_agents(world: World, body: Body) -> list[dict[str, Any]]:
    """The named ones, those among them that have expired too, until they are pruned."""
    master = body.address("user")
    return [
        {"name": agent.name, "address": address, "validUntil": agent.valid_until}
        for address, agent in world.agents.items()
        if agent.master == master and agent.name is not None
    ]


def _vault_details(world: World, body: Body) -> dict[str, Any] | None:
    address = body.address("vaultAddress")
    vault = world.owned.get(address)
    if vault is None or vault.sub_account:
        return None
    return reports.vault_details(world.state_of(address), vault.owner)


def _user_rate_limit(world: World, body: Body) -> dict[str, Any]:
    state = world.state_asked(body)
    return {
        "cumVlm": wire(state.volume),
        "nRequestsUsed": state.actions,
        "nRequestsCap": state.action_limit,
        "nRequestsSurplus": 0,
    }


def _meta_and_contexts(world: World, body: Body) -> list[Any]:
    return market_data.meta_and_contexts(world.listing, dex_asked(world, body))


def _user_funding(world: World, body: Body) -> list[dict[str, Any]]:
    return history.user_funding(world.state_asked(body), body, world.clock.now())


def _user_fills_by_time(world: World, body: Body) -> list[dict[str, Any]]:
    return history.user_fills_by_time(world.state_asked(body), body, world.clock.now())


QUESTIONS: Mapping[str, InfoRequest] = {
    "meta": InfoRequest(USUAL, lambda world, body: market_data.meta(world.listing, dex_asked(world, body))),
    "metaAndAssetCtxs": InfoRequest(USUAL, _meta_and_contexts),
    "allPerpMetas": InfoRequest(USUAL, lambda world, _: market_data.all_metas(world.listing)),
    "perpDexs": InfoRequest(USUAL, lambda world, _: market_data.perp_dexs(world.listing)),
    "spotMeta": InfoRequest(USUAL, lambda _, __: market_data.spot_meta()),
    "spotMetaAndAssetCtxs": InfoRequest(USUAL, lambda _, __: market_data.spot_meta_and_contexts()),
    "allMids": InfoRequest(LIGHT, lambda world, body: market_data.all_mids(world.listing, dex_asked(world, body))),
    "exchangeStatus": InfoRequest(LIGHT, _exchange_status),
    "clearinghouseState": InfoRequest(LIGHT, _clearinghouse_state),
    "activeAssetData": InfoRequest(USUAL, _active_asset_data),
    "userFunding": InfoRequest(USUAL, _user_funding, weighed=True),
    "userFillsByTime": InfoRequest(USUAL, _user_fills_by_time, weighed=True),
    "userFills": InfoRequest(USUAL, lambda world, body: history.user_fills(world.state_asked(body)), weighed=True),
    "userRateLimit": InfoRequest(USUAL, _user_rate_limit),
    "userRole": InfoRequest(HEAVY, _user_role),
    "extraAgents": InfoRequest(USUAL, _extra_agents),
    "vaultDetails": InfoRequest(USUAL, _vault_details),
}
"""Questions by type."""
