"""Reading the positions of a Gate account, their rows in our terms, and the terms of its markets.

Fields: gate-api 7.2.161, `Position` and `DeliveryPosition`, checked 2026-11-29. `size` is negative for shorts and may
be a fraction; `value`, profits and margins are in settle currency. `margin` is an isolated position's own, without its
unrealised profit, and can be zero or negative. A flat market has a row too, once anything was set for it. Times are
seconds, written as whole numbers, fractions or text. A figure that is missing, null or empty is not told.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial

from schemas.replies import Position
from schemas.requests import MarginMode
from worker.venues.client.transport import Calls
from worker.venues.gate.endpoints import GatePart, part_of, reading
from worker.venues.gate.errors import NEVER_HELD, NO_ACCOUNT
from worker.venues.parsing import fields as shape
from worker.venues.parsing import position_math as figures
from worker.venues.parsing.fields import Row
from worker.venues.parsing.hedge_sides import Leg, summed
from worker.venues.parsing.open_position import open_position
from worker.venues.port.adapter import MarginSettings, Market, SymbolState, TermsOfMany
from worker.venues.port.errors import Ambiguous, PreconditionFailed, Refused, VenueError
from worker.venues.reading.many_terms import each, told_of, untold

MARGIN_MODES = {"cross": MarginMode.CROSS, "isolated": MarginMode.ISOLATED}
NEVER = Decimal(99_999_999)
"""The liquidation price that the documents show for a position which no price liquidates."""


def margin_mode_of(row: Row) -> MarginMode:
    """The margin mode of a row; older answers say it by a leverage of 0, which means cross."""
    spelling = row.get("pos_margin_mode")
    if not spelling:
        return MarginMode.ISOLATED if shape.decimal(row, "leverage") else MarginMode.CROSS
    if not isinstance(spelling, str) or spelling not in MARGIN_MODES:
        raise Ambiguous("the field pos_margin_mode of the venue's answer is unreadable", raw=row)
    return MARGIN_MODES[spelling]


LEVERAGES = ("lever", "leverage", "cross_leverage_limit", "leverage_max")
"""Where a row tells the leverage in force, the nearest first.

`lever` holds it in both modes. Where it is missing, `leverage` does for isolated and `cross_leverage_limit` for cross;
a limit of 0 is none, and then the position's highest leverage counts.
"""


def figure_of(row: Row, name: str) -> Decimal | None:
    """A figure, or None where none is told. Raises Ambiguous for what is no number."""
    return None if row.get(name) in (None, "") else shape.decimal(row, name)


def leverage_told(row: Row) -> Decimal | None:
    """The leverage in force; None where the row tells none."""
    return next((leverage for name in LEVERAGES if (leverage := figure_of(row, name))), None)


def leverage_of(row: Row) -> Decimal:
    """The leverage in force. Raises Ambiguous where the row tells none."""
    if (leverage := leverage_told(row)) is None:
        raise Ambiguous(f"none of the fields {', '.join(LEVERAGES)} of {row.get('contract')} tells a leverage", raw=row)
    return leverage


def terms_of(rows: list[Row], market: Market) -> MarginSettings:
    """Leverage and margin mode in the rows of a market: one, or a long and a short one in hedge mode.

    Raises PreconditionFailed where the two sides have different margin modes, for no one mode would be the truth.
    """
    for row in rows:
        if row.get("contract") != market.id:
            raise Ambiguous(f"Gate answered for {row.get('contract')}, not for {market.id}", raw=rows)
    modes = {margin_mode_of(row) for row in rows}
    if len(modes) > 1:
        sides = " and ".join(f"{row.get('mode')} is {margin_mode_of(row)}" for row in rows)
        raise PreconditionFailed(f"{market.symbol}: {sides}; switch both sides to one margin mode first", raw=rows)
    leverages = tuple(leverage_of(row) for row in rows)
    hedged = len(rows) > 1
    return MarginSettings(
        max(leverages), modes.pop(), raw=rows if hedged else rows[0], sides=leverages if hedged else ()
    )


def amount_of(row: Row) -> Decimal:
    """Contracts, negative for a short position."""
    return shape.decimal(row, "size")


def notional_of(row: Row, market: Market) -> Decimal:
    """The value of a position in quote currency, always positive."""
    if market.inverse:
        return abs(amount_of(row)) * market.contract_size
    return abs(shape.decimal(row, "value"))


def position_of(row: Row, market: Market, account_id: str) -> Position:
    """An open position. Raises Ambiguous for a row that lacks what nobody could do without."""
    amount, mark, liquidation = amount_of(row), figure_of(row, "mark_price"), figure_of(row, "liq_price")
    notional, profit = notional_of(row, market), shape.decimal(row, "unrealised_pnl")
    held, changed = _margin_held(row), int((figure_of(row, "update_time") or 0) * 1_000)
    return open_position(
        symbol=market.symbol,
        side=figures.side_of(amount),
        contracts=abs(amount),
        contract_size=market.contract_size,
        entry_price=shape.decimal(row, "entry_price"),
        mark_price=mark or None,
        notional=notional,
        leverage=leverage_told(row),
        unrealized_pnl=profit,
        percentage=_percentage(profit, notional, mark, market),
        margin_mode=margin_mode_of(row),
        liquidation_price=liquidation if liquidation and 0 < liquidation < NEVER else None,
        collateral=None if held is None else figures.margin(held, market.settle),
        timestamp=changed or None,
        exchange="gate",
        exchange_account_id=account_id,
    )


def _percentage(profit: Decimal, notional: Decimal, mark: Decimal | None, market: Market) -> Decimal | None:
    """An inverse profit is in coins, and worth what the mark price says."""
    if not market.inverse:
        return figures.percentage(profit, notional)
    return figures.percentage(profit * mark, notional) if mark else None


def state_of(rows: list[Row], market: Market, terms: MarginSettings) -> SymbolState:
    """Terms and position of a market; both legs of a hedged one are summed."""
    held = [row for row in rows if amount_of(row)]
    legs = (
        Leg(
            figures.side_of(amount_of(row)),
            abs(amount_of(row)),
            notional_of(row, market),
            shape.decimal(row, "unrealised_pnl"),
        )
        for row in held
    )
    return summed(legs, terms)


def _margin_held(row: Row) -> Decimal | None:
    """An isolated position's own margin, or what a cross one takes of the account's (value over leverage, and fees)."""
    if margin_mode_of(row) is MarginMode.ISOLATED:
        return figure_of(row, "margin")
    if held := figure_of(row, "initial_margin"):
        return held
    value, leverage = figure_of(row, "value"), leverage_told(row)
    return None if value is None or leverage is None else abs(value) / leverage


@dataclass(frozen=True, slots=True)
class Holding:
    """The rows of one market: a long and a short one if `hedged`; none if the account never touched the market."""

    hedged: bool
    rows: list[Row]


def address(market: Market) -> dict[str, str]:
    """The parameters that name a market in every path."""
    return {"settle": part_of(market).settle, "contract": market.id}


async def read_holding(transport: Calls, market: Market) -> Holding:
    """The rows of a market, flat or not. Raises VenueError."""
    part = part_of(market)
    hedged = await is_hedged(transport, part)
    dual = part.endpoints.hedged if hedged else None
    try:
        body = await transport.call(dual.position if dual else part.endpoints.position, address(market))
    except Refused as refusal:
        if refusal.venue_code != NEVER_HELD:
            raise
        return Holding(hedged, [])
    where = f"GET {part.path}/{'dual_comp/' if dual else ''}positions/{market.id}"
    return Holding(hedged, shape.rows(body, where) if hedged else [shape.mapping(body, where)])


async def is_hedged(transport: Calls, part: GatePart) -> bool:
    """Whether markets of this part have two sides. Raises PreconditionFailed for split positions."""
    if part.endpoints.account is None:
        return False
    where = f"GET {part.path}/accounts"
    account = shape.mapping(await transport.call(part.endpoints.account, {"settle": part.settle}), where)
    if account.get("position_mode") == "dual_plus":
        # every order is a position of its own there, and no setting holds for a market as a whole
        raise PreconditionFailed(
            "the account is in split position mode; switch it to one-way or hedge mode", raw=account
        )
    hedged = account.get("in_dual_mode")
    if not isinstance(hedged, bool):
        raise Ambiguous(f"the field in_dual_mode of {where} is missing or unreadable", raw=account)
    return hedged


async def terms_in(transport: Calls, holding: Holding, market: Market) -> MarginSettings:
    """The terms of a market that was read before. Raises VenueError."""
    if holding.rows:
        with reading(f"{market.id}, GET {part_of(market).path}/positions"):
            return terms_of(holding.rows, market)
    return await _default_terms(transport, part_of(market), market)


async def _default_terms(transport: Calls, part: GatePart, market: Market) -> MarginSettings:
    """What holds for a market that the account never touched, with the leverage that Gate gives it.

    That it is in cross margin is a guess: no document says so, and no endpoint tells.
    """
    if part.endpoints.default_leverage is None:
        raise PreconditionFailed(
            f"Gate tells no leverage of {market.symbol} before the account has held it or set it at Gate"
        )
    params = address(market) | {"pos_margin_mode": "cross", "dual_side": "dual_long"}
    where = f"GET {part.path}/get_leverage/{market.id}"
    body = shape.mapping(await transport.call(part.endpoints.default_leverage, params), where)
    with reading(where):
        if leverage := shape.decimal(body, "Lever"):
            return MarginSettings(leverage, MarginMode.CROSS, raw=body)
    raise Ambiguous(f"the field Lever of {where} is 0, which is no leverage", raw=body)


async def terms_in_part(transport: Calls, part: GatePart, markets: Sequence[Market]) -> TermsOfMany:
    """The terms of markets of a part: those that the account has touched have rows, flat or not, in one list."""
    asked = f"GET {part.path}/positions"
    try:
        rows = shape.rows(await transport.call(part.endpoints.positions, {"settle": part.settle}), asked)
    except Refused as refusal:
        if refusal.venue_code != NO_ACCOUNT:
            return untold(markets, refusal)
        rows = []
    except VenueError as error:
        return untold(markets, error)
    by_contract: dict[object, list[Row]] = defaultdict(list)
    for row in rows:
        by_contract[row.get("contract")].append(row)

    def told(market: Market) -> MarginSettings:
        with reading(f"{market.id}, {asked}"):
            return terms_of(by_contract[market.id], market)

    untouched = [market for market in markets if market.id not in by_contract]
    listed = told_of((market for market in markets if market.id in by_contract), told)
    return listed | await each(untouched, partial(_default_terms, transport, part))


async def read_open(transport: Calls, part: GatePart) -> list[Row]:
    """The rows of all open positions of a part, and perhaps of flat ones. Raises VenueError.

    They are asked for at once: without a `limit` Gate gives all current positions (gate-api 7.2.161, Get user position
    list, checked 2026-11-29). Pages of a list that others shorten meanwhile would lose rows that were open all along.
    """
    params = {"settle": part.settle} | ({"holding": "true"} if part.endpoints.narrowed else {})
    try:
        return shape.rows(await transport.call(part.endpoints.positions, params), f"GET {part.path}/positions")
    except Refused as refusal:
        if refusal.venue_code != NO_ACCOUNT:
            raise
        return []  # where there is no account there is no position
