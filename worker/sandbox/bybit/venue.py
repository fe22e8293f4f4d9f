"""Bybit itself: counts, authenticates and answers requests, and keeps the accounts."""

from collections.abc import Mapping

from pydantic import SecretStr

from schemas.base import Milliseconds
from worker.accounts.account import Account
from worker.sandbox.bybit.account import BybitAccountState
from worker.sandbox.bybit.auth import KEY, UNAUTHORIZED, check_signature, check_time, is_signed
from worker.sandbox.bybit.contracts import BybitExchangeState, listed
from worker.sandbox.bybit.endpoints import ENDPOINTS, BybitPublicEndpoint, BybitSignedEndpoint, Endpoint
from worker.sandbox.bybit.errors import BybitRefused, enveloped
from worker.sandbox.bybit.limits import AddressMeter, EndpointMeter
from worker.sandbox.bybit.opening import BybitAccountChange, NewBybitAccount, change, requested_seed, state_of
from worker.sandbox.bybit.parameters import BybitParameters
from worker.sandbox.bybit.seeds import SEEDS, BybitSeedAccount
from worker.sandbox.bybit.streams import BybitSession, BybitStreams
from worker.sandbox.server.http import HttpResponse, Received
from worker.sandbox.server.seeded_venue import KeyedVenue, Member, random_key
from worker.sandbox.server.streams import Link
from worker.sandbox.server.venue import ControlRefused

ADDRESS = "ip"
"""What the limit of an address is called, beside the limits of endpoints, which go by their paths."""
STREAMS = "streams"
"""What the limit of the streams is called that an address may open in five minutes."""

TOO_FREQUENT = HttpResponse(403, b"access too frequent", "text/plain")
KEY_LENGTH, SECRET_LENGTH = 18, 36

ROUTES = {(endpoint.method, endpoint.path): endpoint for endpoint in ENDPOINTS}


class Bybit(KeyedVenue[BybitSeedAccount, BybitAccountState, NewBybitAccount, BybitAccountChange]):
    """The stand-in for Bybit."""

    name = "bybit"
    key_header = KEY
    seeds = SEEDS
    new_account = NewBybitAccount
    account_change = BybitAccountChange
    _streams: BybitStreams
    _touched: set[str]

    def answer(self, received: Received) -> HttpResponse:
        """Carry a request out and answer it as Bybit would, refusals included."""
        now = self.clock.now()
        if not self._addresses.admits(received.address, now):
            return TOO_FREQUENT
        endpoint = ROUTES.get((received.method, received.path))
        try:
            return self._carry_out(received, endpoint, now)
        except BybitRefused as refused:
            return refused.answer(now)

    def parameters_of(self, received: Received) -> Mapping[str, str]:
        """What a request asks for; its signature is in its headers."""
        try:
            return dict(BybitParameters.of(received))
        except BybitRefused:
            return {}

    def set_limits(self, limits: Mapping[str, int]) -> None:
        """Set limits: `ip` in five seconds, `streams` in five minutes, a path in one.

        Raises ControlRefused for a path that isn't served.
        """
        for name, limit in limits.items():
            if name == ADDRESS:
                self._addresses.limit = limit
            elif name == STREAMS:
                self._streams.dials.limit = limit
            elif name in self._limits:
                self._limits[name] = limit
            else:
                raise ControlRefused(
                    f"there is no limit {name}, only {ADDRESS}, {STREAMS} and {', '.join(self._limits)}"
                )

    def stream(self, received: Received, link: Link) -> BybitSession | HttpResponse | None:
        """A session at the private stream's path."""
        return self._streams.open(received, link)

    def push(self) -> None:
        """Tell what has changed in the accounts that were changed."""
        self._streams.push(self._touched)
        self._touched = set()

    def _restore(self) -> None:
        self.exchange = BybitExchangeState(self.clock, listed(self.clock.now()))
        self._touched = set()
        self._streams = BybitStreams(self._account_with, self.state, self.exchange)
        self._limits = {
            endpoint.path: endpoint.limit for endpoint in ENDPOINTS if isinstance(endpoint, BybitSignedEndpoint)
        }
        self._meter, self._addresses = EndpointMeter(), AddressMeter()

    def _issue(self, seed: BybitSeedAccount) -> Account:
        return Account(
            id=seed.id,
            exchange="bybit",
            api_key=SecretStr(random_key(KEY_LENGTH)),
            secret=SecretStr(random_key(SECRET_LENGTH)),
        )

    def _requested_seed(self, request: NewBybitAccount) -> BybitSeedAccount:
        return requested_seed(self.exchange, request)

    def _state_of(self, seed: BybitSeedAccount) -> BybitAccountState:
        return state_of(seed, self.exchange)

    def _change(self, member: Member[BybitSeedAccount], wanted: BybitAccountChange) -> None:
        self._touched.add(member.id)
        change(self.states[member.id], self.exchange, wanted)

    def _account_with(self, key: str) -> Account | None:
        member = self._holders.get(key)
        return None if member is None else member.account

    def _carry_out(self, received: Received, endpoint: Endpoint | None, now: Milliseconds) -> HttpResponse:
        if endpoint is None:
            raise BybitRefused(10017, status=404)
        if isinstance(endpoint, BybitPublicEndpoint):
            return enveloped(endpoint.handler(self.exchange, BybitParameters.of(received)), now)
        if not is_signed(received):
            return UNAUTHORIZED
        return self._for_account(received, endpoint, self._authenticated(received, now), now)

    def _authenticated(self, received: Received, now: Milliseconds) -> Member[BybitSeedAccount]:
        member = self._holders.get(received.headers[KEY])
        if member is None:
            raise BybitRefused(10003)
        check_time(received, now)
        check_signature(received, member.account.reveal("secret"))
        return member

    def _for_account(
        self, received: Received, endpoint: BybitSignedEndpoint, member: Member[BybitSeedAccount], now: Milliseconds
    ) -> HttpResponse:
        standing = self._meter.charge(member.id, endpoint.path, self._limits[endpoint.path], now)
        try:
            if standing.left < 0:
                raise BybitRefused(10006)
            state = self.states[member.id]
            if endpoint.method == "POST" and not state.key.changes_positions:
                raise BybitRefused(10005)
            if endpoint.method == "POST":
                self._touched.add(member.id)
            answer = enveloped(endpoint.handler(self.exchange, BybitParameters.of(received), state), now)
        except BybitRefused as refused:
            answer = refused.answer(now)
        return HttpResponse(answer.status, answer.body, answer.content_type, standing.headers)


STAND_IN = Bybit
"""What the sandbox serves."""
