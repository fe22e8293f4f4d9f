"""The state that Hyperliquid keeps of an address."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from schemas.base import Milliseconds
from worker.sandbox.hyperliquid.perps import Dex, Perp

ZERO = Decimal(0)
DEFAULT_LEVERAGE = 20
FREE_ACTIONS = 10_000
"""Actions that every address has to begin with; each USDC it trades adds one ("Rate limits and user limits")."""


@dataclass(slots=True)
class HyperliquidTerms:
    """Leverage and margin mode of a perpetual."""

    leverage: int
    cross: bool


@dataclass(slots=True)
class Held:
    """A position: `size` in coins, negative for a short; `margin` is what was put aside for an isolated one."""

    perp: Perp
    size: Decimal
    entry_price: Decimal
    margin: Decimal = ZERO

    @property
    def value(self) -> Decimal:
        """What it is worth at the mark price, always positive."""
        return abs(self.size) * self.perp.mark_price

    @property
    def profit(self) -> Decimal:
        """Unrealized profit at the mark price."""
        return self.size * (self.perp.mark_price - self.entry_price)


class Payment(NamedTuple):
    """A funding payment; `usdc` is negative where it was paid. Another `kind` than funding is none."""

    time: Milliseconds
    coin: str
    usdc: Decimal
    size: Decimal
    rate: Decimal
    kind: str = "funding"


class Fill(NamedTuple):
    """A fill, of a perpetual or of a spot pair.

    Without a `direction` it is what its sides make of it. Fills of the venue's own have the trade 0, and several orders
    may share a trade: only instant, coin, trade and order together tell two fills apart.
    """

    time: Milliseconds
    coin: str
    buys: bool
    price: Decimal
    size: Decimal
    start: Decimal
    closed_pnl: Decimal
    fee: Decimal
    tid: int
    oid: int = 0
    direction: str | None = None


@dataclass(slots=True)
class HyperliquidAccountState:
    """An address: collateral by dex without unrealized profits, positions and terms by coin, and its past."""

    address: str
    balances: dict[str, Decimal] = field(default_factory=dict)
    positions: dict[str, Held] = field(default_factory=dict)
    terms: dict[str, HyperliquidTerms] = field(default_factory=dict)
    payments: Sequence[Payment] = ()
    fills: Sequence[Fill] = ()
    volume: Decimal = ZERO
    actions: int = 0
    last_action: Milliseconds = 0

    def terms_of(self, perp: Perp) -> HyperliquidTerms:
        """The terms of a perpetual, held or not; the defaults are those of an address that never changed them."""
        return self.terms.get(perp.coin) or HyperliquidTerms(
            min(DEFAULT_LEVERAGE, perp.max_leverage), not perp.only_isolated
        )

    def held_on(self, dex: Dex, *, cross: bool | None = None) -> tuple[Held, ...]:
        """Positions on a dex, or the cross or the isolated ones among them."""
        return tuple(
            held
            for held in self.positions.values()
            if held.perp.dex == dex and cross in (None, self.terms_of(held.perp).cross)
        )

    def hold(self, held: Held) -> None:
        """Open a position or replace the one there is; a size of 0 closes it."""
        self.positions.pop(held.perp.coin, None)
        if held.size:
            self.positions[held.perp.coin] = held

    @property
    def action_limit(self) -> int:
        """Actions that the address may have sent in all."""
        return FREE_ACTIONS + int(self.volume)
