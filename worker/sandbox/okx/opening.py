"""Making accounts from seeds, at the start and on request, and changing them behind their owners' backs."""

import zlib
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from schemas.base import Milliseconds
from worker.sandbox.kit.accounts import ControlContent, RequestedAccount
from worker.sandbox.kit.clock import MINUTE
from worker.sandbox.okx import risk
from worker.sandbox.okx.account import AccountLevel, OkxAccountState, OkxMarginMode, OkxOpenPosition, OkxPositionSide
from worker.sandbox.okx.bill import Bill
from worker.sandbox.okx.instruments import SWAP, OkxExchangeState, OkxInstrument
from worker.sandbox.okx.seeded_bills import numbered, seeded_bills
from worker.sandbox.okx.seeds import OkxSeedAccount, OkxSeedPosition, SeedLeverage
from worker.sandbox.server.venue import ControlRefused

CURRENT = "-CURRENT"
POSITION_WORTH = Decimal(500)
"""What each position of an account opened on request is worth at least, in USDT."""

FIRST_POSITION = 339_552_508_062_380_036


class NewOkxAccount(RequestedAccount):
    """An account asked for on request, with `open_positions` long cross positions in as many linear swaps.

    With `key_of`, another key of the account of that id; nothing else of it can be chosen.
    """

    level: AccountLevel = AccountLevel.SINGLE_CURRENCY
    two_sided: bool = False
    open_positions: Annotated[int, Field(ge=0)] = 0
    with_bills: bool = False
    key_of: str | None = None


class OkxPositionChange(ControlContent):
    """A position to open or replace; an amount of 0 closes it. `amount` is negative for shorts."""

    instrument_id: str
    amount: Decimal
    entry_price: Annotated[Decimal, Field(gt=0)] = Decimal(1)
    mode: OkxMarginMode = OkxMarginMode.CROSS
    side: OkxPositionSide = OkxPositionSide.NET


class LeverageChange(ControlContent):
    """A leverage to set."""

    instrument_id: str
    leverage: Annotated[int, Field(ge=1)]
    mode: OkxMarginMode = OkxMarginMode.CROSS
    side: OkxPositionSide = OkxPositionSide.NET


class OkxKeyChange(ControlContent):
    """What to change of the key: what it may do, and the addresses that it is bound to."""

    perm: tuple[Literal["read_only", "trade", "withdraw"], ...] | None = None
    ip: tuple[str, ...] | None = None


class OkxBillsWritten(ControlContent):
    """Bills to add: as many as `times`, the newest at `time` (now, if left out) and each `apart_ms` before the next.

    Of an instrument that is not listed, `instrument_type` and `currency` must be told.
    """

    type: str
    sub_type: str = ""
    instrument_id: str = ""
    instrument_type: str | None = None
    currency: str | None = None
    profit: Decimal = Decimal(0)
    balance_change: Decimal = Decimal(0)
    position_change: Decimal = Decimal(0)
    fee: Decimal = Decimal(0)
    margin_mode: str = "cross"
    time: Milliseconds | None = None
    times: Annotated[int, Field(ge=1, le=100_000)] = 1
    apart_ms: Annotated[int, Field(ge=0)] = 0


class OkxAccountChange(ControlContent):
    """What to change of an account; what is left out stays.

    `open_orders` counts orders by instrument, `waiting_orders` those that wait for a trigger (TP/SL, trailing, chase).
    """

    level: AccountLevel | None = None
    key: OkxKeyChange = OkxKeyChange()
    open_orders: dict[str, int] = Field(default_factory=dict)
    waiting_orders: dict[str, int] = Field(default_factory=dict)
    two_sided: bool | None = None
    leverages: tuple[LeverageChange, ...] = ()
    positions: tuple[OkxPositionChange, ...] = ()
    bills: tuple[OkxBillsWritten, ...] = ()
    balances: dict[str, Decimal] = Field(default_factory=dict)


def requested_seed(exchange: OkxExchangeState, request: NewOkxAccount) -> OkxSeedAccount:
    """The seed of an account asked for on request. Raises ControlRefused if there are too few instruments."""
    swaps = [swap for swap in exchange.of_type(SWAP) if swap.settle == "USDT"]
    if request.open_positions > len(swaps):
        raise ControlRefused(f"there are {len(swaps)} linear swaps, no more positions can be open")
    side = OkxPositionSide.LONG if request.two_sided else OkxPositionSide.NET
    return OkxSeedAccount(
        id=request.id,
        level=request.level,
        two_sided=request.two_sided,
        balances={"USDT": Decimal(1_000_000)},
        positions=tuple(_position(swap, side) for swap in swaps[: request.open_positions]),
        with_bills=request.with_bills,
        key_of=request.key_of,
    )


def _position(swap: OkxInstrument, side: OkxPositionSide) -> OkxSeedPosition:
    contracts = (POSITION_WORTH / swap.mark_price / swap.contract_value).to_integral_value() + 1
    return OkxSeedPosition(swap.id, contracts, swap.mark_price * Decimal("0.99"), side=side)


def state_of(seed: OkxSeedAccount, exchange: OkxExchangeState) -> OkxAccountState:
    """An account as its seed describes it. Accounts opened in the same minute share their (immutable) bills."""
    now = exchange.clock.now() // MINUTE * MINUTE
    state = OkxAccountState(
        id=seed.id,
        uid=str(400_000_000_000 + zlib.crc32(seed.id.encode())),
        level=seed.level,
        two_sided=seed.two_sided,
        balances=dict(seed.balances),
        bills=seeded_bills(now, listed(exchange, f"BTC-USDT{CURRENT}").id) if seed.with_bills else (),
    )
    for leverage in seed.leverages:
        _set(state, exchange, leverage)
    for position in seed.positions:
        _hold(state, exchange, position, position.updated)
    return state


def listed(exchange: OkxExchangeState, instrument_id: str) -> OkxInstrument:
    """An instrument by its id, or the current quarter's future by `-CURRENT`. Raises ControlRefused."""
    index = instrument_id.removesuffix(CURRENT)
    for instrument in exchange.instruments.values():
        if instrument.id == instrument_id or (
            index != instrument_id and instrument.underlying == index and instrument.alias == "quarter"
        ):
            return instrument
    raise ControlRefused(f"{instrument_id} is not listed")


def change(account: OkxAccountState, exchange: OkxExchangeState, wanted: OkxAccountChange) -> None:
    """Change an account. Raises ControlRefused for what is not listed."""
    account.open_orders.update(_by_id(exchange, wanted.open_orders))
    account.waiting_orders.update(_by_id(exchange, wanted.waiting_orders))
    account.level = wanted.level or account.level
    account.key = replace(account.key, **wanted.key.model_dump(exclude_none=True))
    if wanted.two_sided is not None:
        account.two_sided = wanted.two_sided
    for leverage in wanted.leverages:
        _set(account, exchange, leverage)
    for position in wanted.positions:
        _hold(account, exchange, position, exchange.clock.now())
    if wanted.bills:
        written = [bill for described in wanted.bills for bill in _written(exchange, described)]
        account.bills = numbered([*account.bills, *written])
    account.balances.update(wanted.balances)


def _by_id(exchange: OkxExchangeState, counts: dict[str, int]) -> dict[str, int]:
    return {listed(exchange, named).id: count for named, count in counts.items()}


def _written(exchange: OkxExchangeState, described: OkxBillsWritten) -> Iterator[Bill]:
    instrument = exchange.instruments.get(described.instrument_id)
    newest = exchange.clock.now() if described.time is None else described.time
    for number in range(described.times):
        yield Bill(
            newest - number * described.apart_ms,
            described.type,
            described.sub_type,
            described.instrument_type or (instrument.type if instrument else ""),
            described.instrument_id,
            described.currency or (instrument.settle if instrument else "USDT"),
            described.margin_mode,
            described.balance_change,
            described.position_change,
            described.profit,
            described.fee,
        )


def _set(account: OkxAccountState, exchange: OkxExchangeState, wanted: SeedLeverage | LeverageChange) -> None:
    key = account.leverage_key(listed(exchange, wanted.instrument_id), wanted.mode, wanted.side)
    account.leverages[key] = Decimal(wanted.leverage)


def _hold(
    account: OkxAccountState, exchange: OkxExchangeState, wanted: OkxSeedPosition | OkxPositionChange, now: int
) -> None:
    position = OkxOpenPosition(
        id=FIRST_POSITION + len(account.positions),
        instrument=listed(exchange, wanted.instrument_id),
        mode=wanted.mode,
        side=wanted.side,
        amount=wanted.amount,
        entry_price=wanted.entry_price,
        created=now + len(account.positions),
        updated=now,
    )
    if position.amount and position.mode is OkxMarginMode.ISOLATED:
        position.margin = risk.initial(account, position)
    account.positions[position.key] = position
