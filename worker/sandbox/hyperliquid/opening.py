"""Making accounts from seeds, at the start and on request, and changing them behind their owners' backs."""

from decimal import Decimal
from typing import Annotated

from pydantic import Field

from schemas.base import Milliseconds
from worker.sandbox.hyperliquid.account import Fill, Held, HyperliquidAccountState, HyperliquidTerms, Payment
from worker.sandbox.hyperliquid.perps import MAIN, Perp, Perpetuals
from worker.sandbox.hyperliquid.seeded_history import RATE, fills, payments
from worker.sandbox.hyperliquid.seeds import HyperliquidSeedAccount, HyperliquidSeedPosition, SeedAddress
from worker.sandbox.hyperliquid.world import Agent, Owned, World
from worker.sandbox.kit.accounts import ControlContent, RequestedAccount
from worker.sandbox.kit.clock import MINUTE
from worker.sandbox.server.venue import ControlRefused

POSITION_WORTH = Decimal(500)
"""What each position of an account opened on request is worth at least, in USDC."""


class NewHyperliquidAccount(RequestedAccount):
    """An account asked for on request, with `open_positions` long cross positions and as many `fills` in its past.

    With a `vault` it acts for that, which then holds the positions.
    """

    vault: bool = False
    open_positions: Annotated[int, Field(ge=0)] = 0
    fills: Annotated[int, Field(ge=0)] = 0


class HyperliquidPositionChange(ControlContent):
    """A position to open or replace; a size of 0 closes it."""

    coin: str
    size: Decimal
    entry_price: Annotated[Decimal, Field(gt=0)] = Decimal(1)
    margin: Annotated[Decimal, Field(ge=0)] = Decimal(0)


class HyperliquidTermsChange(ControlContent):
    """Leverage and margin mode of a perpetual."""

    leverage: Annotated[int, Field(ge=1)]
    cross: bool = True


class FillChange(ControlContent):
    """A fill of the past: what it realized, of which trade and order, and its `direction` as the venue words it."""

    time: Milliseconds
    coin: str
    direction: str
    closed_pnl: Decimal = Decimal(0)
    tid: int = 0
    oid: int = 0
    buys: bool = False
    price: Decimal = Decimal(1)
    size: Decimal = Decimal(1)
    start: Decimal = Decimal(0)


class PaymentChange(ControlContent):
    """A payment of the past, or a record of another `kind` among them."""

    time: Milliseconds
    coin: str
    usdc: Decimal
    kind: str = "funding"


Address = Annotated[str, Field(pattern=r"^0x[0-9a-f]{40}$")]


class AgentChange(ControlContent):
    """What to change of the account's API wallet. One that is not `approved` is pruned: nobody ever heard of it.

    A wallet of which nothing is said but `forever` has no end to its validity.
    """

    approved: bool | None = None
    master: Address | None = None
    named: bool | None = None
    valid_until: Annotated[int | None, Field(ge=0)] = None
    forever: bool = False


class OwnedChange(ControlContent):
    """What to change of the account's vault: it may be a sub-account, or belong to somebody else."""

    owner: Address | None = None
    sub_account: bool | None = None


class HyperliquidAccountChange(ControlContent):
    """What to change of the address that owns the positions; what is left out stays. `actions` were sent so far.

    With `known` false, nobody ever heard of the account itself. `fills` and `payments` replace its past.
    """

    agent: AgentChange = AgentChange()
    vault: OwnedChange = OwnedChange()
    known: bool = True

    positions: tuple[HyperliquidPositionChange, ...] = ()
    terms: dict[str, HyperliquidTermsChange] = Field(default_factory=dict)
    balances: dict[str, Decimal] = Field(default_factory=dict)
    actions: Annotated[int | None, Field(ge=0)] = None
    fills: tuple[FillChange, ...] | None = None
    payments: tuple[PaymentChange, ...] | None = None


def requested_seed(request: NewHyperliquidAccount, listing: Perpetuals) -> HyperliquidSeedAccount:
    """The seed of an account asked for on request. Raises ControlRefused if there are too few perpetuals."""
    perps = [perp for perp in listing.on(MAIN) if not perp.only_isolated]
    if request.open_positions > len(perps):
        raise ControlRefused(f"there are {len(perps)} perpetuals with cross margin, no more positions can be open")
    positions = tuple(_position(perp) for perp in perps[: request.open_positions])
    holder = SeedAddress({"": Decimal(1_000_000)}, positions, fills=request.fills)
    if request.vault:
        return HyperliquidSeedAccount(request.id, SeedAddress({"": Decimal(100)}), vault=holder)
    return HyperliquidSeedAccount(request.id, holder)


def _position(perp: Perp) -> HyperliquidSeedPosition:
    step = Decimal(1).scaleb(-perp.sz_decimals)
    steps = (POSITION_WORTH / perp.mark_price / step).to_integral_value() + 1
    return HyperliquidSeedPosition(perp.coin, steps * step, perp.mark_price)


def state_of(seed: SeedAddress, address: str, now: Milliseconds, listing: Perpetuals) -> HyperliquidAccountState:
    """An address as its seed describes it. Those made in the same minute share their (immutable) past."""
    minute = now // MINUTE * MINUTE
    state = HyperliquidAccountState(
        address=address,
        balances=dict(seed.balances),
        terms={coin: HyperliquidTerms(terms.leverage, terms.cross) for coin, terms in seed.terms.items()},
        payments=payments(minute) if seed.with_funding else (),
        fills=fills(minute, seed.fills),
    )
    for position in seed.positions:
        state.hold(Held(listing.perps[position.coin], position.size, position.entry_price, position.margin))
    return state


def change(state: HyperliquidAccountState, wanted: HyperliquidAccountChange, listing: Perpetuals) -> None:
    """Change an address. Raises ControlRefused for a coin that isn't listed."""
    for coin, terms in wanted.terms.items():
        state.terms[_listed(listing, coin).coin] = HyperliquidTerms(terms.leverage, terms.cross)
    for position in wanted.positions:
        state.hold(Held(_listed(listing, position.coin), position.size, position.entry_price, position.margin))
    state.balances.update(wanted.balances)
    if wanted.actions is not None:
        state.actions = wanted.actions
    _change_past(state, wanted)


def _change_past(state: HyperliquidAccountState, wanted: HyperliquidAccountChange) -> None:
    if wanted.fills is not None:
        state.fills = tuple(sorted((_fill(fill) for fill in wanted.fills), key=lambda fill: fill.time))
    if wanted.payments is not None:
        past = (Payment(paid.time, paid.coin, paid.usdc, Decimal(1), RATE, paid.kind) for paid in wanted.payments)
        state.payments = tuple(sorted(past, key=lambda payment: payment.time))


def _fill(wanted: FillChange) -> Fill:
    return Fill(
        time=wanted.time,
        coin=wanted.coin,
        buys=wanted.buys,
        price=wanted.price,
        size=wanted.size,
        start=wanted.start,
        closed_pnl=wanted.closed_pnl,
        fee=Decimal(0),
        tid=wanted.tid,
        oid=wanted.oid,
        direction=wanted.direction,
    )


AGENT_NAME = "agent"


def change_rights(world: World, signer: str, account: str, vault: str | None, wanted: HyperliquidAccountChange) -> None:
    """Change who may sign for whom. Raises ControlRefused for a vault that the account doesn't have."""
    if wanted.agent.approved is False:
        world.agents.pop(signer, None)
    elif wanted.agent.approved:
        world.agents.setdefault(signer, Agent(account, AGENT_NAME))
    if agent := world.agents.get(signer):
        _change_agent(agent, wanted.agent)
    if not wanted.known:
        world.states.pop(account, None)
    if wanted.vault != OwnedChange():
        _change_vault(world, vault, wanted.vault)


def _change_agent(agent: Agent, wanted: AgentChange) -> None:
    agent.master = wanted.master or agent.master
    if wanted.named is not None:
        agent.name = AGENT_NAME if wanted.named else None
    if wanted.valid_until is not None or wanted.forever:
        agent.valid_until = wanted.valid_until


def _change_vault(world: World, vault: str | None, wanted: OwnedChange) -> None:
    if vault is None:
        raise ControlRefused("the account acts for no vault")
    owned = world.owned[vault]
    sub_account = owned.sub_account if wanted.sub_account is None else wanted.sub_account
    world.owned[vault] = Owned(wanted.owner or owned.owner, sub_account)


def _listed(listing: Perpetuals, coin: str) -> Perp:
    if coin not in listing.perps:
        raise ControlRefused(f"{coin} is not listed")
    return listing.perps[coin]
