"""The instruments that are listed: perpetual swaps, the expiry futures of the next two quarters, and X-Perps.

Source: "Get instruments" (2026-07-18). The listing has no filter by `state`: what is suspended or only announced comes
too. Of what is announced, OKX tells next to nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal

from schemas.base import Milliseconds
from worker.sandbox.kit.clock import Clock
from worker.sandbox.kit.perpetuals import FURTHER_PERPETUALS
from worker.sandbox.server.deliveries import quarter_ends

LISTED: Milliseconds = 1_573_557_408_000
SWAP, FUTURES = "SWAP", "FUTURES"
CONTANGO = {"quarter": Decimal("1.005"), "next_quarter": Decimal("1.02")}
"""The futures by their alias, and what each is marked at, relative to the swap."""


@dataclass(frozen=True, slots=True)
class OkxInstrument:
    """A listed contract. `contract_value` is in base currency if linear, in quote currency if inverse."""

    id: str
    type: str
    base: str
    quote: str
    settle: str
    contract_value: Decimal
    mark_price: Decimal
    tick: Decimal
    max_leverage: int
    expiry: Milliseconds | None = None
    alias: str = ""
    family: str = ""
    rule: str = "normal"
    state: str = "live"

    @property
    def inverse(self) -> bool:
        """Whether profits are made in the base currency."""
        return self.settle == self.base

    @property
    def underlying(self) -> str:
        """The index that the contract follows; none of what is only announced."""
        return f"{self.base}-{self.quote}" if self.base else ""

    @property
    def instrument_family(self) -> str:
        """What `instFamily` says: the index, unless contracts on it settle in several currencies."""
        return self.family or self.underlying


@dataclass(frozen=True, slots=True)
class OkxExchangeState:
    """What all accounts share: the clock and the instruments."""

    clock: Clock
    instruments: Mapping[str, OkxInstrument]

    def of_type(self, kind: str) -> tuple[OkxInstrument, ...]:
        """The instruments of one type."""
        return tuple(instrument for instrument in self.instruments.values() if instrument.type == kind)


def _linear(base: str, value: str, mark: str, tick: str, leverage: int, *, quote: str = "USDT") -> OkxInstrument:
    return OkxInstrument(
        id=f"{base}-{quote}-SWAP",
        type=SWAP,
        base=base,
        quote=quote,
        settle=quote,
        contract_value=Decimal(value),
        mark_price=Decimal(mark),
        tick=Decimal(tick),
        max_leverage=leverage,
    )


def _inverse(base: str, value: str, mark: str, tick: str) -> OkxInstrument:
    return replace(_linear(base, value, mark, tick, 100, quote="USD"), settle=base)


def _x_perp(base: str, value: str, mark: str, tick: str) -> OkxInstrument:
    """A future that is funded like a perpetual, and margined in USD or a stablecoin."""
    return replace(
        _linear(base, value, mark, tick, 50, quote="USD"),
        id=f"{base}-USD_UM_XPERP-{X_PERP_DATE:%y%m%d}",
        type=FUTURES,
        family=f"{base}-USD_UM_XPERP",
        expiry=int(X_PERP_DATE.timestamp()) * 1000,
        rule="xperp",
    )


X_PERP_DATE = datetime(2031, 4, 4, 8, tzinfo=UTC)
X_PERPS = (_x_perp("BTC", "0.0001", "98510", "0.1"), _x_perp("ETH", "0.001", "3201", "0.01"))

ANNOUNCED = OkxInstrument("NEW-USD_UM-SWAP", SWAP, "", "", "", Decimal(0), Decimal(0), Decimal(0), 0, state="preopen")
"""A swap that is not traded yet."""

PERPETUALS = (
    _linear("BTC", "0.01", "98505", "0.1", 100),
    _linear("ETH", "0.1", "3200", "0.01", 100),
    _linear("SOL", "1", "185.50", "0.01", 50),
    _linear("BTC", "0.0001", "98490", "0.1", 50, quote="USDC"),
    *(_linear(base, "1", mark, "0.000001", 50) for base, mark in FURTHER_PERPETUALS),
    _inverse("BTC", "100", "98500", "0.1"),
    _inverse("ETH", "10", "3199.50", "0.01"),
    replace(_linear("LUNA", "1", "0.35", "0.0001", 20), state="suspend"),
)

DELIVERED = ("BTC-USDT-SWAP", "BTC-USD-SWAP")
"""Swaps that have quarterly siblings."""


def _futures(now: Milliseconds) -> Iterator[OkxInstrument]:
    for swap in PERPETUALS:
        for at, (alias, contango) in zip(quarter_ends(now), CONTANGO.items(), strict=False):
            if swap.id in DELIVERED:
                date = datetime.fromtimestamp(at / 1000, UTC)
                yield replace(
                    swap,
                    id=f"{swap.underlying}-{date:%y%m%d}",
                    type=FUTURES,
                    mark_price=swap.mark_price * contango,
                    expiry=at,
                    alias=alias,
                )


def listed(now: Milliseconds) -> dict[str, OkxInstrument]:
    """All instruments by id, with the futures that are open at this time."""
    return {instrument.id: instrument for instrument in (*PERPETUALS, ANNOUNCED, *_futures(now), *X_PERPS)}
