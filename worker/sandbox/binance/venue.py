"""Binance itself: weighs, authenticates and answers requests, and keeps the accounts."""

import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr, ValidationError

from worker.accounts import Account
from worker.sandbox.binance.account import AccountState
from worker.sandbox.binance.auth import KEY_HEADER, api_key, check_signature, check_time
from worker.sandbox.binance.contracts import Exchange, listed
from worker.sandbox.binance.endpoint import Endpoint, Family, Public, weight_of
from worker.sandbox.binance.errors import BANNED, THROTTLED, Refused, error_answer
from worker.sandbox.binance.families import FAMILIES
from worker.sandbox.binance.opening import AccountChange, NewAccount, change, requested_seed, state_of
from worker.sandbox.binance.parameters import Parameters
from worker.sandbox.binance.seeds import SEEDS, SeedAccount
from worker.sandbox.clock import SECOND, Clock
from worker.sandbox.http import Answer, Received, json_answer
from worker.sandbox.limits import OverLimit, WeightMeter
from worker.sandbox.venue import ControlRefused

USED_WEIGHT = "X-MBX-USED-WEIGHT-1M"
KEY_LENGTH = 64


def _random_key() -> str:
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(KEY_LENGTH))


@dataclass(frozen=True, slots=True)
class Member:
    """An account's seed and its keys, which outlive a reset."""

    seed: SeedAccount
    api_key: str
    secret: str


class Binance:
    """The stand-in for Binance futures."""

    name = "binance"

    def __init__(self, seeds: tuple[SeedAccount, ...] = SEEDS) -> None:
        self.clock = Clock()
        self._endpoints = {
            (endpoint.method, endpoint.path): (family, endpoint) for family in FAMILIES for endpoint in family.endpoints
        }
        self._members: dict[str, Member] = {}
        self._states: dict[str, AccountState] = {}
        self.reset()
        for seed in seeds:
            self._admit(seed)

    def answer(self, received: Received) -> Answer:
        """Carry a request out and answer it as Binance would, refusals included."""
        family, endpoint = self._endpoints.get((received.method, received.path), (None, None))
        if family is None or endpoint is None:
            return Refused(-5000, received.path, received.method).answer()
        try:
            used = self._weigh(received, family, endpoint)
        except OverLimit as over:
            return _throttled(over)
        try:
            answer = json_answer(self._carry_out(received, family, endpoint))
        except Refused as refused:
            answer = refused.answer()
        return Answer(answer.status, answer.body, answer.content_type, {**answer.headers, USED_WEIGHT: str(used)})

    def account_of(self, received: Received) -> str | None:
        """The id of the account that a request's key belongs to."""
        member = self._members.get(received.headers.get(KEY_HEADER, ""))
        return None if member is None else member.seed.id

    def parameters_of(self, received: Received) -> Mapping[str, str]:
        """What a request asks for, without its signature."""
        try:
            parameters = Parameters.of(received)
        except Refused:
            return {}
        return {name: value for name, value in parameters.items() if name != "signature"}

    def accounts(self, base_url: str) -> tuple[Account, ...]:
        """The accounts and their keys."""
        return tuple(
            Account(
                id=member.seed.id,
                exchange="binance",
                portfolio_margin=member.seed.portfolio_margin,
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
        """Set weight limits by family. Raises ControlRefused for a family that doesn't exist."""
        for family, limit in limits.items():
            if family not in self._meters:
                raise ControlRefused(f"there is no endpoint family {family}, only {', '.join(self._meters)}")
            self._meters[family].limit = limit

    def reset(self) -> None:
        """Go back to the seeded state and the documented limits, with the same keys and the right time."""
        self.clock.offset = 0
        self._exchange = Exchange(self.clock, listed(self.clock.now()))
        self._meters = {family.name: WeightMeter(family.limit) for family in FAMILIES}
        self._states = {member.seed.id: state_of(member.seed, self._exchange) for member in self._members.values()}

    def _admit(self, seed: SeedAccount) -> None:
        member = Member(seed, _random_key(), _random_key())
        self._members[member.api_key] = member
        self._states[seed.id] = state_of(seed, self._exchange)

    def _weigh(self, received: Received, family: Family, endpoint: Endpoint) -> int:
        try:
            weight = weight_of(endpoint, Parameters.of(received))
        except Refused:
            weight = endpoint.weight
        return self._meters[family.name].charge(received.address, weight, self.clock.now())

    def _carry_out(self, received: Received, family: Family, endpoint: Endpoint) -> Any:
        if isinstance(endpoint, Public):
            return endpoint.handler(self._exchange, Parameters.of(received))
        member = self._authenticated(received, family)
        return endpoint.handler(self._exchange, Parameters.of(received), self._states[member.seed.id])

    def _authenticated(self, received: Received, family: Family) -> Member:
        member = self._members.get(api_key(received))
        if member is None or member.seed.portfolio_margin != family.portfolio_margin:
            # Portfolio Margin takes the futures permission from an account's keys, and other keys never had its own.
            raise Refused(-2015, received.address)
        parameters = Parameters.of(received)
        check_time(parameters, self.clock.now())
        check_signature(received, parameters, member.secret)
        return member


def _throttled(over: OverLimit) -> Answer:
    headers = {"Retry-After": str(-(-over.retry_after // SECOND)), USED_WEIGHT: str(over.used)}
    if over.banned_until is not None:
        return error_answer(418, -1003, BANNED.format(over.banned_until), headers)
    return error_answer(429, -1003, THROTTLED.format(over.limit), headers)
