"""Gate itself: counts, authenticates and answers requests, and keeps the accounts."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from pydantic import SecretStr, ValidationError

from worker.accounts import Account
from worker.sandbox.clock import Clock
from worker.sandbox.gate.account import AccountState
from worker.sandbox.gate.auth import KEY, check_signature, check_time, header
from worker.sandbox.gate.contracts import Exchange, listed
from worker.sandbox.gate.endpoint import PREFIX, Endpoint, Public, Question, match
from worker.sandbox.gate.endpoints import ENDPOINTS
from worker.sandbox.gate.errors import Refused
from worker.sandbox.gate.limits import DOCUMENTED_LIMIT, RequestMeter
from worker.sandbox.gate.opening import AccountChange, NewAccount, change, requested_seed, state_of
from worker.sandbox.gate.parameters import Parameters
from worker.sandbox.gate.seeds import SEEDS, SeedAccount
from worker.sandbox.http import Answer, Received, json_answer
from worker.sandbox.venue import ControlRefused

FAMILIES = ("spot", "futures", "delivery")
KEY_BYTES, SECRET_BYTES = 16, 32


@dataclass(frozen=True, slots=True)
class Member:
    """An account's seed and its keys, which outlive a reset."""

    seed: SeedAccount
    api_key: str
    secret: str


class Gate:
    """The stand-in for Gate.io futures."""

    name = "gate"

    def __init__(self, seeds: tuple[SeedAccount, ...] = SEEDS) -> None:
        self.clock = Clock()
        self._users = count(20_001)
        self._members: dict[str, Member] = {}
        self._states: dict[str, AccountState] = {}
        self.reset()
        for seed in seeds:
            self._admit(seed)

    def answer(self, received: Received) -> Answer:
        """Carry a request out and answer it as Gate would, refusals included."""
        try:
            endpoint, path = _endpoint(received)
        except Refused as refused:
            return refused.answer()
        meter, now = self._meters[_family(received)], self.clock.now()
        left = meter.count(received.headers.get(KEY) or received.address, f"{endpoint.method} {endpoint.path}", now)
        headers = meter.headers(left, now)
        if left < 0:
            return Refused("TOO_MANY_REQUESTS", meter.limit).answer(headers)
        try:
            return json_answer(self._carry_out(received, endpoint, path), headers=headers)
        except Refused as refused:
            return refused.answer(headers)

    def account_of(self, received: Received) -> str | None:
        """The id of the account that a request's key belongs to."""
        member = self._members.get(received.headers.get(KEY, ""))
        return None if member is None else member.seed.id

    def parameters_of(self, received: Received) -> Mapping[str, str]:
        """What a request asks for, in its path, its query or its body."""
        try:
            endpoint, path = _endpoint(received)
            return dict(_parameters(received, endpoint, path))
        except Refused:
            return {}

    def accounts(self, base_url: str) -> tuple[Account, ...]:
        """The accounts and their keys."""
        return tuple(
            Account(
                id=member.seed.id,
                exchange="gate",
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
        self._admit(requested_seed(self._exchange, request, next(self._users)))
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
        """Set how many requests each endpoint of a family takes in ten seconds. Raises ControlRefused."""
        for family, limit in limits.items():
            if family not in self._meters:
                raise ControlRefused(f"there is no endpoint family {family}, only {', '.join(self._meters)}")
            self._meters[family].limit = limit

    def reset(self) -> None:
        """Go back to the seeded state and the documented limits, with the same keys and the right time."""
        self.clock.offset = 0
        self._exchange = Exchange(self.clock, listed(self.clock.now()))
        self._meters = {family: RequestMeter(DOCUMENTED_LIMIT) for family in FAMILIES}
        self._states = {member.seed.id: state_of(member.seed, self._exchange) for member in self._members.values()}

    def _admit(self, seed: SeedAccount) -> None:
        member = Member(seed, secrets.token_hex(KEY_BYTES), secrets.token_hex(SECRET_BYTES))
        self._members[member.api_key] = member
        self._states[seed.id] = state_of(seed, self._exchange)

    def _carry_out(self, received: Received, endpoint: Endpoint, path: Mapping[str, str]) -> Any:
        decimal_sizes = received.headers.get("X-Gate-Size-Decimal") == "1"
        if isinstance(endpoint, Public):
            return endpoint.handler(self._question(received, endpoint, path, decimal_sizes))
        account = self._authenticated(received)
        question = self._question(received, endpoint, path, decimal_sizes)
        if (question.family, question.settle) not in account.wallets:
            raise Refused("USER_NOT_FOUND")
        return endpoint.handler(question, account)

    def _question(
        self, received: Received, endpoint: Endpoint, path: Mapping[str, str], decimal_sizes: bool
    ) -> Question:
        return Question(self._exchange, _family(received), _parameters(received, endpoint, path), decimal_sizes)

    def _authenticated(self, received: Received) -> AccountState:
        member = self._members.get(header(received, KEY))
        if member is None:
            raise Refused("INVALID_KEY")
        check_time(received, self.clock.now())
        check_signature(received, member.secret)
        return self._states[member.seed.id]


def _family(received: Received) -> str:
    return received.path.removeprefix(PREFIX).split("/")[1]


def _endpoint(received: Received) -> tuple[Endpoint, Mapping[str, str]]:
    """The endpoint of a request and the parameters in its path. Raises Refused."""
    matches = [(endpoint, path) for endpoint in ENDPOINTS if (path := match(endpoint.path, received.path)) is not None]
    if not matches:
        raise Refused("NOT_FOUND", received.path)
    for endpoint, path in matches:
        if endpoint.method == received.method:
            return endpoint, path
    raise Refused("METHOD_NOT_ALLOWED", received.method)


def _parameters(received: Received, endpoint: Endpoint, path: Mapping[str, str]) -> Parameters:
    return Parameters.of(received, path, in_body=not isinstance(endpoint, Public) and endpoint.in_body)
