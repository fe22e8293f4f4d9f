"""Hyperliquid: two paths for everything, dexes for parts, perpetuals only, and no margin mode to set."""

from typing import Any

from tests.support.venues.description import (
    CROSS,
    FUNDING,
    ISOLATED,
    PNL,
    SWAP,
    ClockCase,
    CredentialCase,
    DescribedVenue,
    FlatCase,
    LeverageCase,
    MarginCase,
    MaximumCase,
    NewestCase,
    OfSymbolCase,
    OwnPartCase,
    PoolCase,
    StateCase,
    StretchCase,
    TierCase,
    UnlistedCase,
    UnmovedCase,
    UnreadableCase,
    WeekCase,
    WholeCase,
    refused,
)
from worker.accounts.venues import Capability
from worker.sandbox.kit.clock import DAY
from worker.venues.port.adapter import Market
from worker.venues.port.errors import AccessDenied, PreconditionFailed, Refused, Throttled, Unlisted

BTC, FLAT, SHORT, GOLD = "BTC/USDC:USDC", "ETH/USDC:USDC", "SOL/USDC:USDC", "XYZ-GOLD/USDC:USDC"
OIL, CANTO, NVDA = "FLX-OIL/USDH:USDH", "CANTO/USDC:USDC", "XYZ-NVDA/USDC:USDC"
PLENTY = 10**9
LACKS = frozenset({Capability.MARGIN_MODE, Capability.POSITION_MODE, Capability.PORTFOLIO_MARGIN})
DONE = {"status": "ok", "response": {"type": "default"}}
OTHER_ANSWERS: tuple[Any, ...] = ({}, [], {"status": "unknown"}, {"response": {"type": "default"}})
NOT_ALLOWED = "Cross position does not have sufficient margin available to decrease leverage."
FUNDED, REALIZED = 30 * 24, 6_600 // 2 // 5


def _maximum(symbol: str, maximum: int) -> MaximumCase:
    return MaximumCase("perp", symbol, maximum, (("/info", {"type": "meta"}),))


def _echo(_: Market) -> dict[str, Any]:
    return DONE


def _kinds(*symbols: str) -> frozenset[tuple[str, str]]:
    return frozenset((symbol, "USDC") for symbol in symbols)


DESCRIBED = DescribedVenue(
    exchange="hyperliquid",
    set_leverage="/exchange",
    listing=({"path": "/info", "fault": "html", "times": 5},),
    misspelt="BTC/USDT:USDT",
    refused_code="Invalid leverage value",
    limits={"api": PLENTY},
    granted={"weight": PLENTY},
    echo=_echo,
    no_confirmations=tuple(({"fault": "status", "body": body}, None) for body in OTHER_ANSWERS),
    leverages=(
        LeverageCase("perp", BTC, CROSS, 12),
        LeverageCase("perp", FLAT, CROSS, 12),
        LeverageCase("perp", GOLD, None, 12),
        LeverageCase("perp", SHORT, ISOLATED, 15),
        LeverageCase("perp", CANTO, ISOLATED, 3),
        LeverageCase("perp", NVDA, ISOLATED, 3),
    ),
    maxima=(_maximum(BTC, 40), _maximum(FLAT, 25), _maximum(GOLD, 20), _maximum(CANTO, 3)),
    read_ahead=({"path": "/info", "fault": "html"},),
    tiers=(TierCase("perp", BTC, "USDC", "150000000", ("40", "20"), "0.0125", "/info", FLAT),),
    states=(StateCase("perp", BTC, "long", "0.05", "4925.25"),),
    flats=(FlatCase("perp", FLAT), FlatCase("perp", NVDA), FlatCase("perp", OIL)),
    position={
        "contracts": 0.05,
        "contract_size": 1,
        "liquidation_price": 72911.4,
        "timestamp": None,
        "datetime": None,
    },
    isolated=(("perp", SHORT, "200.00"),),
    margins=(MarginCase("perp", "SOL/USDC:USDC", "200", "USDC", "/exchange"),),
    unmoved=(
        UnmovedCase("perp", "BTC/USDC:USDC", None, "is in cross margin"),
        UnmovedCase("perp", "ETH/USDC:USDC", None, "has no open position"),
    ),
    too_precise="1.0000001",
    pools=(
        PoolCase("perp", "main/cross", "USDC", "0.046456", nearest="BTC/USDC:USDC"),
        PoolCase("perp", "main/SOL/USDC:USDC/short", "USDC", None, None, nearest="SOL/USDC:USDC"),
        PoolCase("perp", "xyz/cross", "USDC", "0.075902", nearest="XYZ-GOLD/USDC:USDC"),
    ),
    mark_is_derived=True,
    own_parts=tuple(
        OwnPartCase("perp", symbol, dex, ("/info",)) for symbol, dex in ((BTC, "main"), (GOLD, "xyz"), (OIL, "flx"))
    ),
    unlisted=UnlistedCase(
        "perp",
        SWAP,
        "/info",
        {"assetPositions": [{"type": "oneWay", "position": {"coin": "NEW", "szi": "1.0"}}]},
        frozenset({BTC, SHORT}),
        "xyz",
        "Hyperliquid names a position in NEW, which is not among its loaded markets",
        {"type": "clearinghouseState", "dex": "xyz"},
    ),
    misbehaviours=(
        refused(500, "null"),
        refused(429, "null", Throttled, retry_after=3),
        refused(422, "Failed to deserialize the JSON body", Refused),
        refused(403, "<html>", AccessDenied),
        refused(418, "<html>", Unlisted),
        refused(200, {"status": "err", "response": NOT_ALLOWED}, PreconditionFailed),
        refused(200, {"status": "err", "response": "Nobody knows."}, Unlisted),
    ),
    secrets=("signature",),
    clock=tuple(ClockCase(days * DAY, None) for days in (3, -3)),
    wrong_credentials=(CredentialCase({"secret": "0x" + "5a" * 32}, "set_leverage", "User or API Wallet"),),
    lacks={"perp": LACKS, "vault": LACKS},
    whole=(
        WholeCase("perp", FUNDING, None, 3 * FUNDED, _kinds(BTC, SHORT, GOLD), (frozenset(), 3)),
        WholeCase("perp", FUNDING, BTC, FUNDED, _kinds(BTC)),
        WholeCase("perp", FUNDING, GOLD, FUNDED, _kinds(GOLD)),
        WholeCase("perp", PNL, None, 3 * REALIZED, _kinds(BTC, FLAT, GOLD)),
        WholeCase("perp", PNL, FLAT, REALIZED, _kinds(FLAT)),
        WholeCase("perp", PNL, GOLD, REALIZED, _kinds(GOLD)),
    ),
    of_symbol=(OfSymbolCase("perp", FUNDING, BTC, 0, FUNDED),),
    stretches=(StretchCase(FUNDING, 700, 50), StretchCase(PNL, 700, 50)),
    newest=(
        NewestCase(FUNDING, None, 3, {BTC: "-0.0615", SHORT: "0.0116"}),
        NewestCase(PNL, None, 3, {BTC: "1.25", FLAT: "-0.75", GOLD: "0.35"}),
        NewestCase(FUNDING, None, 1_000, {}),
        NewestCase(PNL, None, 1_000, {}),
    ),
    weeks=(WeekCase(FUNDING, BTC, 7 * 24),),
    unreadable=(UnreadableCase(FUNDING, "/info", None), UnreadableCase(PNL, "/info", None)),
)
