"""What all requests share: the clock, the addresses with their states, and who may sign for whom."""

from dataclasses import dataclass, field

from worker.sandbox.clock import Clock
from worker.sandbox.hyperliquid.account import AccountState
from worker.sandbox.hyperliquid.body import Body
from worker.sandbox.hyperliquid.errors import Unreadable
from worker.sandbox.hyperliquid.nonces import NonceBook
from worker.sandbox.hyperliquid.perps import DEXES, Dex


@dataclass(slots=True)
class World:
    """States by address, masters by the API wallets that they approved, leaders by their vaults."""

    clock: Clock
    states: dict[str, AccountState] = field(default_factory=dict)
    masters: dict[str, str] = field(default_factory=dict)
    leaders: dict[str, str] = field(default_factory=dict)
    nonces: dict[str, NonceBook] = field(default_factory=dict)

    def state_of(self, address: str) -> AccountState:
        """The state of an address; one that was never heard of has nothing."""
        return self.states.get(address) or AccountState(address)

    def state_asked(self, body: Body) -> AccountState:
        """The state that a question is about."""
        return self.state_of(body.address("user"))

    def book_of(self, signer: str) -> NonceBook:
        """The used nonces of a signer."""
        return self.nonces.setdefault(signer, NonceBook())

    def master_of(self, signer: str) -> str | None:
        """Whom a signer signs for: an account that approved it, or itself if it is one."""
        if master := self.masters.get(signer):
            return master
        return signer if signer in self.states and signer not in self.leaders else None


def dex_asked(body: Body) -> Dex:
    """The dex that a question is about: the main one unless it says otherwise. Raises Unreadable for an unknown one."""
    name = body.fields.get("dex") or ""
    for dex in DEXES:
        if dex.name == name:
            return dex
    raise Unreadable
