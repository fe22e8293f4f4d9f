"""POST /exchange: who signed, with which nonce, for whom, and what then becomes of the action.

updateLeverage and updateIsolatedMargin are carried out. The other actions of the venue are understood, checked the same
way, and refused.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from worker.sandbox.hyperliquid.account import Held, HyperliquidAccountState, HyperliquidTerms
from worker.sandbox.hyperliquid.body import Body
from worker.sandbox.hyperliquid.errors import ActionRefused, Unreadable
from worker.sandbox.hyperliquid.figures import wire
from worker.sandbox.hyperliquid.formulas import (
    cross_margin_used,
    cross_value,
    transfer_margin,
    withdrawable,
)
from worker.sandbox.hyperliquid.perps import STRICT
from worker.sandbox.hyperliquid.signatures import MAIN_NETWORK, TEST_NETWORK, signer_of
from worker.sandbox.hyperliquid.world import World
from worker.sandbox.kit.clock import SECOND

UPDATE_LEVERAGE = "updateLeverage"
DONE = {"status": "ok", "response": {"type": "default"}}
MILLION = 1_000_000
GRACE = 10 * SECOND
"""Over its limit an address may still send one action in this time."""

OTHER_ACTIONS = frozenset(
    {
        "order",
        "cancel",
        "cancelByCloid",
        "modify",
        "batchModify",
        "scheduleCancel",
        "setReferrer",
        "vaultTransfer",
        "subAccountTransfer",
        "createSubAccount",
        "twapOrder",
        "twapCancel",
        "agentEnableDexAbstraction",
        "agentSetAbstraction",
        "noop",
    }
)
"""Actions that are signed like updateLeverage."""

USER_SIGNED_ACTIONS = frozenset(
    {
        "approveAgent",
        "approveBuilderFee",
        "usdSend",
        "usdClassTransfer",
        "spotSend",
        "sendAsset",
        "withdraw3",
        "tokenDelegate",
        "userSetAbstraction",
        "userDexAbstraction",
        "convertToMultiSigUser",
    }
)
"""Actions that only the account's own key can sign, and in another way. The sandbox holds no such key."""


def carry_out(world: World, body: Body) -> dict[str, Any]:
    """Carry a signed action out. Raises ActionRefused or Unreadable."""
    action = body.part("action")
    kind = action.text("type")
    if kind in USER_SIGNED_ACTIONS:
        raise _never_carried_out(kind)
    if kind not in CARRIED_OUT and kind not in OTHER_ACTIONS:
        raise Unreadable
    state = _authenticated(world, body)
    if kind not in CARRIED_OUT:
        raise _never_carried_out(kind)
    CARRIED_OUT[kind](world, state, action)
    return DONE


def _never_carried_out(kind: str) -> ActionRefused:
    return ActionRefused(f"The sandbox carries out no {kind}; nothing was done.")


def signing_agent(world: World, body: Body) -> str:
    """The signer of a request. The official client signs for the test network wherever it is not at its own address.

    An unknown signer is named as the main network would name it.
    """
    known = [signer for source in (MAIN_NETWORK, TEST_NETWORK) if world.master_of(signer := signer_of(body, source))]
    return known[0] if known else signer_of(body, MAIN_NETWORK)


def owner_of(world: World, body: Body, signer: str) -> str:
    """The address that a request acts for. Raises ActionRefused if the signer may not."""
    master, vault = world.master_of(signer), body.optional_address("vaultAddress")
    if master is None:
        raise ActionRefused(f"User or API Wallet {signer} does not exist.")
    if vault is None:
        return master
    if world.owner_of(vault) != master:
        raise ActionRefused(f"Vault not registered: {vault}")
    return vault


def _authenticated(world: World, body: Body) -> HyperliquidAccountState:
    signer = signing_agent(world, body)
    owner = owner_of(world, body, signer)
    now, expiry = world.clock.now(), body.optional_integer("expiresAfter")
    world.book_of(signer).use(body.integer("nonce"), now)
    if expiry is not None and now > expiry:
        raise ActionRefused(f"The action expired at {expiry}.")
    state = world.states[owner]
    _meter(state, now)
    return state


def _meter(state: HyperliquidAccountState, now: int) -> None:
    used, limit = state.actions + 1, state.action_limit
    if used > limit and now - state.last_action < GRACE:
        raise ActionRefused(
            f"Too many cumulative requests sent ({used} > {limit}) for cumulative volume traded "
            f"${wire(state.volume)}. Place taker orders to free up 1 request per USDC traded."
        )
    state.actions, state.last_action = used, now


def _update_leverage(world: World, state: HyperliquidAccountState, action: Body) -> None:
    perp = world.listing.by_asset.get(action.integer("asset"))
    cross, leverage = action.boolean("isCross"), action.integer("leverage")
    if perp is None:
        raise ActionRefused("There is no such asset.")
    if not 1 <= leverage <= perp.max_leverage:
        raise ActionRefused("Invalid leverage value")
    if cross and perp.only_isolated:
        raise ActionRefused("Cross margin is not allowed for this asset.")
    if held := state.positions.get(perp.coin):
        _check_position(state, held, leverage, cross)
    state.terms[perp.coin] = HyperliquidTerms(leverage, cross)


def _update_isolated_margin(world: World, state: HyperliquidAccountState, action: Body) -> None:
    """What has to stay is documented ("Margining", transfer margin requirements; strictIsolated: all of it).

    No document has the sentences of the refusals: these are guesses, and so is that a profit counts as what stays.
    """
    perp, change = world.listing.by_asset.get(action.integer("asset")), Decimal(action.signed("ntli")) / MILLION
    action.boolean("isBuy")
    if perp is None:
        raise ActionRefused("There is no such asset.")
    held = state.positions.get(perp.coin)
    if held is None or state.terms_of(perp).cross:
        raise ActionRefused("No isolated position open for this asset.")
    if change > withdrawable(state, perp.dex):
        raise ActionRefused("Insufficient margin to add to isolated position.")
    stays = transfer_margin(held, state.terms_of(perp).leverage)
    if change < 0 and (perp.margin_mode == STRICT or held.margin + held.profit + change < stays):
        raise ActionRefused("Cannot remove more margin than is available from isolated position.")
    state.hold(replace(held, margin=held.margin + change))


CARRIED_OUT: Mapping[str, Callable[[World, HyperliquidAccountState, Body], None]] = {
    UPDATE_LEVERAGE: _update_leverage,
    "updateIsolatedMargin": _update_isolated_margin,
}


def _check_position(state: HyperliquidAccountState, held: Held, leverage: int, cross: bool) -> None:
    terms = state.terms_of(held.perp)
    if cross is not terms.cross:
        raise ActionRefused("Cannot switch leverage type with open position.")
    if leverage < terms.leverage and _margin_left(state, held, leverage, terms) < 0:
        kind, remedy = ("Cross", "deposit more collateral") if cross else ("Isolated", "add margin to the position")
        raise ActionRefused(
            f"{kind} position does not have sufficient margin available to decrease leverage. "
            f"To decrease leverage, {remedy}."
        )


def _margin_left(state: HyperliquidAccountState, held: Held, leverage: int, terms: HyperliquidTerms) -> Decimal:
    """What would be left of the margin of a position, or of the account, at another leverage."""
    wanted = held.value / leverage
    if not terms.cross:
        return held.margin + held.profit - wanted
    dex = held.perp.dex
    return cross_value(state, dex) - cross_margin_used(state, dex) + held.value / terms.leverage - wanted
