"""OKX: margin modes that orders name, a leverage for each of them, net and long/short mode."""

from decimal import Decimal
from typing import Any

from schemas.outcomes import Scope
from tests.support.venues.description import (
    ALL_BUT_PORTFOLIO_MARGIN,
    CROSS,
    FUNDING,
    ISOLATED,
    PNL,
    SET_LEVERAGE,
    SET_MARGIN_MODE,
    AlreadyCase,
    BlockedCase,
    ClockCase,
    CredentialCase,
    DescribedVenue,
    FlatCase,
    ForgetsCase,
    HinderedModeCase,
    LeverageCase,
    MarginCase,
    MaximumCase,
    ModeCase,
    NewestCase,
    OwnPartCase,
    PoolCase,
    SplitCase,
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
from worker.venues.port.errors import AccessDenied, PreconditionFailed, Throttled, Unlisted

LINEAR, INVERSE, FLAT, SOL = "BTC/USDT:USDT", "BTC/USD:BTC", "ETH/USDT:USDT", "SOL/USDT:USDT"
LEVERAGE, LEVERAGE_INFO = "/api/v5/account/set-leverage", "/api/v5/account/leverage-info"
POSITIONS, CONFIG = "/api/v5/account/positions", "/api/v5/account/config"
SET_MODE, POSITION_TIERS = "/api/v5/account/set-position-mode", "/api/v5/public/position-tiers"
ARCHIVE, INSTRUMENTS = "/api/v5/account/bills-archive", "/api/v5/public/instruments"


def code(number: str) -> dict[str, Any]:
    """An answer with a code."""
    return {"code": number, "data": [], "msg": "What the venue says."}


def success(*rows: Any) -> dict[str, Any]:
    """An answer that brings rows."""
    return {"code": "0", "data": list(rows), "msg": ""}


def _maximum(symbol: str, instrument: str, maximum: int) -> MaximumCase:
    """The list has said it when it was loaded; the instrument is read again before anything is refused."""
    return MaximumCase("perp", symbol, maximum, ((INSTRUMENTS, {"instId": instrument}),))


def _holding(account: str, symbol: str, mode: Any, named: str) -> BlockedCase:
    says = f"{symbol} has {named}; close it before trading it {mode}"
    return BlockedCase(account, SET_MARGIN_MODE, symbol, mode, says, None)


def _already(account: str, symbol: str, mode: Any) -> AlreadyCase:
    return AlreadyCase(account, SET_MARGIN_MODE, symbol, mode, None, noted=True)


def _orders(state: str, symbol: str, instrument: str, says: str, number: str) -> BlockedCase:
    return BlockedCase("perp", SET_LEVERAGE, symbol, Decimal(7), says, number, {state: {instrument: 1}})


MARGIN_BALANCE = "/api/v5/account/position/margin-balance"

DESCRIBED = DescribedVenue(
    exchange="okx",
    set_leverage=LEVERAGE,
    listing=({"path": INSTRUMENTS, "fault": "html"},),
    misspelt="BTCUSDT",
    refused_code="59102",
    takes_fractions=True,
    echoes=frozenset({"leverage", "margin_mode"}),
    no_confirmations=(
        (
            {
                "fault": "status",
                "body": success({"instId": "ETH-USDT-SWAP", "lever": "7", "mgnMode": "cross", "posSide": "net"}),
            },
            "not about the cross leverage of BTC-USDT-SWAP",
        ),
    ),
    leverages=(
        LeverageCase("perp", LINEAR, CROSS),
        LeverageCase("perp", FLAT, CROSS),
        LeverageCase("perp", SOL, ISOLATED),
        LeverageCase("perp", INVERSE, CROSS),
        LeverageCase("hedge", LINEAR, CROSS),
        LeverageCase("hedge", FLAT, ISOLATED),
        LeverageCase("hedge", INVERSE, CROSS),
        LeverageCase("portfolio", FLAT, ISOLATED),
    ),
    maxima=(_maximum(LINEAR, "BTC-USDT-SWAP", 100), _maximum(SOL, "SOL-USDT-SWAP", 50)),
    read_ahead=tuple(
        {"path": path, **fault}
        for path in (POSITIONS, CONFIG)
        for fault in ({"fault": "html"}, {"fault": "status", "status": 502})
    ),
    future_of="perp",
    already=(
        _already("perp", FLAT, CROSS),
        _already("perp", LINEAR, CROSS),
        _already("perp", SOL, ISOLATED),
        _already("hedge", FLAT, ISOLATED),
        _already("portfolio", LINEAR, CROSS),
    ),
    blocked=(
        _holding("perp", LINEAR, ISOLATED, "an open cross position (long 5)"),
        _holding("perp", SOL, CROSS, "an open isolated position (short 20)"),
        _holding("hedge", LINEAR, ISOLATED, "an open cross position (long 10 and short 4)"),
        _holding("hedge", SOL, CROSS, "an open isolated position (short 10)"),
        _holding("portfolio", LINEAR, ISOLATED, "an open cross position (long 20)"),
        _orders("open_orders", LINEAR, "BTC-USDT-SWAP", "cancel the open orders", "59107"),
        _orders("open_orders", SOL, "SOL-USDT-SWAP", "cancel the open orders", "59101"),
        _orders("waiting_orders", LINEAR, "BTC-USDT-SWAP", "stop its bots", "59669"),
        _orders("waiting_orders", SOL, "SOL-USDT-SWAP", "stop its bots", "59668"),
        BlockedCase(
            "hedge",
            SET_LEVERAGE,
            LINEAR,
            Decimal(1),
            "",
            "59108",
            {"positions": [{"instrument_id": "BTC-USDT-SWAP", "amount": 200, "entry_price": 98505, "side": "long"}]},
        ),
    ),
    modes=(
        ModeCase((SET_MODE,), Scope.ACCOUNT),
        ModeCase((SET_MODE,), Scope.ACCOUNT, symbol=FLAT),
    ),
    mode_read="/api/v5/account/config",
    hindered_modes=(
        HinderedModeCase("perp", "59000", {"open_orders": {"ETH-USDT-SWAP": 2}}, ("BTC/USDT:USDT long 5",), {FLAT: 2}),
    ),
    tiers=(
        TierCase("perp", LINEAR, "BTC", "10.15", ("100", "20"), "0.004", POSITION_TIERS, FLAT),
        TierCase("perp", INVERSE, "USD", "1000000", ("100", "20"), "0.004", POSITION_TIERS, FLAT),
    ),
    states=(
        StateCase("perp", LINEAR, "long", "0.05", "4925.25"),
        StateCase("hedge", SOL, "both", "40", "7420"),
    ),
    flats=(FlatCase("perp", FLAT, "5", CROSS), FlatCase("perp", "ETH/USD:ETH", "3", CROSS)),
    position={"contracts": 5, "contract_size": 0.01, "liquidation_price": None},
    split=SplitCase(
        "perp",
        frozenset({(LINEAR, "long"), (SOL, "short"), (INVERSE, "long")}),
        (("swap",), ("future",), ("swap", "future")),
    ),
    isolated=(("perp", SOL, "742"),),
    margins=(
        MarginCase("perp", "SOL/USDT:USDT", "742", "USDT", MARGIN_BALANCE),
        MarginCase("hedge", "ETH/USDT:USDT", "640", "USDT", MARGIN_BALANCE, "long"),
        MarginCase("hedge", "SOL/USDT:USDT", "618.3333333333", "USDT", MARGIN_BALANCE),
    ),
    unmoved=(
        UnmovedCase("perp", "BTC/USDT:USDT", None, "is in cross margin"),
        UnmovedCase("perp", "ETH/USDT:USDT", None, "has no open position"),
        UnmovedCase("hedge", "ETH/USDT:USDT", None, "has long and short positions: say which"),
        UnmovedCase("hedge", "SOL/USDT:USDT", "long", "the long position"),
    ),
    pools=(
        PoolCase("perp", "account/USDT", "USDT", "0.003136", "venue", "mgnRatio", 2, "BTC/USDT:USDT-261225"),
        PoolCase("perp", "account/SOL/USDT:USDT/short", "USDT", "0.017837", "venue", "mgnRatio", 1, "SOL/USDT:USDT"),
        PoolCase("hedge", "account/ETH/USDT:USDT/long", "USDT", "0.034595", "venue", "mgnRatio", 1, "ETH/USDT:USDT"),
        PoolCase("hedge", "account/BTC", "BTC", "0.000000", positions=0),
        PoolCase("portfolio", "account", "USD", "0.000318", "venue", "mgnRatio"),
    ),
    unread_margin=("/api/v5/account/balance", "account"),
    own_parts=(OwnPartCase("perp", LINEAR, "swap", (POSITIONS,)), OwnPartCase("perp", FLAT, "swap", (POSITIONS,))),
    unlisted=UnlistedCase(
        "perp",
        None,
        POSITIONS,
        success({"instId": "NEW-USDT-991231", "instType": "FUTURES", "pos": "1", "posSide": "net"}),
        frozenset({LINEAR, SOL, INVERSE}),
        "future",
        "OKX names a position in NEW-USDT-991231, which is not among its loaded markets",
        {"instType": "FUTURES"},
    ),
    misbehaviours=(
        refused(503, code("50001")),
        refused(400, code("50004")),
        refused(429, code("50013")),
        refused(200, code("63999")),
        refused(429, code("50011"), Throttled, waits=2_000),
        refused(200, code("50061"), Throttled, waits=2_000),
        refused(429, "Too Many Requests", Throttled, waits=2_000),
        refused(401, code("50113"), AccessDenied),
        refused(200, code("59000"), PreconditionFailed),
        refused(200, code("99999"), Unlisted),
    ),
    clock=tuple(
        ClockCase(
            offset,
            (
                (POSITIONS, 401),
                ("/api/v5/public/time", 200),
                (POSITIONS, 200),
                (CONFIG, 200),
                (LEVERAGE, 200),
            ),
        )
        for offset in (-120_000, 120_000)
    ),
    wrong_credentials=tuple(
        CredentialCase({credential: "00000000-0000-4000-8000-000000000000"}, "positions", number)
        for credential, number in (("secret", "50113"), ("passphrase", "50105"), ("api_key", "50119"))
    ),
    lacks=dict.fromkeys(("perp", "hedge", "portfolio"), ALL_BUT_PORTFOLIO_MARGIN),
    whole=(
        WholeCase(
            "perp",
            FUNDING,
            None,
            89 * 3,
            frozenset({(LINEAR, "USDT"), (SOL, "USDT"), (INVERSE, "BTC")}),
            (frozenset(), 3),
        ),
    ),
    stretches=(StretchCase(FUNDING, 60, 21),),
    newest=(
        NewestCase(FUNDING, None, 3, {LINEAR: "-0.15", SOL: "0.03", INVERSE: "-0.00000152"}),
        NewestCase(PNL, LINEAR, 1, {LINEAR: "125.50"}),
    ),
    weeks=(WeekCase(FUNDING, None, 21),),
    forgets=(ForgetsCase(FUNDING, None, 89),),
    unreadable=(UnreadableCase(FUNDING, ARCHIVE, None),),
)
