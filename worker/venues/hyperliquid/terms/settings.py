"""Leverage and margin mode of Hyperliquid markets: changing the one, and reading both.

Sources: exchange endpoint "Update leverage", info endpoints clearinghouseState, activeAssetData and meta; read
2026-11-29. The only action there is sets leverage and margin mode together, so that the present mode must be read first
and sent along. Where a flat market is for isolated margin only, isolated is sent.
"""

from decimal import Decimal
from typing import Any

from schemas.requests import MarginMode
from worker.venues.client.transport import Calls, ChangingCalls
from worker.venues.hyperliquid.credentials import Credentials
from worker.venues.hyperliquid.instruments import Instrument, is_isolated_only, max_leverage_of
from worker.venues.hyperliquid.limits import EXCHANGE, INFO
from worker.venues.hyperliquid.positions import open_in, terms_of
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import Echo, MarginSettings
from worker.venues.port.door import Door
from worker.venues.port.errors import Ambiguous, NotSent, ValueRefused, VenueError


async def check_leverage(transport: Calls, instrument: Instrument, leverage: Decimal) -> None:
    """Raise ValueRefused for a fraction or for more than the market allows.

    The highest leverage is raised and lowered at the venue: it is read anew before anything is refused by it. Where it
    can't be read, the venue itself will say.
    """
    symbol = instrument.market.symbol
    if leverage != leverage.to_integral_value() or leverage < 1:
        raise ValueRefused(f"Hyperliquid takes whole leverages from 1x on, not {leverage:f}x")
    if leverage <= instrument.max_leverage:
        return
    row = await _listed_now(transport, instrument)
    maximum = None if row is None else _max_leverage(row)
    if maximum is not None and leverage > maximum:
        raise ValueRefused(
            f"{symbol} takes 1x to {maximum}x, not {leverage:f}x",
            details={"symbol": symbol, "minimum": 1, "maximum": maximum},
        )


async def _listed_now(transport: Calls, instrument: Instrument) -> Row | None:
    """A market as the venue lists it now; None where it does not tell."""
    try:
        meta = shape.mapping(await transport.call(INFO, {"type": "meta", "dex": instrument.dex}), "meta")
        rows = shape.rows(meta.get("universe"), "the universe of meta")
    except VenueError:
        return None
    return next((row for row in rows if row.get("name") == instrument.market.id), None)


def _max_leverage(row: Row) -> int | None:
    try:
        return max_leverage_of(row)
    except Ambiguous:
        return None


async def set_leverage(
    transport: ChangingCalls, door: Door, who: Credentials, instrument: Instrument, leverage: Decimal
) -> Echo:
    """Set a leverage and leave the margin mode as it is. The answer states success, but no leverage.

    Raises NotSent when the present mode can't be read: then nothing was changed.
    """
    try:
        mode = await _mode_to_send(transport, who.owner, instrument)
    except Ambiguous as doubt:
        raise NotSent(f"the present margin mode can't be read, so nothing was sent: {doubt.message}") from doubt
    action = {
        "type": "updateLeverage",
        "asset": instrument.asset,
        "isCross": mode is MarginMode.CROSS,
        "leverage": int(leverage),
    }
    raw = shape.mapping(
        await transport.change(door, EXCHANGE, {"action": action, "vaultAddress": who.vault}), "updateLeverage"
    )
    if raw.get("status") != "ok":
        raise Ambiguous("Hyperliquid's answer to the leverage is not the documented one", raw=raw)
    return Echo(raw=raw)


async def _mode_to_send(transport: Calls, owner: str, instrument: Instrument) -> MarginMode:
    """The margin mode that a change of leverage leaves as it is."""
    if rows := await read_positions(transport, owner, instrument):
        return terms_of(rows[0]).margin_mode
    mode = (await read_flat_terms(transport, owner, instrument)).margin_mode
    if mode is MarginMode.CROSS and instrument.isolated_only and await _is_isolated_only(transport, instrument):
        return MarginMode.ISOLATED
    return mode


async def _is_isolated_only(transport: Calls, instrument: Instrument) -> bool:
    """Whether a market that was for isolated margin only still is: if it is not, it must not be switched."""
    row = await _listed_now(transport, instrument)
    return row is None or is_isolated_only(row)


async def read_terms(transport: Calls, owner: str, instrument: Instrument) -> MarginSettings:
    """Terms of a market: those of the position in it, else those that the next one will have."""
    rows = await read_positions(transport, owner, instrument)
    return terms_of(rows[0]) if rows else await read_flat_terms(transport, owner, instrument)


async def read_flat_terms(transport: Calls, owner: str, instrument: Instrument) -> MarginSettings:
    """Terms of a market without a position."""
    coin = instrument.market.id
    asked = {"type": "activeAssetData", "user": owner, "coin": coin}
    body = shape.mapping(await transport.call(INFO, asked), "activeAssetData")
    if shape.text(body, "coin") != coin:
        raise Ambiguous(f"Hyperliquid answered for {body['coin']}, not for {coin}", raw=body)
    return terms_of(body)


async def read_positions(transport: Calls, owner: str, instrument: Instrument) -> list[Row]:
    """The open position in a market, if there is one."""
    return open_in(await read_dex(transport, owner, instrument.dex), instrument.market.id)


async def read_dex(transport: Calls, owner: str, dex: str) -> Any:
    """The account on a dex, as the venue tells it."""
    return await transport.call(INFO, {"type": "clearinghouseState", "user": owner, "dex": dex})
