"""What an account is at the venue, and the accounts that are there from the start.

`newvenue-perp-001` is long in BTC/USDT:USDT and flat in ETH/USDT:USDT, as the seeded account of every venue is, with
figures that all of them share: cards and contract compare them. `newvenue-tour-001` is the same again, for the tour.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from types import MappingProxyType

from schemas.base import Milliseconds
from worker.sandbox.kit.clock import HOUR
from worker.sandbox.kit.perpetuals import FURTHER_PERPETUALS

DEFAULT_LEVERAGE = Decimal(20)
OPENED: Milliseconds = 1_706_745_600_000


@dataclass(frozen=True, slots=True)
class NewvenueInstrument:
    """A perpetual swap of one coin."""

    base: str
    mark_price: Decimal
    max_leverage: int

    @property
    def id(self) -> str:
        """BTC-USDT."""
        return f"{self.base}-USDT"


INSTRUMENTS: Mapping[str, NewvenueInstrument] = MappingProxyType(
    {
        listed.id: listed
        for listed in (
            NewvenueInstrument("BTC", Decimal(98_505), 100),
            NewvenueInstrument("ETH", Decimal(3_200), 50),
            *(NewvenueInstrument(base, Decimal(mark), 25) for base, mark in FURTHER_PERPETUALS),
        )
    }
)
"""What is listed."""


@dataclass(slots=True)
class NewvenuePosition:
    """An open position; `size` is negative for shorts."""

    instrument: NewvenueInstrument
    size: Decimal
    entry_price: Decimal

    @property
    def profit(self) -> Decimal:
        """What it has made so far, in USDT."""
        return self.size * (self.instrument.mark_price - self.entry_price)

    def margin(self, leverage: Decimal) -> Decimal:
        """What carries it at a leverage, in USDT."""
        return abs(self.size) * self.instrument.mark_price / leverage


@dataclass(frozen=True, slots=True)
class NewvenueRecord:
    """Something that changed an account's balance, in USDT."""

    id: str
    kind: str
    instrument: str
    amount: Decimal
    time: Milliseconds


@dataclass(frozen=True, slots=True)
class NewvenueSeed:
    """An account's state at the start: positions as instrument, size and entry price."""

    id: str
    balance: Decimal = Decimal(10_000)
    positions: tuple[tuple[str, str, str], ...] = ()
    with_records: bool = False


PERP = NewvenueSeed("newvenue-perp-001", positions=(("BTC-USDT", "0.05", "98000"),), with_records=True)
SEEDS = (PERP, replace(PERP, id="newvenue-tour-001"))


@dataclass(slots=True)
class NewvenueAccountState:
    """An account as it is now."""

    balance: Decimal
    positions: dict[str, NewvenuePosition]
    records: list[NewvenueRecord]
    leverages: dict[str, Decimal] = field(default_factory=lambda: {"BTC-USDT": Decimal(10)})

    def leverage(self, instrument: str) -> Decimal:
        """The leverage of an instrument."""
        return self.leverages.get(instrument, DEFAULT_LEVERAGE)

    def free_after(self, instrument: str, leverage: Decimal) -> Decimal:
        """What would be left in USDT if an instrument had another leverage."""
        leverages = {name: self.leverage(name) for name in self.positions} | {instrument: leverage}
        return self.balance - sum(held.margin(leverages[name]) for name, held in self.positions.items())


def state_of(seed: NewvenueSeed, now: Milliseconds) -> NewvenueAccountState:
    """An account as its seed describes it."""
    positions = {
        name: NewvenuePosition(INSTRUMENTS[name], Decimal(size), Decimal(entry)) for name, size, entry in seed.positions
    }
    return NewvenueAccountState(
        seed.balance, positions, sorted(_records(now), key=lambda row: row.time) if seed.with_records else []
    )


def _records(now: Milliseconds) -> Iterator[NewvenueRecord]:
    """Thirty days: a payment in each of two instruments every eight hours, and an hour before each a profit."""
    last = now // (8 * HOUR) * 8 * HOUR
    for number in range(90):
        time = last - (89 - number) * 8 * HOUR
        for name, paid, made in (("BTC-USDT", "-0.15", "1.25"), ("ETH-USDT", "0.03", "-0.75")):
            yield NewvenueRecord(f"f{number}{name[0]}", "funding", name, Decimal(paid), time)
            kind = "close" if number % 2 else "liquidation"
            yield NewvenueRecord(f"p{number}{name[0]}", kind, name, Decimal(made), time - HOUR)
