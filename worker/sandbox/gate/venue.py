"""Gate itself: counts, authenticates and answers requests, and keeps the accounts."""

import secrets
from collections.abc import Mapping
from itertools import count
from typing import Any

from pydantic import SecretStr

from worker.accounts.account import Account
from worker.sandbox.gate.account import GateAccountState
from worker.sandbox.gate.auth import KEY, check_signature, check_time, header
from worker.sandbox.gate.contracts import GateExchangeState, listed
from worker.sandbox.gate.endpoint import PREFIX, Endpoint, GatePublicEndpoint, GateRequest, match
from worker.sandbox.gate.endpoints import ENDPOINTS
from worker.sandbox.gate.errors import GateRefused
from worker.sandbox.gate.limits import ACCOUNT_LIMIT, DOCUMENTED_LIMIT, GateRequestMeter
from worker.sandbox.gate.opening import GateAccountChange, NewGateAccount, change, requested_seed, state_of
from worker.sandbox.gate.parameters import GateParameters
from worker.sandbox.gate.seeds import SEEDS, GateSeedAccount
from worker.sandbox.gate.streams import GateSession, GateStreams
from worker.sandbox.server.http import HttpResponse, Received, json_answer
from worker.sandbox.server.limits import set_limits
from worker.sandbox.server.seeded_venue import KeyedVenue, Member
from worker.sandbox.server.streams import Link

ACCOUNT, UNIFIED = "account", "unified"
OF_USER = (ACCOUNT, UNIFIED)
"""Families whose endpoints are about a user, and not about one of its wallets."""
CONNECTIONS = "connections"
"""What the limit of the streams is called that an address may have open."""
LIMITS = {
    "spot": DOCUMENTED_LIMIT,
    "futures": DOCUMENTED_LIMIT,
    "delivery": DOCUMENTED_LIMIT,
    ACCOUNT: ACCOUNT_LIMIT,
    UNIFIED: ACCOUNT_LIMIT,
}
KEY_BYTES, SECRET_BYTES = 16, 32


class Gate(KeyedVenue[GateSeedAccount, GateAccountState, NewGateAccount, GateAccountChange]):
    """The stand-in for Gate.io futures."""

    name = "gate"
    key_header = KEY
    seeds = SEEDS
    new_account = NewGateAccount
    account_change = GateAccountChange
    _streams: GateStreams
    _touched: set[str]

    def __init__(self) -> None:
        self._users = count(20_001)
        super().__init__()

    def answer(self, received: Received) -> HttpResponse:
        """Carry a request out and answer it as Gate would, refusals included."""
        try:
            endpoint, path = _endpoint(received)
        except GateRefused as refused:
            return refused.answer()
        meter, now = self._meters[_family(received)], self.clock.now()
        left = meter.count(self._counted(received, endpoint), f"{endpoint.method} {endpoint.path}", now)
        headers = meter.headers(left, now)
        if left < 0:
            return GateRefused("TOO_MANY_REQUESTS", meter.limit).answer(headers)
        try:
            return json_answer(self._carry_out(received, endpoint, path), headers=headers)
        except GateRefused as refused:
            return refused.answer(headers)

    def _counted(self, received: Received, endpoint: Endpoint) -> str:
        """Whose requests are counted together: a user's, by whichever key; an address's where nobody need sign."""
        member = None if isinstance(endpoint, GatePublicEndpoint) else self._holders.get(received.headers.get(KEY, ""))
        return received.address if member is None else f"user {self.states[member.id].user}"

    def parameters_of(self, received: Received) -> Mapping[str, str]:
        """What a request asks for, in its path, its query or its body."""
        try:
            endpoint, path = _endpoint(received)
            return dict(_parameters(received, endpoint, path))
        except GateRefused:
            return {}

    def set_limits(self, limits: Mapping[str, int]) -> None:
        """Set how many requests each endpoint of a family takes in ten seconds, and how many streams may be open.

        Raises ControlRefused.
        """
        set_limits(self._meters | {CONNECTIONS: self._streams.connections}, limits, "endpoint family")

    def stream(self, received: Received, link: Link) -> GateSession | HttpResponse | None:
        """A session at the path of a product and a settle currency."""
        return self._streams.open(received, link)

    def push(self) -> None:
        """Tell what has changed in the accounts that were changed."""
        self._streams.push(self._touched)
        self._touched = set()

    def _restore(self) -> None:
        self._exchange = GateExchangeState(self.clock, listed(self.clock.now()))
        self._meters = {family: GateRequestMeter(limit) for family, limit in LIMITS.items()}
        self._touched = set()
        self._streams = GateStreams(self._account_with, self.state, self._exchange)

    def _issue(self, seed: GateSeedAccount) -> Account:
        return Account(
            id=seed.id,
            exchange="gate",
            api_key=SecretStr(secrets.token_hex(KEY_BYTES)),
            secret=SecretStr(secrets.token_hex(SECRET_BYTES)),
        )

    def _requested_seed(self, request: NewGateAccount) -> GateSeedAccount:
        return requested_seed(self._exchange, request, next(self._users))

    def _state_of(self, seed: GateSeedAccount) -> GateAccountState:
        return state_of(seed, self._exchange)

    def _settle(self, member: Member[GateSeedAccount]) -> None:
        super()._settle(member)
        self.states[member.id].api_key = member.account.reveal("api_key")

    def _change(self, member: Member[GateSeedAccount], wanted: GateAccountChange) -> None:
        self._touched.add(member.id)
        change(self.states[member.id], self._exchange, wanted)

    def _account_with(self, key: str) -> Account | None:
        member = self._holders.get(key)
        return None if member is None else member.account

    def _carry_out(self, received: Received, endpoint: Endpoint, path: Mapping[str, str]) -> Any:
        decimal_sizes = received.headers.get("X-Gate-Size-Decimal") == "1"
        if isinstance(endpoint, GatePublicEndpoint):
            return endpoint.handler(self._question(received, endpoint, path, decimal_sizes))
        account = self._authenticated(received)
        question = self._question(received, endpoint, path, decimal_sizes)
        _check_right(account, question.family, endpoint)
        if question.family not in OF_USER and (question.family, question.settle) not in account.wallets:
            raise GateRefused("USER_NOT_FOUND")
        if endpoint.method == "POST":
            self._touched.add(account.id)
        return endpoint.handler(question, account)

    def _question(
        self, received: Received, endpoint: Endpoint, path: Mapping[str, str], decimal_sizes: bool
    ) -> GateRequest:
        return GateRequest(self._exchange, _family(received), _parameters(received, endpoint, path), decimal_sizes)

    def _authenticated(self, received: Received) -> GateAccountState:
        member = self._holders.get(header(received, KEY))
        if member is None:
            raise GateRefused("INVALID_KEY")
        check_time(received, self.clock.now())
        check_signature(received, member.account.reveal("secret"))
        return self.states[member.id]


def _check_right(account: GateAccountState, family: str, endpoint: Endpoint) -> None:
    """Raise GateRefused unless the account's key has the right for a family, and more than reading for a change."""
    if family not in account.key.perms:
        raise GateRefused("FORBIDDEN", family)
    if endpoint.method != "GET" and account.key.perms[family]:
        raise GateRefused("READ_ONLY")


def _family(received: Received) -> str:
    return received.path.removeprefix(PREFIX).split("/")[1]


def _endpoint(received: Received) -> tuple[Endpoint, Mapping[str, str]]:
    """The endpoint of a request and the parameters in its path. Raises GateRefused."""
    matches = [(endpoint, path) for endpoint in ENDPOINTS if (path := match(endpoint.path, received.path)) is not None]
    if not matches:
        raise GateRefused("NOT_FOUND", received.path)
    for endpoint, path in matches:
        if endpoint.method == received.method:
            return endpoint, path
    raise GateRefused("METHOD_NOT_ALLOWED", received.method)


def _parameters(received: Received, endpoint: Endpoint, path: Mapping[str, str]) -> GateParameters:
    return GateParameters.of(received, path, in_body=not isinstance(endpoint, GatePublicEndpoint) and endpoint.in_body)


STAND_IN = Gate
"""What the sandbox serves."""
