"""Making accounts from seeds, at the start and on request, and changing them behind their owners' backs."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from schemas.base import Milliseconds
from worker.sandbox.binance.account import (
    BinanceAccountState,
    BinanceKeyRights,
    BinanceOpenPosition,
    BinancePositionSide,
    IncomeRow,
    MarginBalance,
    MarginType,
    PortfolioStatus,
)
from worker.sandbox.binance.contracts import PERPETUAL, BinanceContract, BinanceExchangeState
from worker.sandbox.binance.figures import quantity
from worker.sandbox.binance.formulas import ZERO
from worker.sandbox.binance.seeded_income import ascending, cm_income, um_income
from worker.sandbox.binance.seeds import BinanceSeedAccount, BinanceSeedPosition
from worker.sandbox.kit.accounts import ControlContent, RequestedAccount
from worker.sandbox.kit.clock import MINUTE
from worker.sandbox.server.venue import ControlRefused

DELIVERY_OF_SEEDS = "_CURRENT"
POSITION_WORTH = Decimal(500)
"""What each position of an account opened on request is worth at least, in USDT."""


class NewBinanceAccount(RequestedAccount):
    """An account asked for on request, with `open_positions` long cross positions in as many linear contracts."""

    portfolio_margin: bool = False
    dual_side: bool = False
    open_positions: Annotated[int, Field(ge=0)] = 0
    with_income: bool = False


class BinancePositionChange(ControlContent):
    """A position to open or replace; an amount of 0 closes it."""

    symbol: str
    amount: Decimal
    entry_price: Annotated[Decimal, Field(gt=0)] = Decimal(1)
    side: BinancePositionSide = BinancePositionSide.BOTH


class BinanceTermsChange(ControlContent):
    """What to change of a symbol's leverage and margin type."""

    leverage: Annotated[int | None, Field(ge=1)] = None
    margin_type: MarginType | None = None


class BinanceKeyChange(ControlContent):
    """What to change of the key's rights."""

    futures: bool | None = None
    portfolio_margin: bool | None = None
    withdrawals: bool | None = None
    ip_restricted: bool | None = None


class BinanceIncomeChange(ControlContent):
    """A row of income to add, of whatever type; `coin_margined` for COIN-M, and `time` is now unless it is given."""

    symbol: str = ""
    type: str
    amount: Decimal
    asset: str
    tran_id: int
    time: Milliseconds | None = None
    coin_margined: bool = False


class BinanceMarginChange(ControlContent):
    """What to change of an asset in the cross margin wallet of a Portfolio Margin account."""

    free: Decimal | None = None
    locked: Decimal | None = None
    borrowed: Decimal | None = None
    interest: Decimal | None = None


class BinanceAccountChange(ControlContent):
    """What to change of an account; what is left out stays. `open_orders` counts orders by symbol, `max_leverage`
    is that of a symbol's first bracket for this account, `income` is added to what there is: where it bears no time of
    its own, the wallet has it now. `um_wallet` and `cm_wallet` have the balances of assets after a transfer.

    `dual_side` is for hedge mode, and for accounts with nothing open once the positions are changed. Streams tell the
    `reason` of it, such as INSURANCE_CLEAR, in place of the usual one.
    """

    open_orders: dict[str, int] = Field(default_factory=dict)
    dual_side: bool | None = None
    multi_assets: bool | None = None
    tradfi_agreed: bool | None = None
    can_trade: bool | None = None
    status: PortfolioStatus | None = None
    key: BinanceKeyChange = BinanceKeyChange()
    positions: tuple[BinancePositionChange, ...] = ()
    terms: dict[str, BinanceTermsChange] = Field(default_factory=dict)
    max_leverage: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    income: tuple[BinanceIncomeChange, ...] = ()
    um_wallet: dict[str, Decimal] = Field(default_factory=dict)
    cm_wallet: dict[str, Decimal] = Field(default_factory=dict)
    margin: dict[str, BinanceMarginChange] = Field(default_factory=dict)
    reason: str | None = None


def requested_seed(exchange: BinanceExchangeState, request: NewBinanceAccount) -> BinanceSeedAccount:
    """The seed of an account asked for on request. Raises ControlRefused if there are too few contracts."""
    perpetuals = [contract for contract in exchange.linear() if contract.type == PERPETUAL and contract.quote != "BTC"]
    if request.open_positions > len(perpetuals):
        raise ControlRefused(f"there are {len(perpetuals)} linear perpetual contracts, no more positions can be open")
    side = BinancePositionSide.LONG if request.dual_side else BinancePositionSide.BOTH
    return BinanceSeedAccount(
        id=request.id,
        portfolio_margin=request.portfolio_margin,
        dual_side=request.dual_side,
        um_wallet={"USDT": Decimal(1_000_000), "USDC": Decimal(10_000)},
        positions=tuple(_position(contract, side) for contract in perpetuals[: request.open_positions]),
        with_income=request.with_income,
    )


def _position(contract: BinanceContract, side: BinancePositionSide) -> BinanceSeedPosition:
    steps = (POSITION_WORTH / contract.mark_price / contract.step).to_integral_value() + 1
    return BinanceSeedPosition(contract.symbol, steps * contract.step, contract.mark_price * Decimal("0.99"), side)


def state_of(seed: BinanceSeedAccount, exchange: BinanceExchangeState) -> BinanceAccountState:
    """An account as its seed describes it. Accounts opened in the same minute share their (immutable) income."""
    now = exchange.clock.now() // MINUTE * MINUTE
    state = BinanceAccountState(
        id=seed.id,
        portfolio_margin=seed.portfolio_margin,
        dual_side=seed.dual_side,
        multi_assets=seed.multi_assets,
        key=BinanceKeyRights(futures=not seed.portfolio_margin, portfolio_margin=seed.portfolio_margin),
        um_wallet=dict(seed.um_wallet),
        cm_wallet=dict(seed.cm_wallet),
        margin={asset: replace(balance) for asset, balance in seed.margin.items()},
        terms={_listed(exchange, symbol).symbol: replace(terms) for symbol, terms in seed.terms.items()},
        um_income=um_income(now, _listed(exchange, f"BTCUSDT{DELIVERY_OF_SEEDS}").symbol) if seed.with_income else (),
        cm_income=cm_income(now) if seed.with_income else (),
    )
    for position in seed.positions:
        state.hold(_open(exchange, position))
    return state


def _open(exchange: BinanceExchangeState, seed: BinanceSeedPosition) -> BinanceOpenPosition:
    return BinanceOpenPosition(
        contract=_listed(exchange, seed.symbol),
        side=seed.side,
        amount=seed.amount,
        entry_price=seed.entry_price,
        update_time=seed.update_time,
        isolated_wallet=seed.isolated_wallet,
    )


def _listed(exchange: BinanceExchangeState, symbol: str) -> BinanceContract:
    pair = symbol.removesuffix(DELIVERY_OF_SEEDS)
    for contract in exchange.contracts.values():
        if contract.symbol == symbol or (
            pair != symbol and contract.pair == pair and contract.type == "CURRENT_QUARTER"
        ):
            return contract
    raise ControlRefused(f"{symbol} is not listed")


def change(account: BinanceAccountState, exchange: BinanceExchangeState, wanted: BinanceAccountChange) -> None:
    """Change an account. Raises ControlRefused for a symbol that isn't listed or an amount it can't have."""
    account.open_orders.update(
        {_listed(exchange, symbol).symbol: count for symbol, count in wanted.open_orders.items()}
    )
    for name in ("multi_assets", "tradfi_agreed", "can_trade", "status"):
        if (value := getattr(wanted, name)) is not None:
            setattr(account, name, value)
    account.key = replace(account.key, **wanted.key.model_dump(exclude_none=True))
    for symbol, terms in wanted.terms.items():
        contract = _listed(exchange, symbol)
        account.terms[contract.symbol] = replace(account.terms_of(contract), **terms.model_dump(exclude_none=True))
    for position in wanted.positions:
        _replace_position(account, exchange, position)
    if wanted.dual_side is not None:
        _change_mode(account, wanted.dual_side)
    account.max_leverage.update(wanted.max_leverage)
    account.um_wallet.update(wanted.um_wallet)
    account.cm_wallet.update(wanted.cm_wallet)
    for asset, margin in wanted.margin.items():
        told = margin.model_dump(exclude_none=True)
        account.margin[asset] = replace(account.margin.get(asset, MarginBalance()), **told)
    _add_income(account, wanted.income, exchange.clock.now())


def _add_income(account: BinanceAccountState, added: Sequence[BinanceIncomeChange], now: Milliseconds) -> None:
    def rows(*, coin_margined: bool) -> list[IncomeRow]:
        return [
            IncomeRow(
                row.symbol,
                row.type,
                row.amount,
                row.asset,
                row.type,
                now if row.time is None else row.time,
                row.tran_id,
                "",
            )
            for row in added
            if row.coin_margined is coin_margined
        ]

    if not added:
        return
    account.um_income = ascending([*account.um_income, *rows(coin_margined=False)])
    account.cm_income = ascending([*account.cm_income, *rows(coin_margined=True)])
    for row in added:
        if row.time is None:
            wallet = account.wallet(inverse=row.coin_margined)
            wallet[row.asset] = wallet.get(row.asset, ZERO) + row.amount


def _change_mode(account: BinanceAccountState, dual_side: bool) -> None:
    if account.positions and dual_side != account.dual_side:
        raise ControlRefused("the position mode can't change while a position is open")
    account.dual_side = dual_side


def _replace_position(
    account: BinanceAccountState, exchange: BinanceExchangeState, wanted: BinancePositionChange
) -> None:
    contract = _listed(exchange, wanted.symbol)
    if wanted.amount % contract.step:
        raise ControlRefused(
            f"{contract.symbol} is traded in steps of {quantity(contract.step, contract.quantity_precision)}"
        )
    now = exchange.clock.now()
    account.hold(BinanceOpenPosition(contract, wanted.side, wanted.amount, wanted.entry_price, now))
