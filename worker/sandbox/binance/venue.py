"""Binance itself: weighs, authenticates and answers requests, and keeps the accounts."""

from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from worker.accounts.account import Account
from worker.sandbox.binance.account import BinanceAccountState
from worker.sandbox.binance.auth import KEY_HEADER, api_key, check_signature, check_time
from worker.sandbox.binance.contracts import BinanceExchangeState, listed
from worker.sandbox.binance.endpoint import BinanceKeyEndpoint, BinancePublicEndpoint, Endpoint, Family, weight_of
from worker.sandbox.binance.errors import BANNED, THROTTLED, BinanceRefused, error_answer
from worker.sandbox.binance.families import FAMILIES
from worker.sandbox.binance.opening import BinanceAccountChange, NewBinanceAccount, change, requested_seed, state_of
from worker.sandbox.binance.parameters import BinanceParameters
from worker.sandbox.binance.seeds import SEEDS, BinanceSeedAccount
from worker.sandbox.binance.streams import UserStreams, handshake
from worker.sandbox.kit.clock import SECOND
from worker.sandbox.server.http import HttpResponse, Received, json_answer
from worker.sandbox.server.limits import OverLimit, WeightMeter, set_limits
from worker.sandbox.server.seeded_venue import KeyedVenue, Member, random_key
from worker.sandbox.server.streams import Link, StreamSession

USED_WEIGHT = "X-MBX-USED-WEIGHT-1M"
KEY_LENGTH = 64

ROUTES = {(endpoint.method, endpoint.path): (family, endpoint) for family in FAMILIES for endpoint in family.endpoints}


class Binance(KeyedVenue[BinanceSeedAccount, BinanceAccountState, NewBinanceAccount, BinanceAccountChange]):
    """The stand-in for Binance futures."""

    name = "binance"
    key_header = KEY_HEADER
    seeds = SEEDS
    new_account = NewBinanceAccount
    account_change = BinanceAccountChange

    def answer(self, received: Received) -> HttpResponse:
        """Carry a request out and answer it as Binance would, refusals included."""
        family, endpoint = ROUTES.get((received.method, received.path), (None, None))
        if family is None or endpoint is None:
            return BinanceRefused(-5000, received.path, received.method).answer()
        try:
            used = self._weigh(received, family, endpoint)
        except OverLimit as over:
            return _throttled(over)
        try:
            answer = json_answer(self._carry_out(received, family, endpoint))
        except BinanceRefused as refused:
            answer = refused.answer()
        return HttpResponse(answer.status, answer.body, answer.content_type, {**answer.headers, USED_WEIGHT: str(used)})

    @property
    def listen_keys(self) -> tuple[str, ...]:
        """Every listen key that was issued."""
        return self._exchange.listen_keys.issued

    def stream(self, received: Received, link: Link) -> StreamSession | None:
        """Begin a session: anybody may connect, and hears what the listen keys that are shown open."""
        return handshake(self.streams, received, link)

    def push(self) -> None:
        """Tell whoever listens what has changed in the accounts that were touched."""
        while self._touched:
            self.streams.push(*self._touched.popitem())

    def is_read(self, received: Received) -> bool:
        """Whether a request changes nothing of an account: a GET, or one for a listen key."""
        _, endpoint = ROUTES.get((received.method, received.path), (None, None))
        return received.method == "GET" or isinstance(endpoint, BinanceKeyEndpoint)

    def parameters_of(self, received: Received) -> Mapping[str, str]:
        """What a request asks for, without its signature."""
        try:
            parameters = BinanceParameters.of(received)
        except BinanceRefused:
            return {}
        return {name: value for name, value in parameters.items() if name != "signature"}

    def set_limits(self, limits: Mapping[str, int]) -> None:
        """Set weight limits by family. Those of fapi and dapi are one. Raises ControlRefused for an unknown one."""
        set_limits(self._meters, limits, "endpoint family")

    def _restore(self) -> None:
        self._meters: dict[str, WeightMeter] = {}
        for family in FAMILIES:
            shared = self._meters.get(family.counts_with or "")
            self._meters[family.name] = shared or WeightMeter(family.limit)
        self._exchange = BinanceExchangeState(self.clock, listed(self.clock.now()), self._meters)
        self.streams = UserStreams(self._exchange, self.state)
        self._touched: dict[str, str | None] = {}

    def _issue(self, seed: BinanceSeedAccount) -> Account:
        return Account(
            id=seed.id,
            exchange="binance",
            portfolio_margin=seed.portfolio_margin,
            api_key=SecretStr(random_key(KEY_LENGTH)),
            secret=SecretStr(random_key(KEY_LENGTH)),
        )

    def _requested_seed(self, request: NewBinanceAccount) -> BinanceSeedAccount:
        return requested_seed(self._exchange, request)

    def _state_of(self, seed: BinanceSeedAccount) -> BinanceAccountState:
        return state_of(seed, self._exchange)

    def _change(self, member: Member[BinanceSeedAccount], wanted: BinanceAccountChange) -> None:
        change(self.states[member.id], self._exchange, wanted)
        self._touched[member.id] = wanted.reason

    def _weigh(self, received: Received, family: Family, endpoint: Endpoint) -> int:
        try:
            weight = weight_of(endpoint, BinanceParameters.of(received))
        except BinanceRefused:
            weight = endpoint.weight
        return self._meters[family.name].charge(received.address, weight, self.clock.now())

    def _carry_out(self, received: Received, family: Family, endpoint: Endpoint) -> Any:
        if isinstance(endpoint, BinancePublicEndpoint):
            return endpoint.handler(self._exchange, BinanceParameters.of(received))
        member = self._holder(received, family)
        if isinstance(endpoint, BinanceKeyEndpoint):
            return endpoint.handler(self._exchange, BinanceParameters({}), self.states[member.id])
        parameters = BinanceParameters.of(received)
        check_time(parameters, self.clock.now())
        check_signature(received, parameters, member.account.reveal("secret"))
        if received.method != "GET":
            self._touched[member.id] = None
        return endpoint.handler(self._exchange, parameters, self.states[member.id])

    def _holder(self, received: Received, family: Family) -> Member[BinanceSeedAccount]:
        member = self._holders.get(api_key(received))
        if member is None and family.right is None:
            raise BinanceRefused(-2008)
        if member is None or not family.admits(self.states[member.id]):
            raise BinanceRefused(-2015, received.address)
        return member


def _throttled(over: OverLimit) -> HttpResponse:
    headers = {"Retry-After": str(-(-over.retry_after // SECOND)), USED_WEIGHT: str(over.used)}
    if over.banned_until is not None:
        return error_answer(418, -1003, BANNED.format(over.banned_until), headers)
    return error_answer(429, -1003, THROTTLED.format(over.limit), headers)


STAND_IN = Binance
"""What the sandbox serves."""
