"""Leverage and margin mode of Hyperliquid markets: changing the one, and reading both.

Sources: exchange endpoint "Update leverage", info endpoints clearinghouseState and activeAssetData. The only action
there is sets leverage and margin mode together, so that the present mode must be read first and sent along.
"""

from decimal import Decimal

from schemas.requests import MarginMode
from worker.venues.client.transport import Calls
from worker.venues.hyperliquid.credentials import Credentials
from worker.venues.hyperliquid.limits import EXCHANGE, INFO
from worker.venues.hyperliquid.positions import open_rows, terms_of
from worker.venues.hyperliquid.universe import Instrument
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import Echo, MarginSettings
from worker.venues.port.errors import Ambiguous, NotSent, ValueRefused


def check_leverage(instrument: Instrument, leverage: Decimal) -> None:
    """Raise ValueRefused for a fraction or for more than the market allows."""
    maximum, symbol = instrument.max_leverage, instrument.market.symbol
    if leverage != leverage.to_integral_value() or leverage < 1:
        raise ValueRefused(f"Hyperliquid takes whole leverages from 1x on, not {leverage:f}x")
    if leverage > maximum:
        raise ValueRefused(
            f"{symbol} takes 1x to {maximum}x, not {leverage:f}x",
            details={"symbol": symbol, "minimum": 1, "maximum": maximum},
        )


async def set_leverage(transport: Calls, who: Credentials, instrument: Instrument, leverage: Decimal) -> Echo:
    """Set a leverage and leave the margin mode as it is. The answer states success, but no leverage.

    Raises NotSent when the present mode can't be read: then nothing was changed.
    """
    try:
        mode = (await read_terms(transport, who.owner, instrument)).margin_mode
    except Ambiguous as doubt:
        raise NotSent(f"the present margin mode can't be read, so nothing was sent: {doubt.message}") from doubt
    action = {
        "type": "updateLeverage",
        "asset": instrument.asset,
        "isCross": mode is MarginMode.CROSS,
        "leverage": int(leverage),
    }
    raw = shape.mapping(await transport.call(EXCHANGE, {"action": action, "vaultAddress": who.vault}), "updateLeverage")
    if raw.get("status") != "ok":
        raise Ambiguous("Hyperliquid's answer to the leverage is not the documented one", raw=raw)
    return Echo(raw=raw)


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
    rows = await read_dex(transport, owner, instrument.dex)
    return [row for row in rows if row.get("coin") == instrument.market.id]


async def read_dex(transport: Calls, owner: str, dex: str) -> list[Row]:
    """Open positions in the markets of a dex."""
    return open_rows(await transport.call(INFO, {"type": "clearinghouseState", "user": owner, "dex": dex}))
