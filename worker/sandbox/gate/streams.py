"""Gate's private streams: signed subscriptions, pings, and what is pushed over them.

GET /v4/ws/… with Upgrade ─▶ GateSession ─ subscribe, unsubscribe, futures.ping ─▶ acknowledgements
POST or change carried out ─▶ GateStreams.push ─▶ every session of that part that the account has subscribed with

One connection is of one product and settle currency: `/v4/ws/usdt`, `/v4/ws/btc`, `/v4/ws/delivery/usdt`, and `/v4/ws`,
which means btc. In front may stand `/fx`, for ccxt tells products apart by the text of their URLs.

Source: "Futures WebSocket v4" and "Delivery WebSocket v4", checked 2026-11-29, and the refusals that ccxt 4.5.90 and
issues of gatews show. Guesses: that a signature is good for a minute, as in REST; that a wrong user id, or a second
key, is refused with code 2; that there is a stream of USD1 at `/v4/ws/usd1`; and what a handshake past the limit of
connections gets. Orders to misbehave (`order` faults):

no_change_push  positions are pushed as they are: those of the contracts in `content`, or all that are open
"""

import hashlib
import hmac
import json
import re
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from schemas.base import Milliseconds
from worker.accounts.account import Account
from worker.sandbox.gate.account import GateAccountState
from worker.sandbox.gate.auth import LARGEST_GAP
from worker.sandbox.gate.contracts import DELIVERY, PERPETUAL, GateExchangeState
from worker.sandbox.gate.errors import REFUSALS
from worker.sandbox.gate.happenings import CLOSES, DELEVERAGES, LIQUIDATES, RISK_LIMITS
from worker.sandbox.gate.limits import GateConnectionMeter
from worker.sandbox.gate.pushes import (
    BALANCES,
    POSITIONS,
    GatePush,
    GateTold,
    PartKey,
    changes,
    position_pushes,
    told_of,
)
from worker.sandbox.kit.clock import SECOND
from worker.sandbox.kit.refusal import SandboxRefusal
from worker.sandbox.server.http import HttpResponse, Received
from worker.sandbox.server.streams import Link

_PATH = re.compile(r"(?:/fx)?/v4/ws(?:/futures)?(?:/(?P<delivery>delivery))?(?:/(?P<settle>usdt|btc|usd1))?")

PING, PONG = "futures.ping", "futures.pong"
CHANNELS = (POSITIONS, BALANCES, CLOSES, LIQUIDATES, DELEVERAGES, RISK_LIMITS, "futures.orders", "futures.usertrades")
WITHOUT_CONTRACTS = (BALANCES,)
ANY_USER = (POSITIONS,)
"""Where the user's id is a placeholder that need not be right."""
ALL = "!all"

BAD_STRUCT, BAD_ARGUMENT, SERVICE, UNAUTHENTICATED = 1, 2, 3, 4
"""Codes of refusals: an invalid request, an invalid argument, an error of the service, no authentication."""

TOO_MANY_CONNECTIONS = HttpResponse(429, b"")


class GateStreamRefused(SandboxRefusal):
    """A subscription is refused with a code and a message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message}


def _labelled(label: str, *arguments: str) -> GateStreamRefused:
    """Not authenticated, with the label that REST answers."""
    body = {"label": label, "message": REFUSALS[label].message.format(*arguments)}
    return GateStreamRefused(UNAUTHENTICATED, json.dumps(body, separators=(",", ":")) + "\n")


def part_at(path: str) -> PartKey | None:
    """Family and settle currency of a path; None where there is no stream.

    >>> part_at("/v4/ws/delivery/usdt"), part_at("/fx/v4/ws/usdt"), part_at("/v4/ws"), part_at("/v4/ws/doge")
    (('delivery', 'usdt'), ('futures', 'usdt'), ('futures', 'btc'), None)
    """
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    return DELIVERY if found["delivery"] else PERPETUAL, found["settle"] or "btc"


@dataclass(slots=True)
class GateStreams:
    """The open sessions, and what they have told of each account."""

    account_with: Callable[[str], Account | None]
    state_of: Callable[[str], GateAccountState]
    exchange: GateExchangeState
    connections: GateConnectionMeter = field(default_factory=GateConnectionMeter)
    sessions: "list[GateSession]" = field(default_factory=list)
    told: dict[str, GateTold] = field(default_factory=dict)

    def open(self, received: Received, link: Link) -> "GateSession | HttpResponse | None":
        """Begin a session; None at a path that has no stream."""
        part = part_at(received.path)
        if part is None:
            return None
        self.sessions = [session for session in self.sessions if not session.link.ended]
        if Counter(session.address for session in self.sessions)[received.address] >= self.connections.limit:
            return TOO_MANY_CONNECTIONS
        session = GateSession(self, link, part, received.address)
        self.sessions.append(session)
        return session

    def listen(self, account_id: str) -> None:
        """Somebody listens from now on to what changes in an account."""
        self.told.setdefault(account_id, told_of(self.state_of(account_id)))

    def push(self, touched: Iterable[str]) -> None:
        """Tell of the accounts that requests or changes have been about."""
        for account_id in touched:
            listening = [one for one in self.sessions if one.account == account_id and not one.link.ended]
            before, state = self.told.pop(account_id, None), self.state_of(account_id)
            if listening:
                self.told[account_id] = told_of(state)
                for push in changes(before or told_of(state), state, self.exchange.clock.now()):
                    for session in listening:
                        session.tell(push)


class GateStreamRequest(NamedTuple):
    """A frame of a client."""

    channel: str
    event: str
    payload: Any
    auth: Any
    time: int
    id: Any

    @classmethod
    def of(cls, frame: str) -> "GateStreamRequest | None":
        """None for what is no request at all."""
        try:
            content = json.loads(frame)
        except ValueError:
            return None
        if not isinstance(content, dict) or not isinstance(content.get("channel"), str):
            return None
        time = content.get("time")
        return cls(
            content["channel"],
            str(content.get("event") or ""),
            content.get("payload"),
            content.get("auth"),
            time if isinstance(time, int) else 0,
            content.get("id"),
        )

    def signature(self, secret: str) -> str:
        """What it must be signed with."""
        text = f"channel={self.channel}&event={self.event}&time={self.time}"
        return hmac.new(secret.encode(), text.encode(), hashlib.sha512).hexdigest()


class GateSession:
    """One connection to the stream of a product and a settle currency."""

    def __init__(self, streams: GateStreams, link: Link, part: PartKey, address: str) -> None:
        self.link = link
        self.account: str | None = None
        self.address = address
        self.channels: dict[str, frozenset[str]] = {}
        self._streams = streams
        self._part = part
        self._id = secrets.token_hex(8)

    @property
    def _now(self) -> Milliseconds:
        return self._streams.exchange.clock.now()

    def receive(self, frame: str) -> None:
        """A subscription, its end, or a ping."""
        request = GateStreamRequest.of(frame)
        if request is None:
            self._answer(
                GateStreamRequest("", "", None, None, 0, None), GateStreamRefused(BAD_STRUCT, "invalid struct")
            )
        elif request.channel == PING:
            self.link.say(self._stamped() | {"channel": PONG, "event": "", "error": None, "result": None})
        else:
            try:
                self._carry_out(request)
            except GateStreamRefused as refused:
                self._answer(request, refused)
            else:
                self._answer(request)

    def tick(self, now: Milliseconds) -> None:
        """Nothing is due by itself."""

    def order(self, name: str, content: Any) -> bool:
        """Push what has not changed."""
        if name != "no_change_push" or self.account is None:
            return False
        state = self._streams.state_of(self.account)
        slots = [
            slot
            for slot in state.slots_in(*self._part)
            if (slot.contract.name in content if isinstance(content, list) else slot.size)
        ]
        for push in position_pushes(state, slots, self._now):
            self.tell(push)
        return True

    def tell(self, push: GatePush) -> None:
        """Push a row to who has subscribed to its channel, in this part, for its contract."""
        wanted = self.channels.get(push.channel)
        if wanted is None or push.part != self._part:
            return
        if push.contract is None or ALL in wanted or push.contract in wanted:
            told = {"channel": push.channel, "event": "update", "result": [push.row]}
            self.link.push(self._stamped() | told)

    def _carry_out(self, request: GateStreamRequest) -> None:
        if request.channel not in CHANNELS:
            raise GateStreamRefused(BAD_ARGUMENT, f"unknown channel {request.channel}")
        if request.event not in ("subscribe", "unsubscribe"):
            raise GateStreamRefused(BAD_STRUCT, f"unknown event {request.event}")
        if request.event == "unsubscribe":
            self.channels.pop(request.channel, None)
            return
        account = self._authenticated(request)
        contracts = self._contracts(request, account)
        self.account = account.id
        self.channels[request.channel] = self.channels.get(request.channel, frozenset()) | contracts
        self._streams.listen(account.id)

    def _authenticated(self, request: GateStreamRequest) -> Account:
        """Whose signature it is. Raises GateStreamRefused."""
        auth = request.auth if isinstance(request.auth, dict) else {}
        account = self._streams.account_with(str(auth.get("KEY", "")))
        if account is None:
            raise _labelled("INVALID_KEY")
        if abs(request.time * SECOND - self._now) > LARGEST_GAP:
            raise _labelled("REQUEST_EXPIRED")
        signature = str(auth.get("SIGN", "")).lower()
        if not hmac.compare_digest(request.signature(account.reveal("secret")).encode(), signature.encode()):
            raise _labelled("INVALID_SIGNATURE")
        if self._part[0] not in self._streams.state_of(account.id).key.perms:
            raise _labelled("FORBIDDEN", self._part[0])
        if self.account not in (None, account.id):
            raise GateStreamRefused(BAD_ARGUMENT, "another key has subscribed before")
        return account

    def _contracts(self, request: GateStreamRequest, account: Account) -> frozenset[str]:
        """The contracts that are asked for. Raises GateStreamRefused for what is not listed, and for another user."""
        payload = request.payload
        if not isinstance(payload, list) or not payload or not all(isinstance(item, str) for item in payload):
            raise GateStreamRefused(BAD_ARGUMENT, "invalid payload")
        user, *contracts = payload
        if request.channel not in ANY_USER and user != str(self._streams.state_of(account.id).user):
            raise GateStreamRefused(BAD_ARGUMENT, f"auth faild , auth data : {{{{{user}}}}}")
        if request.channel in WITHOUT_CONTRACTS:
            return frozenset((ALL,))
        listed = {contract.name for contract in self._streams.exchange.listed(*self._part)}
        if not contracts or (unknown := set(contracts) - listed - {ALL}):
            raise GateStreamRefused(BAD_ARGUMENT, f"unknown contract {', '.join(unknown) if contracts else ''}")
        return frozenset(contracts)

    def _stamped(self) -> dict[str, Any]:
        return {"time": self._now // SECOND, "time_ms": self._now}

    def _answer(self, request: GateStreamRequest, refused: GateStreamRefused | None = None) -> None:
        named: Mapping[str, Any] = {} if request.id is None else {"id": request.id}
        self.link.acknowledge(
            {
                **self._stamped(),
                **named,
                "conn_id": self._id,
                "channel": request.channel,
                "event": request.event,
                "payload": request.payload,
                "error": None if refused is None else refused.error,
                "result": {"status": "success"} if refused is None else None,
            }
        )
