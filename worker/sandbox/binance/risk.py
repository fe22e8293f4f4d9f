"""The figures of positions and wallets, computed from an account's state at the present mark prices."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain

from worker.sandbox.binance.account import BinanceAccountState, BinanceOpenPosition, BinancePositionSide
from worker.sandbox.binance.contracts import BinanceContract
from worker.sandbox.binance.formulas import ZERO, PositionLeg, liquidation_price

Held = tuple[BinanceOpenPosition, PositionLeg]

TAKER_FEE = Decimal("0.0005")
"""What closing a position costs: the break-even price lies that much beyond the entry price."""


@dataclass(frozen=True, slots=True)
class PositionRisk:
    """A position with its figures in the margin asset; all zero where there is no position on that side."""

    contract: BinanceContract
    side: BinancePositionSide
    amount: Decimal = ZERO
    entry_price: Decimal = ZERO
    break_even_price: Decimal = ZERO
    notional: Decimal = ZERO
    unrealized_profit: Decimal = ZERO
    initial_margin: Decimal = ZERO
    maintenance_margin: Decimal = ZERO
    liquidation_price: Decimal = ZERO
    isolated_wallet: Decimal = ZERO
    isolated_margin: Decimal = ZERO
    update_time: int = 0


@dataclass(frozen=True, slots=True)
class WalletRisk:
    """One asset of a wallet with the figures of the positions it carries."""

    asset: str
    wallet_balance: Decimal
    cross_wallet_balance: Decimal
    unrealized_profit: Decimal
    cross_unrealized_profit: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal

    @property
    def margin_balance(self) -> Decimal:
        """Wallet balance and unrealized profit together."""
        return self.wallet_balance + self.unrealized_profit

    @property
    def available(self) -> Decimal:
        """What is left to margin further positions."""
        return max(self.cross_wallet_balance + self.cross_unrealized_profit - self.initial_margin, ZERO)


class AccountRisk:
    """The figures of one account, computed once for all the rows of an answer."""

    def __init__(self, account: BinanceAccountState) -> None:
        self._account = account
        self._held: dict[str, dict[BinancePositionSide, Held]] = {
            symbol: {side: (position, position.leg) for side, position in sides.items()}
            for symbol, sides in account.positions.items()
        }
        self._cross_balances: dict[tuple[str, bool], Decimal] = {}

    def rows(self, contract: BinanceContract, sides: Sequence[BinancePositionSide]) -> list[PositionRisk]:
        """A contract's figures, one row for each of the sides, open or not."""
        held = self._held.get(contract.symbol, {})
        return [self._row(*held[side]) if side in held else PositionRisk(contract, side) for side in sides]

    def wallet(self, asset: str, *, inverse: bool) -> WalletRisk:
        """The figures of one asset of the USDⓈ-M or the COIN-M wallet."""
        pairs = list(self._on(asset, inverse=inverse))
        isolated = sum((position.isolated_wallet for position, _ in pairs), ZERO)
        balance = self._account.wallet(inverse=inverse).get(asset, ZERO)
        return WalletRisk(
            asset=asset,
            wallet_balance=balance,
            cross_wallet_balance=balance - isolated,
            unrealized_profit=sum((leg.unrealized_profit for _, leg in pairs), ZERO),
            cross_unrealized_profit=sum((leg.unrealized_profit for _, leg in self._cross(pairs)), ZERO),
            initial_margin=sum((self._initial_margin(leg) for _, leg in pairs), ZERO),
            maintenance_margin=sum((leg.maintenance_margin for _, leg in pairs), ZERO),
        )

    def _all(self) -> Iterator[Held]:
        return chain.from_iterable(sides.values() for sides in self._held.values())

    def _on(self, asset: str, *, inverse: bool) -> Iterator[Held]:
        for position, leg in self._all():
            if leg.contract.margin_asset == asset and leg.contract.inverse == inverse:
                yield position, leg

    def _cross(self, pairs: Iterable[Held]) -> list[Held]:
        return [(position, leg) for position, leg in pairs if not self._account.is_isolated(position)]

    def _cross_balance(self, asset: str, *, inverse: bool) -> Decimal:
        """Computed for the first row that needs it: most answers are about one of the two wallets."""
        key = asset, inverse
        if key not in self._cross_balances:
            self._cross_balances[key] = self._compute_cross_balance(asset, inverse=inverse)
        return self._cross_balances[key]

    def _compute_cross_balance(self, asset: str, *, inverse: bool) -> Decimal:
        wallet = self.wallet(asset, inverse=inverse)
        maintenance = sum((leg.maintenance_margin for _, leg in self._cross(self._on(asset, inverse=inverse))), ZERO)
        return wallet.cross_wallet_balance + wallet.cross_unrealized_profit - maintenance

    def _initial_margin(self, leg: PositionLeg) -> Decimal:
        return leg.initial_margin(self._account.terms_of(leg.contract).leverage)

    def _liquidation(self, position: BinanceOpenPosition, leg: PositionLeg) -> Decimal:
        if self._account.is_isolated(position):
            return liquidation_price([leg], position.isolated_wallet)
        legs = [other for _, other in self._held[leg.contract.symbol].values()]
        balance = self._cross_balance(leg.contract.margin_asset, inverse=leg.contract.inverse)
        own = sum((other.unrealized_profit - other.maintenance_margin for other in legs), ZERO)
        return liquidation_price(legs, balance - own)

    def _row(self, position: BinanceOpenPosition, leg: PositionLeg) -> PositionRisk:
        isolated = self._account.is_isolated(position)
        return PositionRisk(
            contract=position.contract,
            side=position.side,
            amount=position.amount,
            entry_price=position.entry_price,
            break_even_price=position.entry_price * (1 + leg.side * TAKER_FEE),
            notional=leg.notional,
            unrealized_profit=leg.unrealized_profit,
            initial_margin=self._initial_margin(leg),
            maintenance_margin=leg.maintenance_margin,
            liquidation_price=self._liquidation(position, leg),
            isolated_wallet=position.isolated_wallet,
            isolated_margin=position.isolated_wallet + leg.unrealized_profit if isolated else ZERO,
            update_time=position.update_time,
        )
