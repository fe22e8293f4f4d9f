"""Newvenue, as the adapter contract and the acceptance cards know it.

Give a table another row for whatever the venue can do: each row is a promise kept on the real adapter against the
stand-in. Add a promise that only this venue can make to a file of its own, tests/integration/test_newvenue_adapter.py.
"""

from decimal import Decimal

from tests.support.venues.description import (
    CROSS,
    FUNDING,
    PNL,
    SET_LEVERAGE,
    SWAP,
    BlockedCase,
    ClockCase,
    CredentialCase,
    DescribedVenue,
    FlatCase,
    LeverageCase,
    MaximumCase,
    NewestCase,
    OfSymbolCase,
    OwnPartCase,
    StateCase,
    StretchCase,
    UnlistedCase,
    UnreadableCase,
    WeekCase,
    WholeCase,
    refused,
)
from worker.accounts.venues import Capability
from worker.venues.port.adapter import Market
from worker.venues.port.errors import AccessDenied, Ambiguous, Misunderstood, PreconditionFailed, Throttled, Unlisted

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
LACKS = frozenset(
    {
        Capability.MARGIN_MODE,
        Capability.POSITION_MODE,
        Capability.LEVERAGE_TIERS,
        Capability.MARGIN_HEALTH,
        Capability.ISOLATED_MARGIN,
        Capability.PORTFOLIO_MARGIN,
    }
)
LEVERAGE, INSTRUMENTS, POSITIONS = "/v1/leverage", "/v1/instruments", "/v1/positions"


def _maximum(symbol: str, instrument: str, maximum: int) -> MaximumCase:
    """The list has said it when it was loaded; the instrument is read again before anything is refused."""
    return MaximumCase("perp", symbol, maximum, ((INSTRUMENTS, {"instrument": instrument}),))


def _echo(market: Market) -> dict[str, str]:
    return {"instrument": market.id}


DESCRIBED = DescribedVenue(
    exchange="newvenue",
    set_leverage=LEVERAGE,
    listing=({"path": INSTRUMENTS, "fault": "html"},),
    misspelt="BTCUSDTT",
    refused_code="INVALID_LEVERAGE",
    echoes=frozenset({"leverage"}),
    echo=_echo,
    no_confirmations=(
        ({"fault": "status", "body": {"instrument": "ETH-USDT", "leverage": "7"}}, "answered for ETH-USDT"),
        ({"fault": "status", "body": {}}, None),
    ),
    leverages=(LeverageCase("perp", BTC, CROSS), LeverageCase("perp", ETH, CROSS)),
    maxima=(_maximum(BTC, "BTC-USDT", 100), _maximum(ETH, "ETH-USDT", 50)),
    blocked=(
        BlockedCase(
            "perp", SET_LEVERAGE, BTC, Decimal(1), "reduce the position", "INSUFFICIENT_MARGIN", {"balance": 500}
        ),
    ),
    states=(StateCase("perp", BTC, "long", "0.05", "4925.25"),),
    flats=(FlatCase("perp", ETH, "20", CROSS),),
    position={"contracts": 0.05, "contract_size": 1, "liquidation_price": None},
    own_parts=(OwnPartCase("perp", BTC, "swap", (POSITIONS,)), OwnPartCase("perp", ETH, "swap", (POSITIONS,))),
    unlisted=UnlistedCase(
        "perp",
        SWAP,
        POSITIONS,
        {
            "positions": [
                {"instrument": "NEW-USDT", "size": "1"},
                {
                    "instrument": "BTC-USDT",
                    "size": "0.05",
                    "entry_price": "98000",
                    "mark_price": "98505",
                    "leverage": "10",
                    "margin_mode": "cross",
                    "margin": "492.525",
                    "unrealized_pnl": "25.25",
                    "liquidation_price": "",
                    "updated": 1706745600000,
                },
            ]
        },
        frozenset({BTC}),
        "swap",
        "Newvenue names a position in NEW-USDT, which is not among its loaded markets",
    ),
    misbehaviours=(
        refused(500, {"code": "INVALID_LEVERAGE"}, Ambiguous),
        refused(429, {"code": "TOO_MANY_REQUESTS"}, Throttled, retry_after=3),
        refused(429, "<html>", Throttled),
        refused(401, {"code": "INVALID_KEY"}, AccessDenied),
        refused(403, "<html>", AccessDenied),
        refused(400, {"code": "INSUFFICIENT_MARGIN"}, PreconditionFailed),
        refused(400, {"code": "INVALID_PARAMETER"}, Misunderstood),
        refused(400, {"code": "NEVER_SEEN"}, Unlisted),
    ),
    secrets=("X-Newvenue-Sign",),
    clock=tuple(
        ClockCase(offset, ((LEVERAGE, 401), ("/v1/time", 200), (LEVERAGE, 200))) for offset in (-120_000, 120_000)
    ),
    wrong_credentials=(
        CredentialCase({"secret": "a" * 64}, "positions", "INVALID_SIGNATURE"),
        CredentialCase({"api_key": "a" * 32}, "positions", "INVALID_KEY"),
    ),
    lacks={"perp": LACKS},
    whole=tuple(
        WholeCase("perp", operation, symbol, size, frozenset((name, "USDT") for name in (symbol or BTC, symbol or ETH)))
        for operation in (FUNDING, PNL)
        for symbol, size in ((None, 180), (BTC, 90))
    ),
    of_symbol=(OfSymbolCase("perp", FUNDING, BTC, 0, 90), OfSymbolCase("perp", PNL, ETH, 0, 90)),
    stretches=(StretchCase(FUNDING, 100, 30), StretchCase(PNL, 100, 30)),
    newest=(NewestCase(FUNDING, None, 4, {BTC: "-0.15", ETH: "0.03"}), NewestCase(PNL, BTC, 3, {BTC: "1.25"})),
    weeks=(WeekCase(FUNDING, BTC, 21),),
    unreadable=(UnreadableCase(FUNDING, "/v1/records", None),),
)
