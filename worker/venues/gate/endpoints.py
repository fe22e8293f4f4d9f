"""Which of Gate's endpoints serve which kind of market, as data.

Every settle currency has an account, a list of positions and an account book of its own.
"""

from dataclasses import dataclass

from schemas.control import Network
from schemas.requests import MarketType
from worker.accounts.networks import MAINNET
from worker.venues.port.adapter import Market


@dataclass(frozen=True, slots=True)
class Hedged:
    """The endpoints for accounts in hedge mode, where a market has a long and a short position."""

    position: str
    leverage: str
    margin_mode: str


@dataclass(frozen=True, slots=True)
class GateEndpoints:
    """The endpoints of a kind of market, by ccxt's names for them.

    `set_leverage` takes the margin mode along; without one, `leverage` does by what it is given (0 means cross), and
    it is the only way to switch the margin mode too. Only `account` tells whether the account is hedged. `paged`: the
    positions come in pages, and the account book takes an offset and filters by contract and type.
    """

    positions: str
    position: str
    leverage: str
    account_book: str
    paged: bool = False
    account: str | None = None
    default_leverage: str | None = None
    set_leverage: str | None = None
    margin_mode: str | None = None
    hedged: Hedged | None = None


PERPETUAL = GateEndpoints(
    positions="privateFuturesGetSettlePositions",
    position="privateFuturesGetSettlePositionsContract",
    leverage="privateFuturesPostSettlePositionsContractLeverage",
    account_book="privateFuturesGetSettleAccountBook",
    paged=True,
    account="privateFuturesGetSettleAccounts",
    default_leverage="privateFuturesGetSettleGetLeverageContract",
    set_leverage="privateFuturesPostSettlePositionsContractSetLeverage",
    margin_mode="privateFuturesPostSettlePositionsCrossMode",
    hedged=Hedged(
        position="privateFuturesGetSettleDualCompPositionsContract",
        leverage="privateFuturesPostSettleDualCompPositionsContractLeverage",
        margin_mode="privateFuturesPostSettleDualCompPositionsCrossMode",
    ),
)

DELIVERY = GateEndpoints(
    positions="privateDeliveryGetSettlePositions",
    position="privateDeliveryGetSettlePositionsContract",
    leverage="privateDeliveryPostSettlePositionsContractLeverage",
    account_book="privateDeliveryGetSettleAccountBook",
)


@dataclass(frozen=True, slots=True)
class GatePart:
    """A kind of market in one settle currency. `profits` are the types of its account book that are realized PnL."""

    coverage: str
    type: MarketType
    settle: str
    inverse: bool
    profits: frozenset[str]
    endpoints: GateEndpoints


PARTS = (
    GatePart("usdt", MarketType.SWAP, "usdt", False, frozenset({"pnl"}), PERPETUAL),
    GatePart("btc", MarketType.SWAP, "btc", True, frozenset({"pnl"}), PERPETUAL),
    GatePart("delivery usdt", MarketType.FUTURE, "usdt", False, frozenset({"pnl", "settle"}), DELIVERY),
)
"""All parts of an account. Deliveries also realize what their settlement pays."""


def parts_on(network: Network) -> tuple[GatePart, ...]:
    """The parts that an account has there: on the testnet there are no others than the perpetuals in USDT."""
    return PARTS if network == MAINNET else PARTS[:1]


def parts_of(
    market_type: MarketType | None, market: Market | None, parts: tuple[GatePart, ...] = PARTS
) -> tuple[GatePart, ...]:
    """The parts that a question is about: that of a market, those of a type of market, or all of these."""
    if market is not None:
        return (part_of(market),)
    return tuple(part for part in parts if market_type in (None, part.type))


def part_of(market: Market) -> GatePart:
    """The part that a market belongs to."""
    return next(part for part in PARTS if (part.type, part.settle) == (market.type, market.settle.lower()))
