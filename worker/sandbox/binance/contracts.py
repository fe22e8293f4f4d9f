"""The contracts that are listed: perpetual ones, the deliveries of the next two quarters, and a few odd ones.

What a contract is, `contractType` says, and not a date: a delisted perpetual has a delivery date too (Common Definition
of USDⓈ-M and of COIN-M; checked 2026-11-29 with notices of 2026 on TRADIFI_PERPETUAL and BTC-margined contracts).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice

from schemas.base import Milliseconds
from worker.sandbox.binance import brackets
from worker.sandbox.binance.brackets import Bracket
from worker.sandbox.binance.listen_keys import ListenKeys
from worker.sandbox.kit.clock import DAY, HOUR, Clock
from worker.sandbox.kit.perpetuals import FURTHER_PERPETUALS
from worker.sandbox.server.deliveries import quarter_ends
from worker.sandbox.server.limits import WeightMeter

PERPETUAL_DELIVERY: Milliseconds = 4_133_404_800_000
"""The delivery date that Binance gives to contracts which have none: 2100-12-25 08:00 UTC."""

ONBOARD: Milliseconds = 1_569_398_400_000

TRADING, PERPETUAL, TRADIFI = "TRADING", "PERPETUAL", "TRADIFI_PERPETUAL"


@dataclass(frozen=True, slots=True)
class BinanceContract:
    """A listed contract. `size` is 1 coin if linear, and the worth of one contract in USD if inverse."""

    symbol: str
    pair: str
    base: str
    quote: str
    margin_asset: str
    type: str
    delivery_date: Milliseconds
    inverse: bool
    size: int
    mark_price: Decimal
    tick: Decimal
    step: Decimal
    brackets: Sequence[Bracket]
    status: str = TRADING

    @property
    def is_perpetual(self) -> bool:
        """Whether it pays funding and is never delivered, unless it is delisted."""
        return "PERPETUAL" in self.type

    @property
    def price_precision(self) -> int:
        """Decimals of a price."""
        return _decimals(self.tick)

    @property
    def quantity_precision(self) -> int:
        """Decimals of a position's amount."""
        return _decimals(self.step)


@dataclass(frozen=True, slots=True)
class BinanceExchangeState:
    """What all accounts share: the clock, the contracts, the meters of weight by endpoint family, the listen keys."""

    clock: Clock
    contracts: Mapping[str, BinanceContract]
    meters: Mapping[str, WeightMeter]
    listen_keys: ListenKeys = field(default_factory=ListenKeys)

    def linear(self) -> tuple[BinanceContract, ...]:
        """USDⓈ-M contracts."""
        return tuple(contract for contract in self.contracts.values() if not contract.inverse)

    def inverse(self) -> tuple[BinanceContract, ...]:
        """COIN-M contracts."""
        return tuple(contract for contract in self.contracts.values() if contract.inverse)


@dataclass(frozen=True, slots=True)
class QuarterlyDelivery:
    """A quarterly delivery."""

    type: str
    at: Milliseconds

    @property
    def suffix(self) -> str:
        """How a symbol names it: YYMMDD."""
        return datetime.fromtimestamp(self.at / 1000, UTC).strftime("%y%m%d")


def _decimals(increment: Decimal) -> int:
    return max(0, -int(increment.normalize().as_tuple().exponent))


def deliveries(now: Milliseconds) -> tuple[QuarterlyDelivery, QuarterlyDelivery]:
    """The current and the next quarter's delivery: the last Friday of the quarter, 08:00 UTC."""
    current, following = islice(quarter_ends(now), 2)
    return QuarterlyDelivery("CURRENT_QUARTER", current), QuarterlyDelivery("NEXT_QUARTER", following)


def _linear(
    base: str, mark: str, tick: str, step: str, ladder: Sequence[Bracket], *, quote: str = "USDT", kind: str = PERPETUAL
) -> BinanceContract:
    return BinanceContract(
        symbol=base + quote,
        pair=base + quote,
        base=base,
        quote=quote,
        margin_asset=quote,
        type=kind,
        delivery_date=PERPETUAL_DELIVERY,
        inverse=False,
        size=1,
        mark_price=Decimal(mark),
        tick=Decimal(tick),
        step=Decimal(step),
        brackets=ladder,
    )


def _inverse(base: str, mark: str, tick: str, size: int, ladder: Sequence[Bracket]) -> BinanceContract:
    return BinanceContract(
        symbol=f"{base}USD_PERP",
        pair=f"{base}USD",
        base=base,
        quote="USD",
        margin_asset=base,
        type=PERPETUAL,
        delivery_date=PERPETUAL_DELIVERY,
        inverse=True,
        size=size,
        mark_price=Decimal(mark),
        tick=Decimal(tick),
        step=Decimal(1),
        brackets=ladder,
    )


PERPETUALS = (
    _linear("BTC", "98505", "0.10", "0.001", brackets.BTC),
    _linear("ETH", "3200", "0.01", "0.001", brackets.ETH),
    _linear("SOL", "185.50", "0.01", "0.01", brackets.ALTCOIN),
    _linear("BTC", "98490", "0.10", "0.001", brackets.BTC, quote="USDC"),
    *(_linear(base, mark, "0.000001", "1", brackets.ALTCOIN) for base, mark in FURTHER_PERPETUALS),
    _inverse("BTC", "98500", "0.1", 100, brackets.COIN_BTC),
    _inverse("ETH", "3199.50", "0.01", 10, brackets.COIN_ETH),
)

NOTICE = 14 * DAY
"""How long before its delisting a contract bears the date of it. The stand-in's own figure."""


def odd_ones(now: Milliseconds) -> tuple[BinanceContract, ...]:
    """Contracts that are not what one takes for granted of a perpetual in TRADING that settles in dollars."""
    gold = _linear("XAU", "2650.00", "0.01", "0.001", brackets.ALTCOIN, kind=TRADIFI)
    stock = _linear("TSLA", "350.00", "0.01", "0.01", brackets.ALTCOIN, kind=TRADIFI)
    coin = _inverse("LTC", "104.20", "0.01", 10, brackets.COIN_ETH)
    return (
        _linear("ETH", "0.03249", "0.00001", "0.001", brackets.BTC_QUOTED, quote="BTC"),
        gold,
        replace(stock, delivery_date=now + NOTICE),
        replace(coin, type="PERPETUAL_DELIVERING", delivery_date=now - HOUR, status="DELIVERING"),
    )


DELIVERED = ("BTCUSDT", "BTCUSD_PERP")
"""Perpetual contracts that have quarterly siblings."""

CONTANGO = {"CURRENT_QUARTER": Decimal("1.005"), "NEXT_QUARTER": Decimal("1.02")}
"""What a delivery is marked at, relative to the perpetual contract."""


def _delivered(perpetual: BinanceContract, delivery: QuarterlyDelivery) -> BinanceContract:
    return BinanceContract(
        symbol=f"{perpetual.pair}_{delivery.suffix}",
        pair=perpetual.pair,
        base=perpetual.base,
        quote=perpetual.quote,
        margin_asset=perpetual.margin_asset,
        type=delivery.type,
        delivery_date=delivery.at,
        inverse=perpetual.inverse,
        size=perpetual.size,
        mark_price=perpetual.mark_price * CONTANGO[delivery.type],
        tick=perpetual.tick,
        step=perpetual.step,
        brackets=perpetual.brackets if perpetual.inverse else brackets.DELIVERY,
    )


def listed(now: Milliseconds) -> dict[str, BinanceContract]:
    """All contracts by symbol, with the deliveries that are open at this time."""
    contracts = {contract.symbol: contract for contract in (*PERPETUALS, *odd_ones(now))}
    for symbol in DELIVERED:
        for delivery in deliveries(now):
            contract = _delivered(contracts[symbol], delivery)
            contracts[contract.symbol] = contract
    return contracts
