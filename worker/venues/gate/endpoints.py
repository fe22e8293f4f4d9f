"""Which of Gate's endpoints serve which kind of market, as data.

Every settle currency has a list of contracts, an account, a list of positions and an account book of its own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from schemas.control import Network
from schemas.requests import MarketType
from worker.accounts.networks import MAINNET
from worker.venues.port.adapter import Market
from worker.venues.port.errors import Ambiguous


@dataclass(frozen=True, slots=True)
class Hedged:
    """The endpoints for accounts in hedge mode, where a market has a long and a short position."""

    position: str
    leverage: str
    margin_mode: str
    margin: str


@dataclass(frozen=True, slots=True)
class GateEndpoints:
    """The endpoints of a kind of market, by ccxt's names for them.

    `contracts` lists all there ever were where `traded` lists those that are traded still, and otherwise these.
    `leverage` takes the margin mode along where there is a `margin_mode` to switch it by; elsewhere it takes nothing
    but a leverage, which makes the market isolated. Only `account` tells whether the account is hedged; `wallet` tells
    what it holds. `narrowed`: the list of positions can leave out flat ones, and the account book takes an offset and
    filters by contract and type.
    """

    contracts: str
    traded: str | None
    contract: str
    positions: str
    position: str
    leverage: str
    account_book: str
    tiers: str
    wallet: str
    margin: str
    narrowed: bool = False
    account: str | None = None
    default_leverage: str | None = None
    margin_mode: str | None = None
    hedged: Hedged | None = None


PERPETUAL = GateEndpoints(
    contracts="publicFuturesGetSettleContractsAll",
    traded="publicFuturesGetSettleContracts",
    contract="publicFuturesGetSettleContractsContract",
    positions="privateFuturesGetSettlePositions",
    position="privateFuturesGetSettlePositionsContract",
    leverage="privateFuturesPostSettlePositionsContractSetLeverage",
    account_book="privateFuturesGetSettleAccountBook",
    tiers="publicFuturesGetSettleRiskLimitTiers",
    wallet="privateFuturesGetSettleAccounts",
    margin="privateFuturesPostSettlePositionsContractMargin",
    narrowed=True,
    account="privateFuturesGetSettleAccounts",
    default_leverage="privateFuturesGetSettleGetLeverageContract",
    margin_mode="privateFuturesPostSettlePositionsCrossMode",
    hedged=Hedged(
        position="privateFuturesGetSettleDualCompPositionsContract",
        leverage="privateFuturesPostSettleDualCompPositionsContractLeverage",
        margin_mode="privateFuturesPostSettleDualCompPositionsCrossMode",
        margin="privateFuturesPostSettleDualCompPositionsContractMargin",
    ),
)

DELIVERY = GateEndpoints(
    contracts="publicDeliveryGetSettleContracts",
    traded=None,
    contract="publicDeliveryGetSettleContractsContract",
    positions="privateDeliveryGetSettlePositions",
    position="privateDeliveryGetSettlePositionsContract",
    leverage="privateDeliveryPostSettlePositionsContractLeverage",
    account_book="privateDeliveryGetSettleAccountBook",
    tiers="publicDeliveryGetSettleRiskLimitTiers",
    wallet="privateDeliveryGetSettleAccounts",
    margin="privateDeliveryPostSettlePositionsContractMargin",
)


@dataclass(frozen=True, slots=True)
class GatePart:
    """A kind of market in one settle currency."""

    coverage: str
    type: MarketType
    settle: str
    inverse: bool
    endpoints: GateEndpoints

    @property
    def path(self) -> str:
        """What its endpoints begin with, as Gate writes it."""
        return f"/{'delivery' if self.type is MarketType.FUTURE else 'futures'}/{self.settle}"


PARTS = (
    GatePart("usdt", MarketType.SWAP, "usdt", False, PERPETUAL),
    GatePart("btc", MarketType.SWAP, "btc", True, PERPETUAL),
    GatePart("usd1", MarketType.SWAP, "usd1", False, PERPETUAL),
    GatePart("delivery usdt", MarketType.FUTURE, "usdt", False, DELIVERY),
)
"""All parts of an account: the settle currencies of gate-api 7.2.144 (npm), checked 2026-11-29."""


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Name what is read, in Gate's words, where it can't be understood. Raises Ambiguous, as what it surrounds does."""
    try:
        yield
    except Ambiguous as problem:
        raise Ambiguous(f"{problem.message} ({what})", venue_code=problem.venue_code, raw=problem.raw) from None


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
