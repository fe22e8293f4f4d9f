"""Leverage of OKX markets: reading it, and setting it on one side or on both (Get leverage, Set leverage).

A market has one leverage for its cross positions and, in long/short mode, one per side for its isolated ones. Expiry
futures share their cross leverage with all others of the same index.
"""

import asyncio
import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from schemas.requests import MarginMode, MarketType
from worker.venues.client.transport import Calls, ChangingCalls
from worker.venues.okx.answers import LEVERAGE_INFO, SET_LEVERAGE, items, only_item, reading
from worker.venues.okx.instruments import maximum_now
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import Echo, MarginSettings, Market, TermsOfMany
from worker.venues.port.door import Door
from worker.venues.port.errors import Ambiguous, LimitReached, NotSent, NotSupported, Refused, ValueRefused, VenueError
from worker.venues.reading.many_terms import told_of, untold

LOWEST = Decimal(1)

ONE_WAY: tuple[str | None, ...] = (None,)
BOTH_SIDES: tuple[str | None, ...] = ("long", "short")
"""The values of posSide: none but for isolated positions in long/short mode, where each side is set by itself."""


@dataclass(frozen=True, slots=True)
class LeverageSetting:
    """A leverage to be set: of which market, for which margin mode, on which sides."""

    market: Market
    mode: MarginMode
    leverage: Decimal
    sides: tuple[str | None, ...] = ONE_WAY


def figure(leverage: Decimal) -> str:
    """A leverage without needless digits.

    >>> figure(Decimal("10.00")), figure(Decimal("2.5"))
    ('10', '2.5')
    """
    return f"{leverage.normalize():f}"


async def check_leverage(transport: Calls, maxima: Mapping[str, Decimal], market: Market, leverage: Decimal) -> None:
    """Raise ValueRefused for less than 1x or more than the instrument's `lever`, read anew before it refuses anything.

    Fractions are left to the venue: its documents name no step.
    """
    if leverage < LOWEST:
        raise _out_of_range(market, leverage, maxima.get(market.id))
    known = maxima.get(market.id)
    if known is not None and leverage > known:
        maximum = await maximum_now(transport, market)
        if maximum is not None and leverage > maximum:
            raise _out_of_range(market, leverage, maximum)


def _out_of_range(market: Market, leverage: Decimal, maximum: Decimal | None) -> ValueRefused:
    until = f" to {figure(maximum)}x" if maximum is not None else " on"
    return ValueRefused(
        f"{market.symbol} takes 1x{until}, not {figure(leverage)}x",
        details={"symbol": market.symbol, "minimum": 1} | ({"maximum": maximum} if maximum is not None else {}),
    )


async def read_terms(transport: Calls, market: Market, mode: MarginMode) -> MarginSettings:
    """The leverage that positions of this mode have or would have. Raises NotSupported in portfolio margin accounts."""
    params = {"instId": market.id, "mgnMode": mode.value}
    rows = items(await transport.call("privateGetAccountLeverageInfo", params), LEVERAGE_INFO)
    return _terms_in(rows, market, mode)


def _terms_in(rows: list[Row], market: Market, mode: MarginMode) -> MarginSettings:
    if not rows or any(row.get("mgnMode") != mode for row in rows):
        raise Ambiguous(f"OKX's answer has no {mode} leverage of {market.id}", raw=rows)
    sides = tuple(_leverage_of(row) for row in rows)
    return MarginSettings(max(sides), mode, raw=rows, sides=sides if len(sides) > 1 else ())


MOST_AT_ONCE = 20
"""Instruments in one question (Get leverage: "multiple instruments", no more than 20)."""


async def terms_of_flat(transport: Calls, markets: Sequence[Market]) -> TermsOfMany:
    """The cross leverages of flat markets, twenty in a request."""
    batches = [markets[start : start + MOST_AT_ONCE] for start in range(0, len(markets), MOST_AT_ONCE)]
    told: TermsOfMany = {}
    for found in await asyncio.gather(*(_terms_of_batch(transport, batch) for batch in batches)):
        told |= found
    return told


async def _terms_of_batch(transport: Calls, markets: Sequence[Market]) -> TermsOfMany:
    params = {"instId": ",".join(market.id for market in markets), "mgnMode": MarginMode.CROSS.value}
    try:
        rows = items(await transport.call("privateGetAccountLeverageInfo", params), LEVERAGE_INFO)
    except VenueError as error:
        return untold(markets, error)

    def told(market: Market) -> MarginSettings:
        found = _terms_in([row for row in rows if row.get("instId") == market.id], market, MarginMode.CROSS)
        return replace(found, mode_kept=_by_order())

    return told_of(markets, told)


def _by_order() -> NotSupported:
    """Why a market without a position can't be put into isolated margin."""
    return NotSupported(
        "OKX takes the margin mode from each order (tdMode), so that a market without a position has none to be set; "
        "leave margin_mode out"
    )


def _leverage_of(row: Row) -> Decimal:
    with reading(LEVERAGE_INFO, row):
        return shape.decimal(row, "lever")


async def set_leverage(transport: ChangingCalls, door: Door, setting: LeverageSetting, note: str | None = None) -> Echo:
    """Set a leverage, side by side where OKX wants it so.

    Raises a refusal of the second side as what it is, saying that the first one is changed.
    """
    rows: list[Row] = []
    for side in setting.sides:
        try:
            rows.append(await _set_side(transport, door, setting, side))
        except (Refused, NotSent) as problem:
            if not rows:
                raise
            raise _half_done(setting, problem) from problem
    return _echo(rows, setting, note)


async def _set_side(transport: ChangingCalls, door: Door, setting: LeverageSetting, side: str | None) -> Row:
    params = {"instId": setting.market.id, "lever": figure(setting.leverage), "mgnMode": setting.mode.value}
    wanted = {name: params[name] for name in ("instId", "mgnMode")} | ({"posSide": side} if side else {})
    row = only_item(await transport.change(door, "privatePostAccountSetLeverage", params | wanted), SET_LEVERAGE)
    if any(row.get(name) != value for name, value in wanted.items()):
        raise Ambiguous(f"OKX's answer is not about the {setting.mode} leverage of {setting.market.id}", raw=row)
    return row


def _half_done(setting: LeverageSetting, problem: Refused | NotSent) -> Refused | Ambiguous:
    done, refused = setting.sides
    message = (
        f"{setting.market.symbol}: the {done} side is at {figure(setting.leverage)}x now, "
        f"but the {refused} side was not changed: {problem.message}"
    )
    if isinstance(problem, NotSent | LimitReached):
        # as a whole it did leave: only a read-back tells how far it came
        return Ambiguous(message)
    told = copy.copy(problem)
    told.message, told.args = message, (message,)
    told.details = problem.details | {"done": [done], "refused": [refused]}
    return told


def _echo(rows: list[Row], setting: LeverageSetting, note: str | None) -> Echo:
    echoed = {shape.decimal(row, "lever") for row in rows}
    return Echo(
        raw={"data": rows},
        leverage=echoed.pop() if len(echoed) == 1 else None,
        margin_mode=setting.mode,
        note=note or _wider_than_the_market(setting),
    )


def _wider_than_the_market(setting: LeverageSetting) -> str | None:
    market = setting.market
    if market.type is MarketType.FUTURE and setting.mode is MarginMode.CROSS:
        return f"OKX has one cross leverage for all {market.base}-{market.quote} futures"
    return None
