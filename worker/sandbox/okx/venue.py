"""OKX itself: counts, authenticates and answers requests, and keeps the accounts."""

import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr, ValidationError

from worker.accounts import Account
from worker.sandbox.clock import Clock
from worker.sandbox.http import Answer, Received
from worker.sandbox.okx.account import AccountState
from worker.sandbox.okx.auth import KEY_HEADER, api_key, check_passphrase, check_signature, check_time
from worker.sandbox.okx.endpoints import ENDPOINTS, Endpoint, Public, name_of
from worker.sandbox.okx.errors import Refused, envelope
from worker.sandbox.okx.instruments import Exchange, listed
from worker.sandbox.okx.limits import RequestMeter
from worker.sandbox.okx.opening import AccountChange, NewAccount, change, requested_seed, state_of
from worker.sandbox.okx.parameters import Parameters
from worker.sandbox.okx.seeds import SEEDS, SeedAccount
from worker.sandbox.venue import ControlRefused


@dataclass(frozen=True, slots=True)
class Member:
    """An account's seed and its key, secret and passphrase, which outlive a reset."""

    seed: SeedAccount
    api_key: str
    secret: str
    passphrase: str


class Okx:
    """The stand-in for OKX."""

    name = "okx"

    def __init__(self, seeds: tuple[SeedAccount, ...] = SEEDS) -> None:
        self.clock = Clock()
        self._endpoints = {(endpoint.method, endpoint.path): endpoint for endpoint in ENDPOINTS}
        self._members: dict[str, Member] = {}
        self._states: dict[str, AccountState] = {}
        self.reset()
        for seed in seeds:
            self._admit(seed)

    def answer(self, received: Received) -> Answer:
        """Carry a request out and answer it as OKX would, refusals included."""
        endpoint = self._endpoints.get((received.method, received.path))
        if endpoint is None:
            return self._unknown(received)
        try:
            return envelope(self._carry_out(received, endpoint))
        except Refused as refused:
            return refused.answer()

    def account_of(self, received: Received) -> str | None:
        """The id of the account that a request's key belongs to."""
        member = self._members.get(received.headers.get(KEY_HEADER, ""))
        return None if member is None else member.seed.id

    def parameters_of(self, received: Received) -> Mapping[str, str]:
        """What a request asks for; OKX signs in headers."""
        try:
            return dict(Parameters.of(received))
        except Refused:
            return {}

    def accounts(self, base_url: str) -> tuple[Account, ...]:
        """The accounts and their keys."""
        return tuple(
            Account(
                id=member.seed.id,
                exchange="okx",
                api_key=SecretStr(member.api_key),
                secret=SecretStr(member.secret),
                passphrase=SecretStr(member.passphrase),
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
        if request.id in self._states:
            raise ControlRefused(f"there is an account {request.id} already")
        self._admit(requested_seed(self._exchange, request))
        return request.id

    def change_account(self, account_id: str, content: Mapping[str, Any]) -> None:
        """Change an account as `AccountChange` describes it. Raises ControlRefused."""
        if account_id not in self._states:
            raise ControlRefused(f"there is no account {account_id}")
        try:
            wanted = AccountChange.model_validate(content)
        except ValidationError as error:
            raise ControlRefused(str(error)) from error
        change(self._states[account_id], self._exchange, wanted)

    def set_limits(self, limits: Mapping[str, int]) -> None:
        """Set how many requests an endpoint takes in two seconds, by the last part of its path."""
        for name, limit in limits.items():
            if name not in self._meters:
                raise ControlRefused(f"there is no endpoint {name}, only {', '.join(self._meters)}")
            self._meters[name].limit = limit

    def reset(self) -> None:
        """Go back to the seeded state and the documented limits, with the same keys and the right time."""
        self.clock.offset = 0
        self._exchange = Exchange(self.clock, listed(self.clock.now()))
        self._meters = {name_of(endpoint): RequestMeter(endpoint.limit) for endpoint in ENDPOINTS}
        self._states = {member.seed.id: state_of(member.seed, self._exchange) for member in self._members.values()}

    def _admit(self, seed: SeedAccount) -> None:
        member = Member(seed, str(uuid.uuid4()), secrets.token_hex(16).upper(), secrets.token_urlsafe(12))
        self._members[member.api_key] = member
        self._states[seed.id] = state_of(seed, self._exchange)

    def _unknown(self, received: Received) -> Answer:
        if any(path == received.path for _, path in self._endpoints):
            return Refused("50115").answer()
        return envelope([], "404", "Not Found", 404)

    def _carry_out(self, received: Received, endpoint: Endpoint) -> list[dict[str, Any]]:
        if isinstance(endpoint, Public):
            self._count(endpoint, received.address)
            return endpoint.handler(self._exchange, Parameters.of(received))
        member = self._authenticated(received)
        self._count(endpoint, member.seed.id)
        return endpoint.handler(self._exchange, Parameters.of(received), self._states[member.seed.id])

    def _count(self, endpoint: Endpoint, who: str) -> None:
        if not self._meters[name_of(endpoint)].admits(who, self.clock.now()):
            raise Refused("50011")

    def _authenticated(self, received: Received) -> Member:
        member = self._members.get(api_key(received))
        if member is None:
            raise Refused("50119")
        check_time(received, self.clock.now())
        check_passphrase(received, member.passphrase)
        check_signature(received, member.secret)
        return member
