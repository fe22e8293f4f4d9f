"""Newvenue itself: counts, authenticates and answers requests, and keeps the accounts.

`open_account` and `change_account` are what a test may do behind an account's back (the sandbox's control endpoints);
add to them whatever state a promise is about.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import parse_qsl

import orjson
from pydantic import Field, SecretStr

from worker.accounts.account import Account
from worker.sandbox.kit.accounts import ControlContent, RequestedAccount
from worker.sandbox.kit.perpetuals import FURTHER_PERPETUALS
from worker.sandbox.newvenue.account import SEEDS, NewvenueAccountState, NewvenueSeed, state_of
from worker.sandbox.newvenue.auth import KEY_HEADER, NewvenueRefused, check_signature, check_time
from worker.sandbox.newvenue.endpoints import ENDPOINTS, NewvenuePublicEndpoint
from worker.sandbox.server.http import HttpResponse, Received, json_answer
from worker.sandbox.server.limits import OverLimit, WeightMeter, set_limits
from worker.sandbox.server.seeded_venue import KeyedVenue, Member, random_key
from worker.sandbox.server.venue import ControlRefused

LIMITS = {"address": 600, "user": 1_200}
"""Requests in a minute."""


class NewNewvenueAccount(RequestedAccount):
    """An account asked for on request, with `open_positions` long positions in as many instruments."""

    open_positions: Annotated[int, Field(ge=0, le=len(FURTHER_PERPETUALS))] = 0


class NewvenueAccountChange(ControlContent):
    """A change behind the owner's back."""

    balance: Decimal


class Newvenue(KeyedVenue[NewvenueSeed, NewvenueAccountState, NewNewvenueAccount, NewvenueAccountChange]):
    """The stand-in for Newvenue."""

    name = "newvenue"
    key_header = KEY_HEADER
    seeds = SEEDS
    new_account = NewNewvenueAccount
    account_change = NewvenueAccountChange

    def answer(self, received: Received) -> HttpResponse:
        """Carry a request out and answer it as Newvenue would, refusals included."""
        try:
            return json_answer(self._carry_out(received))
        except NewvenueRefused as refused:
            return json_answer({"code": refused.code, "message": str(refused)}, refused.status)
        except OverLimit as over:
            seconds = str(-(-over.retry_after // 1_000))
            refusal = {"code": "TOO_MANY_REQUESTS", "message": str(over)}
            return json_answer(refusal, 429, {"Retry-After": seconds})

    def parameters_of(self, received: Received) -> Mapping[str, str]:
        """What a request asks for, in its query or its body; the venue signs in headers."""
        try:
            return _parameters(received)
        except NewvenueRefused:
            return {}

    def set_limits(self, limits: Mapping[str, int]) -> None:
        """Set how many requests an address or a user may make in a minute. Raises ControlRefused."""
        set_limits(self._meters, limits, "limit")

    def _restore(self) -> None:
        self._meters = {name: WeightMeter(limit) for name, limit in LIMITS.items()}

    def _issue(self, seed: NewvenueSeed) -> Account:
        return Account(
            id=seed.id, exchange="newvenue", api_key=SecretStr(random_key(32)), secret=SecretStr(random_key(64))
        )

    def _requested_seed(self, request: NewNewvenueAccount) -> NewvenueSeed:
        held = FURTHER_PERPETUALS[: request.open_positions]
        positions = tuple((f"{base}-USDT", "1", mark) for base, mark in held)
        return NewvenueSeed(request.id, Decimal(1_000_000), positions)

    def _state_of(self, seed: NewvenueSeed) -> NewvenueAccountState:
        return state_of(seed, self.clock.now())

    def _change(self, member: Member[NewvenueSeed], wanted: NewvenueAccountChange) -> None:
        if wanted.balance < 0:
            raise ControlRefused("a balance is never negative here")
        self.states[member.id].balance = wanted.balance

    def _carry_out(self, received: Received) -> Any:
        if (endpoint := ENDPOINTS.get((received.method, received.path))) is None:
            raise NewvenueRefused("UNKNOWN_ENDPOINT")
        now = self.clock.now()
        if isinstance(endpoint, NewvenuePublicEndpoint):
            self._meters["address"].charge(received.address, 1, now)
            return endpoint.answer(now, _parameters(received))
        member = self._authenticated(received)
        self._meters["user"].charge(member.id, 1, now)
        return endpoint.answer(self.states[member.id], _parameters(received))

    def _authenticated(self, received: Received) -> Member[NewvenueSeed]:
        member = self._holders.get(received.headers.get(KEY_HEADER, ""))
        if member is None:
            raise NewvenueRefused("INVALID_KEY")
        check_time(received, self.clock.now())
        check_signature(received, member.account.reveal("secret"))
        return member


def _parameters(received: Received) -> dict[str, str]:
    if received.method == "GET":
        return dict(parse_qsl(received.query))
    try:
        content = orjson.loads(received.body or "{}")
    except orjson.JSONDecodeError:
        raise NewvenueRefused("INVALID_PARAMETER", "the body is no JSON") from None
    if not isinstance(content, dict):
        raise NewvenueRefused("INVALID_PARAMETER", "the body is no object")
    return {name: str(value) for name, value in content.items()}


STAND_IN = Newvenue
"""What the sandbox serves."""
