"""Bybit: unified and classic accounts, whose margin mode is the account's or the symbol's."""

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
    SWAP,
    AlreadyCase,
    BlockedCase,
    ClockCase,
    CredentialCase,
    DescribedVenue,
    FlatCase,
    HinderedModeCase,
    LeverageCase,
    MarginCase,
    MaximumCase,
    ModeCase,
    NewestCase,
    OfSymbolCase,
    OwnPartCase,
    PoolCase,
    SplitCase,
    StateCase,
    StretchCase,
    SwitchCase,
    TierCase,
    UnlistedCase,
    UnmovedCase,
    UnreadableCase,
    WeekCase,
    refused,
)
from worker.venues.port.adapter import Market
from worker.venues.port.errors import AccessDenied, PreconditionFailed, Throttled, Unlisted

LINEAR, USDC, INVERSE, FLAT = "BTC/USDT:USDT", "BTC/USDC:USDC", "BTC/USD:BTC", "ETH/USDT:USDT"
LEVERAGE, LIST, INFO = "/v5/position/set-leverage", "/v5/position/list", "/v5/account/info"
CONTRACTS, LOG, CLOSED = "/v5/market/instruments-info", "/v5/account/transaction-log", "/v5/position/closed-pnl"
SWITCH, SWITCH_MODE, LIMITS = "/v5/position/switch-isolated", "/v5/position/switch-mode", "/v5/market/risk-limit"
PARTS = ("linear USDT", "linear USDC", "inverse")

HELD: dict[str, Any] = {
    "positionIdx": 0,
    "symbol": "BTCUSDT",
    "side": "Buy",
    "size": "0.05",
    "avgPrice": "98000",
    "markPrice": "98505",
    "leverage": "10",
    "tradeMode": 0,
    "unrealisedPnl": "25.25",
    "positionIM": "492.525",
    "liqPrice": "",
    "updatedTime": "1706745600000",
}
"""A position as Bybit writes it."""


def success(result: Any) -> dict[str, Any]:
    """An answer that brings a result."""
    return {"retCode": 0, "retMsg": "OK", "result": result, "time": 1}


def _code(code: int, error: Any, status: int = 200) -> Any:
    return refused(status, {"retCode": code, "retMsg": "What Bybit says."}, error)


def _echo(_: Market) -> dict[str, Any]:
    return {"result": {}}


DESCRIBED = DescribedVenue(
    exchange="bybit",
    set_leverage=LEVERAGE,
    listing=({"path": CONTRACTS, "fault": "html"},),
    misspelt="BTCUSDTT",
    refused_code="110013",
    takes_fractions=True,
    limits={"ip": 1_000_000} | dict.fromkeys((LIST, INFO, LOG, "/v5/execution/list", CLOSED), 1_000_000),
    echo=_echo,
    no_confirmations=(({"fault": "status", "body": {}}, None), ({"fault": "status", "body": []}, None)),
    leverages=tuple(
        LeverageCase(account, symbol) for account in ("perp", "classic", "hedge") for symbol in (LINEAR, INVERSE, FLAT)
    ),
    maxima=(MaximumCase("perp", LINEAR, 100, ((CONTRACTS, {"symbol": "BTCUSDT"}),)),),
    future_of="perp",
    switches=tuple(SwitchCase("classic", symbol, SWITCH) for symbol in (LINEAR, FLAT, INVERSE)),
    already=(
        AlreadyCase("perp", SET_LEVERAGE, LINEAR, Decimal(10), "110043"),
        AlreadyCase("hedge", SET_MARGIN_MODE, FLAT, ISOLATED, None, Scope.ACCOUNT),
        AlreadyCase("classic", SET_MARGIN_MODE, FLAT, CROSS, "110026"),
    ),
    blocked=(
        BlockedCase(
            "perp", SET_MARGIN_MODE, FLAT, ISOLATED, "BTC/USDT:USDT long 0.05, SOL/USDT:USDT short 12", "3400045"
        ),
        BlockedCase(
            "perp",
            SET_LEVERAGE,
            LINEAR,
            Decimal(5),
            "portfolio margin has no leverage",
            "110038",
            {"margin_mode": "PORTFOLIO_MARGIN"},
        ),
    ),
    modes=(
        ModeCase((SWITCH_MODE,), Scope.SYMBOL, FLAT, symbol=FLAT),
        ModeCase((SWITCH_MODE,), Scope.SETTLE, "USDT", settle="USDT"),
    ),
    mode_read=LIST,
    hindered_modes=(
        HinderedModeCase("perp", "110028", {"open_orders": {"ETHUSDT": 2}}, (), {FLAT: 2}, symbol=FLAT),
        HinderedModeCase("perp", "110024", {}, ("BTC/USDT:USDT long 0.05",), {}, symbol=LINEAR),
        HinderedModeCase(
            "perp",
            None,
            {"open_orders": {"ETHUSDT": 1}},
            ("BTC/USDT:USDT long 0.05", "SOL/USDT:USDT short 12"),
            {FLAT: 1},
            settle="USDT",
        ),
    ),
    tiers=(
        TierCase("perp", LINEAR, "USDT", "2000000", ("100", "20"), "0.005", LIMITS, FLAT),
        TierCase("perp", INVERSE, "BTC", "20", ("100", "20"), "0.005", LIMITS, "ETH/USD:ETH"),
    ),
    states=(
        StateCase("perp", LINEAR, "long", "0.05", "4925.25"),
        StateCase("hedge", LINEAR, "both", "0.14", "13790.70"),
        StateCase("perp", INVERSE, "long", "1500", "1500"),
    ),
    flats=(FlatCase("perp", FLAT, "10"), FlatCase("classic", FLAT, "12.5")),
    position={"contracts": 0.05, "contract_size": 1, "liquidation_price": None},
    split=SplitCase(
        "perp",
        frozenset({(LINEAR, "long"), ("SOL/USDT:USDT", "short"), (USDC, "long"), (INVERSE, "long")}),
        (PARTS, PARTS, PARTS),
    ),
    isolated=(("classic", "SOL/USDT:USDT", "456.60"),),
    margins=(
        MarginCase("hedge", LINEAR, "965", "USDT", "/v5/position/add-margin", "long"),
        MarginCase("hedge", LINEAR, "792.8", "USDT", "/v5/position/add-margin", "short"),
        MarginCase("classic", "SOL/USDT:USDT", "456.6", "USDT", "/v5/position/add-margin"),
    ),
    unmoved=(
        UnmovedCase("perp", LINEAR, None, "is in cross margin"),
        UnmovedCase("perp", FLAT, None, "has no open position"),
        UnmovedCase("hedge", LINEAR, None, "has long and short positions: say which"),
    ),
    too_precise="1.00001",
    pools=(
        PoolCase("perp", "unified", "USD", "0.000731", "venue", "accountMMRate", 5),
        PoolCase("hedge", "unified/BTC/USDT:USDT/short", "USDT", "0.024126", nearest="BTC/USDT:USDT"),
        PoolCase("hedge", "unified/BTC/USD:BTC/short", "BTC", "0.047825", nearest="BTC/USD:BTC"),
        PoolCase("classic", "contract/BTC", "BTC", "0.000081"),
        PoolCase("classic", "contract/USDT", "USDT", None, None),
        PoolCase("classic", "contract/SOL/USDT:USDT/short", "USDT", None, None, nearest="SOL/USDT:USDT"),
    ),
    unread_margin=("/v5/account/wallet-balance", "unified"),
    own_parts=(
        OwnPartCase("perp", LINEAR, "linear USDT", (INFO, LIST)),
        OwnPartCase("perp", USDC, "linear USDC", (INFO, LIST)),
        OwnPartCase("perp", INVERSE, "inverse", (INFO, LIST)),
        OwnPartCase("perp", FLAT, "linear USDT", (INFO, LIST)),
    ),
    unlisted=UnlistedCase(
        "perp",
        SWAP,
        LIST,
        success({"list": [{"symbol": "NEWUSDT", "size": "1"}, HELD], "nextPageCursor": ""}),
        frozenset({LINEAR, USDC, INVERSE}),
        "linear USDT",
        "Bybit names a position in NEWUSDT, which is not among its loaded markets",
        {"settleCoin": "USDT"},
    ),
    misbehaviours=(
        refused(200, {}),
        refused(503, {"retCode": 110013, "retMsg": "No."}),
        refused(200, {"retCode": 10000, "retMsg": "Server Timeout"}),
        refused(200, {"retCode": 10016, "retMsg": "Server error."}),
        _code(10018, Throttled),
        _code(10429, Throttled),
        refused(403, "access too frequent", Throttled),
        refused(429, "busy", Throttled),
        refused(401, "", AccessDenied),
        _code(33004, AccessDenied),
        _code(110044, PreconditionFailed),
        _code(999_999, Unlisted),
    ),
    clock=tuple(
        ClockCase(offset, ((LEVERAGE, 200), ("/v5/market/time", 200), (LEVERAGE, 200)))
        for offset in (-120_000, 120_000)
    ),
    wrong_credentials=(
        CredentialCase({"secret": "a" * 36}, "positions", "10004"),
        CredentialCase({"api_key": "a" * 18}, "positions", "10003"),
    ),
    lacks=dict.fromkeys(("perp", "classic", "hedge"), ALL_BUT_PORTFOLIO_MARGIN),
    of_symbol=tuple(
        OfSymbolCase(account, FUNDING, symbol, 20, 1)
        for account in ("perp", "classic")
        for symbol in (LINEAR, USDC, INVERSE)
    ),
    stretches=(StretchCase(FUNDING, 150, 60, 20), StretchCase(PNL, 20, 10, 20)),
    newest=(NewestCase(FUNDING, None, 120, {}), NewestCase(PNL, None, 120, {})),
    weeks=(WeekCase(FUNDING, LINEAR, 21),),
    unreadable=(UnreadableCase(FUNDING, LOG, None),),
)
