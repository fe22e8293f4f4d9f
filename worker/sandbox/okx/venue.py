"""OKX itself: counts, authenticates and answers requests, and keeps the accounts."""

import secrets
import uuid
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from worker.accounts.account import Account
from worker.sandbox.okx.account import OkxAccountState
from worker.sandbox.okx.auth import KEY_HEADER, api_key, check_passphrase, check_signature, check_time
from worker.sandbox.okx.endpoints import ENDPOINTS, Endpoint, OkxPublicEndpoint, name_of
from worker.sandbox.okx.errors import OkxRefused, envelope
from worker.sandbox.okx.instruments import OkxExchangeState, listed
from worker.sandbox.okx.limits import OkxRequestMeter
from worker.sandbox.okx.opening import NewOkxAccount, OkxAccountChange, change, requested_seed, state_of
from worker.sandbox.okx.parameters import OkxParameters
from worker.sandbox.okx.seeds import SEEDS, OkxSeedAccount
from worker.sandbox.okx.stream_session import PATH, OkxStreamSession
from worker.sandbox.server.http import HttpResponse, Received
from worker.sandbox.server.limits import set_limits
from worker.sandbox.server.seeded_venue import KeyedVenue, Member
from worker.sandbox.server.streams import Link
from worker.sandbox.server.venue import ControlRefused

ROUTES = {(endpoint.method, endpoint.path): endpoint for endpoint in ENDPOINTS}


class Okx(KeyedVenue[OkxSeedAccount, OkxAccountState, NewOkxAccount, OkxAccountChange]):
    """The stand-in for OKX."""

    name = "okx"
    key_header = KEY_HEADER
    seeds = SEEDS
    new_account = NewOkxAccount
    account_change = OkxAccountChange

    def __init__(self) -> None:
        self._sessions: list[OkxStreamSession] = []
        super().__init__()

    def answer(self, received: Received) -> HttpResponse:
        """Carry a request out and answer it as OKX would, refusals included."""
        endpoint = ROUTES.get((received.method, received.path))
        if endpoint is None:
            return self._unknown(received)
        try:
            return envelope(self._carry_out(received, endpoint))
        except OkxRefused as refused:
            return refused.answer()

    def parameters_of(self, received: Received) -> Mapping[str, str]:
        """What a request asks for; OKX signs in headers."""
        try:
            return dict(OkxParameters.of(received))
        except OkxRefused:
            return {}

    def set_limits(self, limits: Mapping[str, int]) -> None:
        """Set how many requests an endpoint takes in two seconds, by the last part of its path."""
        set_limits(self._meters, limits, "endpoint")

    def stream(self, received: Received, link: Link) -> OkxStreamSession | None:
        """A connection to the private streams, which nobody has logged in to so far."""
        if received.path != PATH:
            return None
        session = OkxStreamSession(self, link, secrets.token_hex(4), self.clock.now)
        self._sessions.append(session)
        return session

    def push(self) -> None:
        """Tell each connection what has changed in its account."""
        for session in self._open_sessions():
            session.push()

    def holder(self, key: str) -> Account | None:
        """Whose key it is."""
        member = self._holders.get(key)
        return None if member is None else member.account

    def listening(self, state: OkxAccountState, channel: str) -> int:
        """How many connections listen to a channel of an account, whatever key of it they have logged in with."""
        return sum(session.state is state and channel in session.subscriptions for session in self._open_sessions())

    def _open_sessions(self) -> list[OkxStreamSession]:
        self._sessions = [session for session in self._sessions if not session.link.ended]
        return self._sessions

    def _restore(self) -> None:
        self._exchange = OkxExchangeState(self.clock, listed(self.clock.now()))
        self._meters = {name_of(endpoint): OkxRequestMeter(endpoint.limit) for endpoint in ENDPOINTS}

    def _issue(self, seed: OkxSeedAccount) -> Account:
        return Account(
            id=seed.id,
            exchange="okx",
            api_key=SecretStr(str(uuid.uuid4())),
            secret=SecretStr(secrets.token_hex(16).upper()),
            passphrase=SecretStr(secrets.token_urlsafe(12)),
        )

    def _requested_seed(self, request: NewOkxAccount) -> OkxSeedAccount:
        if request.key_of is not None and request.key_of not in self._members:
            raise ControlRefused(f"there is no account {request.key_of} to give another key")
        return requested_seed(self._exchange, request)

    def _state_of(self, seed: OkxSeedAccount) -> OkxAccountState:
        return state_of(seed, self._exchange) if seed.key_of is None else self.states[seed.key_of]

    def _change(self, member: Member[OkxSeedAccount], wanted: OkxAccountChange) -> None:
        change(self.states[member.id], self._exchange, wanted)

    def _unknown(self, received: Received) -> HttpResponse:
        if any(path == received.path for _, path in ROUTES):
            return OkxRefused("50115").answer()
        return envelope([], "404", "Not Found", 404)

    def _carry_out(self, received: Received, endpoint: Endpoint) -> list[dict[str, Any]]:
        if isinstance(endpoint, OkxPublicEndpoint):
            self._count(endpoint, received.address)
            return endpoint.handler(self._exchange, OkxParameters.of(received))
        member = self._authenticated(received)
        self._count(endpoint, self.states[member.id].uid)
        if endpoint.method == "POST" and "trade" not in self.states[member.id].key.perm:
            raise OkxRefused("50120")
        return endpoint.handler(self._exchange, OkxParameters.of(received), self.states[member.id])

    def _count(self, endpoint: Endpoint, who: str) -> None:
        if not self._meters[name_of(endpoint)].admits(who, self.clock.now()):
            raise OkxRefused("50011")

    def _authenticated(self, received: Received) -> Member[OkxSeedAccount]:
        member = self._holders.get(api_key(received))
        if member is None:
            raise OkxRefused("50119")
        check_time(received, self.clock.now())
        check_passphrase(received, member.account.reveal("passphrase"))
        check_signature(received, member.account.reveal("secret"))
        return member


STAND_IN = Okx
"""What the sandbox serves."""
