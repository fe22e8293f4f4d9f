"""Binance's own formulas for a position's figures, in the margin asset.

From the Binance support pages on leverage and margin, and on the liquidation price of USDⓈ-M and COIN-M contracts.
Amounts are signed: positive is long. Inverse contracts count in contracts of `size` USD and earn in the base coin.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from worker.sandbox.binance.brackets import Bracket, bracket_of
from worker.sandbox.binance.contracts import BinanceContract

ZERO = Decimal(0)


@dataclass(frozen=True)
class PositionLeg:
    """A position as the formulas need it: one-way accounts have one leg per contract, hedged ones up to two.

    Every figure is computed once and kept, for one answer asks for it several times.
    """

    contract: BinanceContract
    amount: Decimal
    entry_price: Decimal

    @property
    def side(self) -> int:
        """1 for long, -1 for short."""
        return 1 if self.amount > 0 else -1

    @cached_property
    def notional(self) -> Decimal:
        """What the position is worth at the mark price, negative for shorts."""
        if self.contract.inverse:
            return self.amount * self.contract.size / self.contract.mark_price
        return self.amount * self.contract.mark_price

    @cached_property
    def unrealized_profit(self) -> Decimal:
        """Profit at the mark price."""
        if self.contract.inverse:
            difference = 1 / self.entry_price - 1 / self.contract.mark_price
            return self.amount * self.contract.size * difference
        return self.amount * (self.contract.mark_price - self.entry_price)

    @cached_property
    def bracket(self) -> Bracket:
        """The bracket that the position's notional falls into."""
        return bracket_of(self.contract.brackets, abs(self.notional))

    @cached_property
    def maintenance_margin(self) -> Decimal:
        """Notional times maintenance margin ratio, less the maintenance amount."""
        return abs(self.notional) * self.bracket.ratio - self.bracket.cum

    def initial_margin(self, leverage: int) -> Decimal:
        """Notional over leverage."""
        return abs(self.notional) / leverage


def liquidation_price(legs: Sequence[PositionLeg], balance: Decimal) -> Decimal:
    """The price at which the legs of one contract use up `balance`, or 0 where no price does.

    `balance` is the isolated wallet of an isolated leg. For cross margin it is the cross wallet, less the maintenance
    margin and plus the unrealized profit of all other contracts with the same margin asset (WB - TMM + UPNL).
    """
    solve = _inverse_liquidation if legs[0].contract.inverse else _linear_liquidation
    return max(solve(legs, balance), ZERO)


def _linear_liquidation(legs: Sequence[PositionLeg], balance: Decimal) -> Decimal:
    numerator = balance + sum(leg.bracket.cum - leg.amount * leg.entry_price for leg in legs)
    denominator = sum((abs(leg.amount) * leg.bracket.ratio - leg.amount for leg in legs), ZERO)
    return numerator / denominator if denominator else ZERO


def _inverse_liquidation(legs: Sequence[PositionLeg], balance: Decimal) -> Decimal:
    worth = [leg.amount * leg.contract.size for leg in legs]
    numerator = sum((abs(usd) * leg.bracket.ratio + usd for usd, leg in zip(worth, legs, strict=True)), ZERO)
    denominator = balance + sum(leg.bracket.cum + usd / leg.entry_price for usd, leg in zip(worth, legs, strict=True))
    return numerator / denominator if denominator else ZERO
