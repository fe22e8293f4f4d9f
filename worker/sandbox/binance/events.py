"""What Binance tells of an account that has changed: the events by product, with their reasons.

Sources: "Event: Balance and Position Update", "Event: Account Configuration Update", "Event: Margin Call" and "Event:
Order Update" of USDⓈ-M and COIN-M, and the events of Portfolio Margin, read 2026-11-29 in the official clients 18.1,
14.1 and 16.1. An update of USDⓈ-M names the positions that changed, one of COIN-M all. Those of Portfolio Margin have
`fs` for the side, and neither margin type nor isolated wallet.

Guesses, which no document states: an update of a position names its margin asset even where the balance is as before;
MARGIN_TYPE_CHANGE names no balance, and the symbol though it is flat; a balance that somebody changed is a DEPOSIT or a
WITHDRAW by its sign; nothing is told where the same leverage is set again; what `liabilityChange` calls its types.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from worker.sandbox.binance.account import (
    BinanceAccountState,
    BinancePositionSide,
    BinanceTerms,
    IncomeRow,
    MarginBalance,
    PortfolioStatus,
)
from worker.sandbox.binance.contracts import BinanceContract, BinanceExchangeState
from worker.sandbox.binance.figures import fixed, money, plain, quantity
from worker.sandbox.binance.formulas import ZERO
from worker.sandbox.binance.listen_keys import Product
from worker.sandbox.binance.parameters import BinanceParameters
from worker.sandbox.binance.portfolio import account_totals
from worker.sandbox.binance.positions import HEDGED, MARGIN_TYPE_NAMES, ONE_WAY
from worker.sandbox.binance.risk import AccountRisk, PositionRisk
from worker.sandbox.server.venue import ControlRefused

Event = dict[str, Any]
Sides = dict[tuple[str, BinancePositionSide], tuple[Decimal, Decimal, Decimal]]

ALIAS = "SgBx"
"""COIN-M and Portfolio Margin call an account by an alias too."""

REASON_OF_INCOME: Mapping[str, str] = MappingProxyType(
    {
        "FUNDING_FEE": "FUNDING_FEE",
        "SPECIAL_FUNDING_FEE": "FUNDING_FEE",
        "REALIZED_PNL": "ORDER",
        "COMMISSION": "ORDER",
        "TRANSFER": "DEPOSIT",
        "INSURANCE_CLEAR": "INSURANCE_CLEAR",
        "AUTO_EXCHANGE": "AUTO_EXCHANGE",
        "COIN_SWAP_DEPOSIT": "COIN_SWAP_DEPOSIT",
        "COIN_SWAP_WITHDRAW": "COIN_SWAP_WITHDRAW",
    }
)
"""The reason of an update by the type of the income that it brought; ADJUSTMENT for all others. A guess but for names
that are the same in both lists.
"""

TOLD_LEVELS = (PortfolioStatus.MARGIN_CALL, PortfolioStatus.REDUCE_ONLY, PortfolioStatus.FORCE_LIQUIDATION)
"""The levels that riskLevelChange tells. None is told on the way back."""

SEVERITY = tuple(PortfolioStatus)

OF_ANY_CLOSING: Mapping[str, Any] = MappingProxyType(
    {
        "f": "IOC",
        "sp": "0",
        "x": "TRADE",
        "X": "FILLED",
        "n": "0",
        "b": "0",
        "a": "0",
        "m": False,
        "R": True,
        "wt": "CONTRACT_PRICE",
        "ot": "LIQUIDATION",
        "ps": "BOTH",
        "cp": False,
        "rp": "0",
    }
)
"""What is the same in every order of ours that closes a position."""


def changes(
    exchange: BinanceExchangeState, before: BinanceAccountState, state: BinanceAccountState, reason: str | None
) -> Iterator[tuple[Product, Event]]:
    """The events of a change, in their order, each with whose stream it belongs to."""
    for inverse in (False, True):
        for event in _Side(exchange, before, state, inverse=inverse).events(reason):
            yield product_of(state, inverse=inverse), event
    if state.portfolio_margin:
        for event in _portfolio(exchange, before, state):
            yield Product.PM, event


def product_of(state: BinanceAccountState, *, inverse: bool) -> Product:
    """Whose stream tells of USDⓈ-M, or of COIN-M, of an account."""
    if state.portfolio_margin:
        return Product.PM
    return Product.CM if inverse else Product.UM


def margin_call(exchange: BinanceExchangeState, state: BinanceAccountState, product: Product) -> Event:
    """A MARGIN_CALL of all that is held. Portfolio Margin has none: it tells a level."""
    inverse = product is Product.CM
    risk = AccountRisk(state)
    wallets = [risk.wallet(asset, inverse=inverse) for asset in state.wallet(inverse=inverse)]
    rows = _rows(state, _held(exchange, state, inverse=inverse))
    return {
        "e": "MARGIN_CALL",
        "E": exchange.clock.now(),
        **({"i": ALIAS} if inverse else {}),
        "cw": money(sum((wallet.cross_wallet_balance for wallet in wallets), ZERO)),
        "p": [
            {
                "s": row.contract.symbol,
                "ps": row.side.value,
                "pa": quantity(row.amount, row.contract.quantity_precision),
                "mt": state.terms_of(row.contract).margin_type.value,
                "iw": plain(row.isolated_wallet),
                "mp": plain(row.contract.mark_price),
                "up": plain(row.unrealized_profit),
                "mm": plain(row.maintenance_margin),
            }
            for row in rows
        ],
    }


def closing_order(
    exchange: BinanceExchangeState, state: BinanceAccountState, product: Product, symbol: str, client_id: str
) -> Event:
    """The venue's own order, told by its client id, that has closed a position."""
    now = exchange.clock.now()
    if (contract := exchange.contracts.get(symbol)) is None:
        raise ControlRefused(f"{symbol} is not listed")
    amount = next((position.amount for position in state.positions_in(contract)), contract.step)
    size = quantity(abs(amount), contract.quantity_precision)
    order = {
        **OF_ANY_CLOSING,
        "s": symbol,
        "c": client_id,
        "S": "SELL" if amount > 0 else "BUY",
        "o": "LIQUIDATION" if client_id.startswith("autoclose-") else "MARKET",
        **dict.fromkeys(("q", "l", "z"), size),
        **dict.fromkeys(("p", "ap", "L"), plain(contract.mark_price)),
        "N": contract.margin_asset,
        **dict.fromkeys(("i", "t", "T"), now),
    }
    return {**_begun("ORDER_TRADE_UPDATE", exchange, product, inverse=contract.inverse), "o": order}


class _Side:
    """What has changed on one side of an account, USDⓈ-M or COIN-M."""

    def __init__(
        self, exchange: BinanceExchangeState, before: BinanceAccountState, state: BinanceAccountState, *, inverse: bool
    ) -> None:
        self._exchange, self._before, self._state, self._inverse = exchange, before, state, inverse
        self._product = product_of(state, inverse=inverse)
        self._risk = AccountRisk(state)
        self._deltas = _deltas(before.wallet(inverse=inverse), state.wallet(inverse=inverse))

    def events(self, reason: str | None) -> Iterator[Event]:
        """Configuration first, then margin types, positions, income and what is left of the balances."""
        yield from self._configured()
        if retyped := self._retyped():
            yield self._update("MARGIN_TYPE_CHANGE", [], self._sides_of(retyped))
        income = self._new_income()
        moved = {asset: delta for asset, delta in self._deltas.items() if asset not in {row.asset for row in income}}
        if replaced := self._replaced():
            assets = moved or dict.fromkeys((contract.margin_asset for contract, _ in replaced), ZERO)
            yield self._update(reason or "ORDER", assets.items(), self._named(replaced))
        for row in income:
            yield self._funded(row, reason)
        if moved and not replaced:
            for given, assets in _by_sign(moved):
                yield self._update(reason or given, assets.items(), [])

    def _configured(self) -> Iterator[Event]:
        for contract, terms, then in self._terms():
            if terms.leverage != then.leverage:
                yield {**self._begin("ACCOUNT_CONFIG_UPDATE"), "ac": {"s": contract.symbol, "l": terms.leverage}}
        if self._product is Product.UM and self._state.multi_assets != self._before.multi_assets:
            yield {**self._begin("ACCOUNT_CONFIG_UPDATE"), "ai": {"j": self._state.multi_assets}}

    def _retyped(self) -> list[BinanceContract]:
        if self._product is Product.PM:
            return []
        return [contract for contract, terms, then in self._terms() if terms.margin_type != then.margin_type]

    def _terms(self) -> Iterator[tuple[BinanceContract, BinanceTerms, BinanceTerms]]:
        for symbol, terms in self._state.terms.items():
            contract = self._exchange.contracts[symbol]
            if contract.inverse is self._inverse:
                yield contract, terms, self._before.terms.get(symbol, BinanceTerms())

    def _sides_of(self, contracts: Iterable[BinanceContract]) -> list[tuple[BinanceContract, BinancePositionSide]]:
        sides = HEDGED if self._state.dual_side else ONE_WAY
        return [(contract, side) for contract in contracts for side in sides]

    def _replaced(self) -> list[tuple[BinanceContract, BinancePositionSide]]:
        """The positions whose amount, entry price or margin is another."""
        then, now = _amounts(self._before), _amounts(self._state)
        symbols = [key for key in {**then, **now} if then.get(key) != now.get(key)]
        found = [(self._exchange.contracts[symbol], side) for symbol, side in symbols]
        return [(contract, side) for contract, side in found if contract.inverse is self._inverse]

    def _named(
        self, replaced: Sequence[tuple[BinanceContract, BinancePositionSide]]
    ) -> list[tuple[BinanceContract, BinancePositionSide]]:
        """What an update names: of COIN-M all positions."""
        held = _held(self._exchange, self._state, inverse=True) if self._inverse else []
        return [*replaced, *(position for position in held if position not in replaced)]

    def _new_income(self) -> list[IncomeRow]:
        now = self._state.cm_income if self._inverse else self._state.um_income
        then = self._before.cm_income if self._inverse else self._before.um_income
        if now is then:
            return []
        known = set(then)
        return [row for row in now if row not in known]

    def _funded(self, row: IncomeRow, reason: str | None) -> Event:
        """Income. Only a position with a margin of its own is named with its funding."""
        told = reason or REASON_OF_INCOME.get(row.type, "ADJUSTMENT")
        if told == "DEPOSIT" and row.amount < 0:
            told = "WITHDRAW"
        contract = self._exchange.contracts.get(row.symbol)
        held = [] if contract is None else self._state.positions_in(contract)
        isolated = [(p.contract, p.side) for p in held if self._state.is_isolated(p)]
        event = self._update(told, [(row.asset, row.amount)], isolated if told == "FUNDING_FEE" else [])
        if told == "FUNDING_FEE":
            event["a"]["S"] = row.symbol
        return event

    def _update(
        self,
        reason: str,
        assets: Iterable[tuple[str, Decimal]],
        positions: Sequence[tuple[BinanceContract, BinancePositionSide]],
    ) -> Event:
        told = {
            "m": reason,
            "B": [self._balance(asset, delta) for asset, delta in assets],
            "P": [self._position(row) for row in _rows(self._state, positions)],
        }
        return {**self._begin("ACCOUNT_UPDATE"), "a": told}

    def _balance(self, asset: str, delta: Decimal) -> dict[str, str]:
        wallet = self._risk.wallet(asset, inverse=self._inverse)
        return {
            "a": asset,
            "wb": fixed(wallet.wallet_balance),
            "cw": fixed(wallet.cross_wallet_balance),
            "bc": plain(delta),
        }

    def _position(self, row: PositionRisk) -> dict[str, str]:
        margin_type = self._state.terms_of(row.contract).margin_type
        own = {"mt": MARGIN_TYPE_NAMES[margin_type], "iw": plain(row.isolated_wallet)}
        return {
            "s": row.contract.symbol,
            "pa": quantity(row.amount, row.contract.quantity_precision),
            "ep": plain(row.entry_price),
            "bep": plain(row.break_even_price),
            "cr": "0",
            "up": fixed(row.unrealized_profit),
            **({} if self._product is Product.PM else own),
            "ps": row.side.value,
        }

    def _begin(self, name: str) -> Event:
        return _begun(name, self._exchange, self._product, inverse=self._inverse)


def _begun(name: str, exchange: BinanceExchangeState, product: Product, *, inverse: bool) -> Event:
    """The beginning of an event. What configures bears no alias."""
    now = exchange.clock.now()
    side = {"fs": "CM" if inverse else "UM"} if product is Product.PM else {}
    alias = {} if product is Product.UM or name == "ACCOUNT_CONFIG_UPDATE" else {"i": ALIAS if inverse else ""}
    return {"e": name, **side, "E": now, "T": now, **alias}


def _amounts(state: BinanceAccountState) -> Sides:
    return {
        (symbol, side): (position.amount, position.entry_price, position.isolated_wallet)
        for symbol, sides in state.positions.items()
        for side, position in sides.items()
    }


def _held(
    exchange: BinanceExchangeState, state: BinanceAccountState, *, inverse: bool
) -> list[tuple[BinanceContract, BinancePositionSide]]:
    found = [(exchange.contracts[symbol], side) for symbol, side in _amounts(state)]
    return [(contract, side) for contract, side in found if contract.inverse is inverse]


def _rows(
    state: BinanceAccountState, positions: Sequence[tuple[BinanceContract, BinancePositionSide]]
) -> list[PositionRisk]:
    risk = AccountRisk(state)
    return [row for contract, side in positions for row in risk.rows(contract, (side,))]


def _deltas(then: Mapping[str, Decimal], now: Mapping[str, Decimal]) -> dict[str, Decimal]:
    changed = {asset: now.get(asset, ZERO) - then.get(asset, ZERO) for asset in {**then, **now}}
    return {asset: delta for asset, delta in changed.items() if delta}


def _by_sign(deltas: Mapping[str, Decimal]) -> Iterator[tuple[str, dict[str, Decimal]]]:
    came = {asset: delta for asset, delta in deltas.items() if delta > 0}
    went = {asset: delta for asset, delta in deltas.items() if delta < 0}
    return ((reason, assets) for reason, assets in (("DEPOSIT", came), ("WITHDRAW", went)) if assets)


def _portfolio(
    exchange: BinanceExchangeState, before: BinanceAccountState, state: BinanceAccountState
) -> Iterator[Event]:
    """The cross margin wallet, what is owed, and the level of risk where it has risen."""
    for asset, balance in state.margin.items():
        yield from _margin(exchange, asset, before.margin.get(asset, MarginBalance()), balance)
    if state.status in TOLD_LEVELS and SEVERITY.index(state.status) > SEVERITY.index(before.status):
        totals = account_totals(exchange, BinanceParameters({}), state)
        yield {
            "e": "riskLevelChange",
            "E": exchange.clock.now(),
            "u": totals["uniMMR"],
            "s": state.status.value,
            "eq": totals["accountEquity"],
            "ae": totals["actualEquity"],
            "m": totals["accountMaintMargin"],
        }


def _margin(exchange: BinanceExchangeState, asset: str, then: MarginBalance, now: MarginBalance) -> Iterator[Event]:
    time = exchange.clock.now()
    if now.total != then.total:
        yield {"e": "balanceUpdate", "E": time, "a": asset, "d": fixed(now.total - then.total), "U": time, "T": time}
    if (now.free, now.locked) != (then.free, then.locked):
        row = {"a": asset, "f": fixed(now.free), "l": fixed(now.locked)}
        yield {"e": "outboundAccountPosition", "E": time, "u": time, "U": time, "B": [row]}
    if (now.borrowed, now.interest) != (then.borrowed, then.interest):
        yield {
            "e": "liabilityChange",
            "E": time,
            "a": asset,
            "t": "BORROW" if now.borrowed > then.borrowed else "REPAY",
            "T": time,
            "p": fixed(now.borrowed),
            "i": fixed(now.interest),
            "l": fixed(now.borrowed + now.interest),
        }
