"""What all requests share: the clock, the addresses with their states, and who may sign for whom."""

from dataclasses import dataclass, field

from schemas.base import Milliseconds
from worker.sandbox.hyperliquid.account import HyperliquidAccountState
from worker.sandbox.hyperliquid.body import Body
from worker.sandbox.hyperliquid.errors import Unreadable
from worker.sandbox.hyperliquid.nonces import NonceBook
from worker.sandbox.hyperliquid.perps import LISTED, Dex, Perpetuals
from worker.sandbox.kit.clock import Clock

NEVER: Milliseconds = 4_133_404_800_000


@dataclass(slots=True)
class Agent:
    """An API wallet that an account approved. Without a name it is not listed; once expired it signs no more.

    One without an end to its validity is told with null (extraAgents in the schema of @nktkas/hyperliquid 0.33.3).
    """

    master: str
    name: str | None
    valid_until: Milliseconds | None = NEVER


@dataclass(slots=True)
class Owned:
    """A vault and the account that leads it, or a sub-account and its master."""

    owner: str
    sub_account: bool = False


@dataclass(slots=True)
class World:
    """What is listed, states by address, API wallets and what is owned by theirs."""

    clock: Clock
    listing: Perpetuals = LISTED
    states: dict[str, HyperliquidAccountState] = field(default_factory=dict)
    agents: dict[str, Agent] = field(default_factory=dict)
    owned: dict[str, Owned] = field(default_factory=dict)
    nonces: dict[str, NonceBook] = field(default_factory=dict)

    def state_of(self, address: str) -> HyperliquidAccountState:
        """The state of an address; one that was never heard of has nothing."""
        return self.states.get(address) or HyperliquidAccountState(address)

    def state_asked(self, body: Body) -> HyperliquidAccountState:
        """The state that a question is about."""
        return self.state_of(body.address("user"))

    def book_of(self, signer: str) -> NonceBook:
        """The used nonces of a signer."""
        return self.nonces.setdefault(signer, NonceBook())

    def master_of(self, signer: str) -> str | None:
        """Whom a signer signs for: an account that approved it, or itself if it is one."""
        if agent := self.agents.get(signer):
            return agent.master if agent.valid_until is None or self.clock.now() < agent.valid_until else None
        return signer if signer in self.states and signer not in self.owned else None

    def owner_of(self, address: str) -> str | None:
        """Who acts for a vault or a sub-account."""
        owned = self.owned.get(address)
        return None if owned is None else owned.owner


def dex_asked(world: World, body: Body) -> Dex:
    """The dex that a question is about: the main one unless it says otherwise. Raises Unreadable for an unknown one."""
    dex = world.listing.named(body.fields.get("dex") or "")
    if dex is None:
        raise Unreadable
    return dex
