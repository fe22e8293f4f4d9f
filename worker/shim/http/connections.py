"""How many connections there may be, in all and from one address, and which one goes when there are more.

The oldest idle one goes first; after those the oldest whose request holds no place, such as one that fetches a page or
has shown no token yet. A connection whose request holds a place never goes, and of these there are at most as many as
the limit: so there is always room for one more, and whoever asks for `/healthz` is heard.
"""

import ipaddress
import resource
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from itertools import chain, islice
from typing import Protocol

import structlog

from worker.config.settings import Settings

OTHER_FILES = 64
"""Descriptors that are left for everything else: the broker, logs, the metrics port, the identity provider."""

SURPLUS = 24
"""Connections beyond a limit, for who asks after our health, or is an admin, while all others are at work."""

USUALLY_AT_MOST = 4_096

TELL_EVERY_S = 60.0

log = structlog.get_logger("worker.shim")


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Connections in all, and from one address; those of `proxies` are many clients and count in all alone."""

    most: int = 1_000
    of_address: int = 500
    proxies: str = ""


def connection_limits(settings: Settings) -> ConnectionLimits:
    """What the settings say, as far as there are descriptors for it; half of it for one address by default."""
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    room = max(1, max(descriptors - OTHER_FILES, descriptors // 2) - SURPLUS)
    wanted = settings.http_connections or max(USUALLY_AT_MOST, 4 * settings.http_requests)
    if settings.http_connections and wanted > room:
        log.warning("connection_limit_lowered", descriptors=descriptors, limit=room)
    most = min(wanted, room)
    of_address = settings.http_connections_of_address or max(1, most // 2)
    return ConnectionLimits(most, min(most, of_address), settings.trusted_proxies or "")


class ConnectionState(Enum):
    """What a connection does. One that is HELD has a request that holds a place."""

    IDLE = auto()
    BUSY = auto()
    HELD = auto()


class Closable(Protocol):
    """What ends a connection at once: a transport, or what stands for it."""

    def abort(self) -> None:
        """End it."""


class _Group:
    """Connections that have a limit together, each in the order in which it came to its state."""

    def __init__(self, most: int, reason: str) -> None:
        self.most = most
        self.reason = reason
        self.by_state: dict[ConnectionState, OrderedDict[Connection, None]] = {
            state: OrderedDict() for state in ConnectionState
        }

    @property
    def count(self) -> int:
        return sum(map(len, self.by_state.values()))

    def __iter__(self) -> Iterator["Connection"]:
        return iter([connection for standing in self.by_state.values() for connection in standing])

    def to_go(self) -> "Connection | None":
        """The one that makes room for another, where one must."""
        if self.count < self.most:
            return None
        busy = self.by_state[ConnectionState.BUSY] if self.count >= self.most + SURPLUS else ()
        return next(chain(self.by_state[ConnectionState.IDLE], busy), None)


class Connection:
    """One connection, from its acceptance to its end."""

    def __init__(self, groups: tuple[_Group, ...], address: str, closable: Closable) -> None:
        self.address = address
        self.closable = closable
        self._groups = groups
        self._state: ConnectionState | None = None
        self._enter(ConnectionState.IDLE)

    def rests(self) -> None:
        """It waits for its next request."""
        self._change(ConnectionState.IDLE)

    def works(self) -> None:
        """It has a request."""
        if self._state is ConnectionState.IDLE:
            self._change(ConnectionState.BUSY)

    def hold(self, surplus: int = 0) -> bool:
        """Its request takes a place, and the connection stays until it gives it back; False where too many do."""
        if self._state is None:
            return False
        if any(len(group.by_state[ConnectionState.HELD]) >= group.most + surplus for group in self._groups):
            return False
        self._change(ConnectionState.HELD)
        return True

    def release(self) -> None:
        """The place was given back."""
        self._change(ConnectionState.BUSY)

    def ended(self) -> None:
        """It is no more. Whatever is said of it later changes nothing."""
        self._leave()
        self._state = None

    def _change(self, state: ConnectionState) -> None:
        if self._state is not None:
            self._leave()
            self._enter(state)

    def _enter(self, state: ConnectionState) -> None:
        self._state = state
        for group in self._groups:
            group.by_state[state][self] = None

    def _leave(self) -> None:
        for group in self._groups:
            if self._state is not None:
                del group.by_state[self._state][self]


class Connections:
    """All connections of a server. `dropped` counts those that had to go, by the limit that was reached."""

    def __init__(self, limits: ConnectionLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self.dropped: Counter[str] = Counter({"all": 0, "address": 0, "descriptors": 0})
        self._is_proxy = trusted(limits.proxies)
        self._all = _Group(limits.most, "all")
        self._by_address: dict[str, _Group] = {}
        self._clock = clock
        self._tell_from = 0.0
        self._untold = 0

    @property
    def count(self) -> int:
        """How many are open."""
        return self._all.count

    def admit(self, host: str, closable: Closable) -> Connection:
        """Count one that was accepted. Others go where the limit of its address, or of all, is reached."""
        address = network_of(host)
        mine = self._by_address.setdefault(address, _Group(self.limits.of_address, "address"))
        groups = (self._all,) if self._is_proxy(host) else (mine, self._all)
        for group in groups:
            if (oldest := group.to_go()) is not None:
                self._drop(oldest, group.reason)
        self._forget_empty()
        self._by_address[address] = mine
        return Connection(groups, address, closable)

    def abort(self) -> None:
        """End them all."""
        for connection in self._all:
            connection.closable.abort()

    def out_of_descriptors(self, error: OSError, wanted: int) -> None:
        """The system has none left, whatever the limit says: the oldest idle ones go, as many as are wanted."""
        oldest = tuple(islice(self._all.by_state[ConnectionState.IDLE], wanted))
        for connection in oldest:
            self._drop(connection, "descriptors", str(error))
        if not oldest:
            self._tell("descriptors", None, str(error))

    def _drop(self, connection: Connection, reason: str, error: str | None = None) -> None:
        connection.ended()
        connection.closable.abort()
        self.dropped[reason] += 1
        self._tell(reason, connection.address, error)

    def _tell(self, reason: str, address: str | None, error: str | None) -> None:
        """One line, and no other for a minute, however many go."""
        self._untold += 1
        if self._clock() >= self._tell_from:
            log.warning(
                "too_many_connections",
                reason=reason,
                address=address,
                error=error,
                closed=self._untold,
                open=self.count,
            )
            self._untold, self._tell_from = 0, self._clock() + TELL_EVERY_S

    def _forget_empty(self) -> None:
        if len(self._by_address) > 2 * self.limits.most + SURPLUS:
            self._by_address = {address: group for address, group in self._by_address.items() if group.count}


def network_of(host: str) -> str:
    """What counts as one address: of IPv6 a whole /64, which is what one customer has at least.

    >>> network_of("203.0.113.9"), network_of("2001:db8::1:2:3:4"), network_of("::ffff:203.0.113.9")
    ('203.0.113.9', '2001:db8::/64', '203.0.113.9')
    """
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))


def trusted(proxies: str) -> Callable[[str], bool]:
    """Whether an address is one of these, written as for PERPS_DMA_TRUSTED_PROXIES.

    >>> trusted("10.0.0.1, 192.0.2.0/24")("192.0.2.7"), trusted("*")("198.51.100.1"), trusted("")("10.0.0.1")
    (True, True, False)
    """
    named = [name.strip() for name in proxies.split(",") if name.strip()]
    networks = [network for name in named if (network := _network(name)) is not None]

    def is_one(host: str) -> bool:
        address = _network(host)
        within = address is not None and any(
            network.version == address.version and address.network_address in network for network in networks
        )
        return within or "*" in named or host in named

    return is_one


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None
