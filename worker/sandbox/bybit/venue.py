"""Bybit itself: counts, authenticates and answers requests, and keeps the accounts."""

import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr, ValidationError

from schemas.base import Milliseconds
from worker.accounts import Account
from worker.sandbox.bybit.account import AccountState
from worker.sandbox.bybit.auth import KEY, UNAUTHORIZED, check_signature, check_time, is_signed
from worker.sandbox.bybit.contracts import Exchange, listed
from worker.sandbox.bybit.endpoints import ENDPOINTS, Endpoint, Public, Signed
from worker.sandbox.bybit.errors import Refused, enveloped
from worker.sandbox.bybit.limits import AddressMeter, EndpointMeter
from worker.sandbox.bybit.opening import AccountChange, NewAccount, change, requested_seed, state_of
from worker.sandbox.bybit.parameters import Parameters
from worker.sandbox.bybit.seeds import SEEDS, SeedAccount
from worker.sandbox.clock import Clock
from worker.sandbox.http import Answer, Received
from worker.sandbox.venue import ControlRefused

ADDRESS = "ip"
"""What the limit of an address is called, beside the limits of endpoints, which go by their paths."""

TOO_FREQUENT = Answer(403, b"access too frequent", "text/plain")
KEY_LENGTH, SECRET_LENGTH = 18, 36


def _random_text(length: int) -> str:
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(length))


@dataclass(frozen=True, slots=True)
class Member:
    """An account's seed and its keys, which outlive a reset."""

    seed: SeedAccount
    api_key: str
    secret: str


class Bybit:
    """The stand-in for Bybit."""

    name = "bybit"

    def __init__(self, seeds: tuple[SeedAccount, ...] = SEEDS) -> None:
        self.clock = Clock()
        self._endpoints = {(endpoint.method, endpoint.path): endpoint for endpoint in ENDPOINTS}
        self._members: dict[str, Member] = {}
        self.states: dict[str, AccountState] = {}
        """The accounts by id."""
        self.reset()
        for seed in seeds:
            self._admit(seed)

    def answer(self, received: Received) -> Answer:
        """Carry a request out and answer it as Bybit would, refusals included."""
        now = self.clock.now()
        if not self._addresses.admits(received.address, now):
            return TOO_FREQUENT
        endpoint = self._endpoints.get((received.method, received.path))
        try:
            return self._carry_out(received, endpoint, now)
        except Refused as refused:
            return refused.answer(now)

    def account_of(self, received: Received) -> str | None:
        """The id of the account that a request's key belongs to."""
        member = self._members.get(received.headers.get(KEY, ""))
        return None if member is None else member.seed.id

    def parameters_of(self, received: Received) -> Mapping[str, str]:
        """What a request asks for; its signature is in its headers."""
        try:
            return dict(Parameters.of(received))
        except Refused:
            return {}

    def accounts(self, base_url: str) -> tuple[Account, ...]:
        """The accounts and their keys."""
        return tuple(
            Account(
                id=member.seed.id,
                exchange="bybit",
                api_key=SecretStr(member.api_key),
                secret=SecretStr(member.secret),
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
        if request.id in self.states:
            raise ControlRefused(f"there is an account {request.id} already")
        self._admit(requested_seed(self._exchange, request))
        return request.id

    def change_account(self, account_id: str, content: Mapping[str, Any]) -> None:
        """Change an account as `AccountChange` describes it. Raises ControlRefused."""
        if account_id not in self.states:
            raise ControlRefused(f"there is no account {account_id}")
        try:
            wanted = AccountChange.model_validate(content)
        except ValidationError as error:
            raise ControlRefused(str(error)) from error
        change(self.states[account_id], self._exchange, wanted)

    def set_limits(self, limits: Mapping[str, int]) -> None:
        """Set limits: `ip` in five seconds, a path in one. Raises ControlRefused for a path that isn't served."""
        for name, limit in limits.items():
            if name == ADDRESS:
                self._addresses.limit = limit
            elif name in self._limits:
                self._limits[name] = limit
            else:
                raise ControlRefused(f"there is no limit {name}, only {ADDRESS} and {', '.join(self._limits)}")

    def reset(self) -> None:
        """Go back to the seeded state and the documented limits, with the same keys and the right time."""
        self.clock.offset = 0
        self._exchange = Exchange(self.clock, listed(self.clock.now()))
        self._limits = {endpoint.path: endpoint.limit for endpoint in ENDPOINTS if isinstance(endpoint, Signed)}
        self._meter, self._addresses = EndpointMeter(), AddressMeter()
        self.states = {member.seed.id: state_of(member.seed, self._exchange) for member in self._members.values()}

    def _admit(self, seed: SeedAccount) -> None:
        member = Member(seed, _random_text(KEY_LENGTH), _random_text(SECRET_LENGTH))
        self._members[member.api_key] = member
        self.states[seed.id] = state_of(seed, self._exchange)

    def _carry_out(self, received: Received, endpoint: Endpoint | None, now: Milliseconds) -> Answer:
        if endpoint is None:
            raise Refused(10017, status=404)
        if isinstance(endpoint, Public):
            return enveloped(endpoint.handler(self._exchange, Parameters.of(received)), now)
        if not is_signed(received):
            return UNAUTHORIZED
        return self._for_account(received, endpoint, self._authenticated(received, now), now)

    def _authenticated(self, received: Received, now: Milliseconds) -> Member:
        member = self._members.get(received.headers[KEY])
        if member is None:
            raise Refused(10003)
        check_time(received, now)
        check_signature(received, member.secret)
        return member

    def _for_account(self, received: Received, endpoint: Signed, member: Member, now: Milliseconds) -> Answer:
        standing = self._meter.charge(member.seed.id, endpoint.path, self._limits[endpoint.path], now)
        try:
            if standing.left < 0:
                raise Refused(10006)
            state = self.states[member.seed.id]
            answer = enveloped(endpoint.handler(self._exchange, Parameters.of(received), state), now)
        except Refused as refused:
            answer = refused.answer(now)
        return Answer(answer.status, answer.body, answer.content_type, standing.headers)
