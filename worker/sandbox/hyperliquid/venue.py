"""Hyperliquid itself: weighs, authenticates and answers requests, and keeps the addresses."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coincurve import PrivateKey
from pydantic import SecretStr

from worker.accounts.account import Account
from worker.sandbox.hyperliquid.actions import carry_out, owner_of, signing_agent
from worker.sandbox.hyperliquid.body import Body
from worker.sandbox.hyperliquid.errors import PLAIN, HyperliquidRefusal
from worker.sandbox.hyperliquid.info import question_of
from worker.sandbox.hyperliquid.opening import (
    AGENT_NAME,
    HyperliquidAccountChange,
    NewHyperliquidAccount,
    change,
    change_rights,
    requested_seed,
    state_of,
)
from worker.sandbox.hyperliquid.perps import Perpetuals
from worker.sandbox.hyperliquid.seeds import SEEDS, HyperliquidSeedAccount
from worker.sandbox.hyperliquid.signatures import address_of
from worker.sandbox.hyperliquid.stream_session import PATH, HyperliquidStreamSession
from worker.sandbox.hyperliquid.world import Agent, Owned, World
from worker.sandbox.kit.clock import SECOND
from worker.sandbox.server.http import HttpResponse, Received, json_answer
from worker.sandbox.server.limits import OverLimit, WeightMeter, set_limits
from worker.sandbox.server.seeded_venue import Member, SeededVenue
from worker.sandbox.server.streams import Link

INFO, EXCHANGE = "/info", "/exchange"
FAMILY, USERS = "api", "users"
WEIGHT_LIMIT = 1_200
ACTION_WEIGHT = 1
MOST_USERS = 10
"""So many addresses are tracked for an IP address, over all its connections."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """The address of an account's API wallet and those it acts for, which outlive a reset."""

    signer: str
    account: str
    vault: str | None

    @property
    def owner(self) -> str:
        """The address whose positions and settings are meant."""
        return self.vault or self.account


class Hyperliquid(SeededVenue[HyperliquidSeedAccount, NewHyperliquidAccount, HyperliquidAccountChange]):
    """The stand-in for Hyperliquid."""

    name = "hyperliquid"
    seeds = SEEDS
    new_account = NewHyperliquidAccount
    account_change = HyperliquidAccountChange

    def __init__(self) -> None:
        self._addresses: dict[str, Addresses] = {}
        self._sessions: list[HyperliquidStreamSession] = []
        self._most_users = MOST_USERS
        super().__init__()

    def answer(self, received: Received) -> HttpResponse:
        """Carry a request out and answer it as Hyperliquid would, refusals included."""
        endpoint = {INFO: self._info, EXCHANGE: self._exchange}.get(received.path)
        if endpoint is None:
            return HttpResponse(404, b"", PLAIN)
        if received.method != "POST":
            return HttpResponse(405, b"", PLAIN)
        try:
            return endpoint(received)
        except HyperliquidRefusal as refusal:
            return refusal.answer()
        except OverLimit as over:
            return json_answer(None, 429, {"Retry-After": str(-(-over.retry_after // SECOND))})

    def account_of(self, received: Received) -> str | None:
        """The id of the account that a question is about, or that an action is signed for."""
        try:
            body = Body.of(received)
            if received.path == EXCHANGE:
                owner = owner_of(self._world, body, signing_agent(self._world, body))
            else:
                owner = body.address("user")
        except HyperliquidRefusal:
            return None
        return self.account_at(owner)

    def parameters_of(self, received: Received) -> Mapping[str, str]:
        """What a request asks for, without its signature; an action's fields stand beside its nonce and vault."""
        try:
            fields = Body.of(received).fields
        except HyperliquidRefusal:
            return {}
        action = fields.get("action")
        merged = {**fields, **(action if isinstance(action, dict) else {})}
        return {name: str(value) for name, value in merged.items() if name not in ("action", "signature")}

    def set_limits(self, limits: Mapping[str, int]) -> None:
        """Set the weight limit, for which there is one family, or how many `users` are tracked for an IP address.

        Raises ControlRefused for any other.
        """
        self._most_users = limits.get(USERS, self._most_users)
        weights = {family: limit for family, limit in limits.items() if family != USERS}
        set_limits(self._meters, weights, "endpoint family")

    @property
    def listing(self) -> Perpetuals:
        """What is listed now."""
        return self._world.listing

    def relist(self, listing: Perpetuals) -> None:
        """List other perpetuals, until the next reset."""
        self._world.listing = listing

    def stream(self, received: Received, link: Link) -> HyperliquidStreamSession | None:
        """A connection, which has subscribed to nothing so far."""
        if received.path != PATH:
            return None
        session = HyperliquidStreamSession(self, self._world, link, received.address)
        self._sessions.append(session)
        return session

    def push(self) -> None:
        """Tell each connection what has changed in the addresses it has subscribed to."""
        for session in self._open_sessions():
            session.push()

    def has_room_for(self, user: str, address: str) -> bool:
        """Whether one more user can be tracked for an IP address."""
        here = [session.users for session in self._open_sessions() if session.address == address]
        tracked = {one for users in here for one in users}
        return user in tracked or len(tracked) < self._most_users

    def account_at(self, user: str) -> str | None:
        """The id of the account that an address is the owner of."""
        return next((account for account, addresses in self._addresses.items() if addresses.owner == user), None)

    def _open_sessions(self) -> list[HyperliquidStreamSession]:
        self._sessions = [session for session in self._sessions if not session.link.ended]
        return self._sessions

    def is_read(self, received: Received) -> bool:
        """Whether a request changes nothing of an account."""
        return received.path == INFO

    def state(self, account_id: str) -> Any:
        """The states of an account's addresses, to be copied."""
        addresses, states = self._addresses[account_id], self._world.states
        return {address: states[address] for address in (addresses.account, addresses.vault) if address}

    def put(self, account_id: str, state: Any) -> None:
        """Show other states of an account's addresses from now on."""
        self._world.states.update(state)

    def _restore(self) -> None:
        self._meters = {FAMILY: WeightMeter(WEIGHT_LIMIT)}
        self._world = World(self.clock)
        self._most_users = MOST_USERS

    def _issue(self, seed: HyperliquidSeedAccount) -> Account:
        secret, account = PrivateKey(), _random_address()
        vault = _random_address() if seed.vault else None
        self._addresses[seed.id] = Addresses(address_of(secret.public_key), account, vault)
        return Account(
            id=seed.id,
            exchange="hyperliquid",
            secret=SecretStr("0x" + secret.to_hex().rjust(64, "0")),
            account_address=account,
            vault_address=vault,
        )

    def _settle(self, member: Member[HyperliquidSeedAccount]) -> None:
        world, seed, addresses, now = self._world, member.seed, self._addresses[member.id], self.clock.now()
        world.agents[addresses.signer] = Agent(addresses.account, AGENT_NAME)
        world.states[addresses.account] = state_of(seed.account, addresses.account, now, world.listing)
        if addresses.vault and seed.vault:
            world.owned[addresses.vault] = Owned(addresses.account)
            world.states[addresses.vault] = state_of(seed.vault, addresses.vault, now, world.listing)

    def _requested_seed(self, request: NewHyperliquidAccount) -> HyperliquidSeedAccount:
        return requested_seed(request, self._world.listing)

    def _change(self, member: Member[HyperliquidSeedAccount], wanted: HyperliquidAccountChange) -> None:
        addresses = self._addresses[member.id]
        change(self._world.state_of(addresses.owner), wanted, self._world.listing)
        change_rights(self._world, addresses.signer, addresses.account, addresses.vault, wanted)

    def _info(self, received: Received) -> HttpResponse:
        body = Body.of(received)
        question = question_of(body)
        found = question.answer(self._world, body)
        self._charge(received, question.weight_of(found))
        return json_answer(found)

    def _exchange(self, received: Received) -> HttpResponse:
        self._charge(received, ACTION_WEIGHT)
        return json_answer(carry_out(self._world, Body.of(received)))

    def _charge(self, received: Received, weight: int) -> None:
        self._meters[FAMILY].charge(received.address, weight, self.clock.now())


def _random_address() -> str:
    return "0x" + secrets.token_hex(20)


STAND_IN = Hyperliquid
"""What the sandbox serves."""
