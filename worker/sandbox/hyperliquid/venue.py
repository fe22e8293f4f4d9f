"""Hyperliquid itself: weighs, authenticates and answers requests, and keeps the addresses."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coincurve import PrivateKey
from pydantic import SecretStr, ValidationError

from worker.accounts import Account
from worker.sandbox.clock import SECOND, Clock
from worker.sandbox.http import Answer, Received, json_answer
from worker.sandbox.hyperliquid.actions import carry_out, owner_of, signing_agent
from worker.sandbox.hyperliquid.body import Body
from worker.sandbox.hyperliquid.errors import PLAIN, Refusal
from worker.sandbox.hyperliquid.info import question_of
from worker.sandbox.hyperliquid.opening import AccountChange, NewAccount, change, requested_seed, state_of
from worker.sandbox.hyperliquid.seeds import SEEDS, SeedAccount
from worker.sandbox.hyperliquid.signatures import address_of
from worker.sandbox.hyperliquid.world import World
from worker.sandbox.limits import OverLimit, WeightMeter
from worker.sandbox.venue import ControlRefused

INFO, EXCHANGE = "/info", "/exchange"
FAMILY = "api"
WEIGHT_LIMIT = 1_200
ACTION_WEIGHT = 1


@dataclass(frozen=True, slots=True)
class Member:
    """An account's seed, the key of its API wallet and its addresses, which outlive a reset."""

    seed: SeedAccount
    secret: str
    signer: str
    account: str
    vault: str | None

    @property
    def owner(self) -> str:
        """The address whose positions and settings are meant."""
        return self.vault or self.account


class Hyperliquid:
    """The stand-in for Hyperliquid."""

    name = "hyperliquid"

    def __init__(self, seeds: tuple[SeedAccount, ...] = SEEDS) -> None:
        self.clock = Clock()
        self._members: dict[str, Member] = {}
        self.reset()
        for seed in seeds:
            self._admit(seed)

    def answer(self, received: Received) -> Answer:
        """Carry a request out and answer it as Hyperliquid would, refusals included."""
        endpoint = {INFO: self._info, EXCHANGE: self._exchange}.get(received.path)
        if endpoint is None:
            return Answer(404, b"", PLAIN)
        if received.method != "POST":
            return Answer(405, b"", PLAIN)
        try:
            return endpoint(received)
        except Refusal as refusal:
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
        except Refusal:
            return None
        return next((member.seed.id for member in self._members.values() if member.owner == owner), None)

    def parameters_of(self, received: Received) -> Mapping[str, str]:
        """What a request asks for, without its signature; an action's fields stand beside its nonce and vault."""
        try:
            fields = Body.of(received).fields
        except Refusal:
            return {}
        action = fields.get("action")
        merged = {**fields, **(action if isinstance(action, dict) else {})}
        return {name: str(value) for name, value in merged.items() if name not in ("action", "signature")}

    def accounts(self, base_url: str) -> tuple[Account, ...]:
        """The accounts, their keys and their addresses."""
        return tuple(
            Account(
                id=member.seed.id,
                exchange="hyperliquid",
                secret=SecretStr(member.secret),
                account_address=member.account,
                vault_address=member.vault,
                base_url=base_url,
            )
            for member in self._members.values()
        )

    def open_account(self, content: Mapping[str, Any]) -> str:
        """Open an account as `NewAccount` describes it and return its id. Raises ControlRefused."""
        try:
            request = NewAccount.model_validate(content)
        except ValidationError as error:
            raise ControlRefused(str(error)) from error
        if request.id in self._members:
            raise ControlRefused(f"there is an account {request.id} already")
        self._admit(requested_seed(request))
        return request.id

    def change_account(self, account_id: str, content: Mapping[str, Any]) -> None:
        """Change an account as `AccountChange` describes it. Raises ControlRefused."""
        if account_id not in self._members:
            raise ControlRefused(f"there is no account {account_id}")
        try:
            wanted = AccountChange.model_validate(content)
        except ValidationError as error:
            raise ControlRefused(str(error)) from error
        change(self._world.states[self._members[account_id].owner], wanted)

    def set_limits(self, limits: Mapping[str, int]) -> None:
        """Set the weight limit, for which there is one family. Raises ControlRefused for any other."""
        for family, limit in limits.items():
            if family != FAMILY:
                raise ControlRefused(f"there is no endpoint family {family}, only {FAMILY}")
            self._meter.limit = limit

    def reset(self) -> None:
        """Go back to the seeded state and the documented limit, with the same keys and the right time."""
        self.clock.offset = 0
        self._meter = WeightMeter(WEIGHT_LIMIT)
        self._world = World(self.clock)
        for member in self._members.values():
            self._settle(member)

    def _admit(self, seed: SeedAccount) -> None:
        secret = PrivateKey()
        member = Member(
            seed=seed,
            secret="0x" + secret.to_hex().rjust(64, "0"),
            signer=address_of(secret.public_key),
            account=_random_address(),
            vault=_random_address() if seed.vault else None,
        )
        self._members[seed.id] = member
        self._settle(member)

    def _settle(self, member: Member) -> None:
        world, now = self._world, self.clock.now()
        world.masters[member.signer] = member.account
        world.states[member.account] = state_of(member.seed.account, member.account, now)
        if member.vault and member.seed.vault:
            world.leaders[member.vault] = member.account
            world.states[member.vault] = state_of(member.seed.vault, member.vault, now)

    def _info(self, received: Received) -> Answer:
        body = Body.of(received)
        question = question_of(body)
        found = question.answer(self._world, body)
        self._charge(received, question.weight_of(found))
        return json_answer(found)

    def _exchange(self, received: Received) -> Answer:
        self._charge(received, ACTION_WEIGHT)
        return json_answer(carry_out(self._world, Body.of(received)))

    def _charge(self, received: Received, weight: int) -> None:
        self._meter.charge(received.address, weight, self.clock.now())


def _random_address() -> str:
    return "0x" + secrets.token_hex(20)
