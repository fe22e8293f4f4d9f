"""Gate: a list of contracts for each settle currency, deliveries beside them, one-way and dual mode."""

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
from worker.venues.port.errors import AccessDenied, PreconditionFailed, Throttled, Unlisted

LINEAR, INVERSE, SHORT = "BTC/USDT:USDT", "BTC/USD:BTC", "SOL/USDT:USDT"
FLAT, UNTOUCHED = "ETH/USDT:USDT", "XRP/USDT:USDT"
USDT = "/api/v4/futures/usdt"
LEVERAGE = f"{USDT}/positions/BTC_USDT/set_leverage"
SWITCH, DUAL_SWITCH = f"{USDT}/positions/cross_mode", f"{USDT}/dual_comp/positions/cross_mode"
LISTS = ("futures/usdt/contracts_all", "futures/btc/contracts_all", "futures/usd1/contracts_all",
         "delivery/usdt/contracts")  # fmt: skip
SWAPS = ("usdt", "btc", "usd1")
BTC_TIERS = "/api/v4/futures/btc/risk_limit_tiers"


def _maximum(symbol: str, contract: str, maximum: int, settle: str = "usdt") -> MaximumCase:
    """The list has said it when it was loaded; the contract is read again before anything is refused."""
    return MaximumCase("perp", symbol, maximum, ((f"/api/v4/futures/{settle}/contracts/{contract}", {}),))


def _holding(account: str, symbol: str, mode: Any, held: str) -> BlockedCase:
    says = f"{symbol} has an open position ({held}); close it before switching its margin mode to {mode}"
    return BlockedCase(account, SET_MARGIN_MODE, symbol, mode, says, "POSITION_HOLDING")


def _label(status: int, label: str, error: Any) -> Any:
    return refused(status, {"label": label}, error)


MAY_READ_UNIFIED = {"account": True, "futures": False, "delivery": False, "unified": True}
"""The rights of a key that may read a unified account as well."""

DESCRIBED = DescribedVenue(
    exchange="gate",
    set_leverage=LEVERAGE,
    listing=tuple({"path": f"/api/v4/{path}", "fault": "html"} for path in LISTS),
    misspelt="BTCUSDTT",
    refused_code="LEVERAGE_TOO_HIGH",
    echoes=frozenset({"leverage"}),
    no_confirmations=(
        ({"fault": "status", "body": {"contract": "ETH_USDT", "lever": "7"}}, "answered for ETH_USDT"),
        (
            {"fault": "status", "status": 202, "body": {"contract": "BTC_USDT", "lever": "7"}},
            "accepted, but not carried out",
        ),
    ),
    leverages=(
        LeverageCase("perp", LINEAR, CROSS),
        LeverageCase("perp", INVERSE, CROSS),
        LeverageCase("perp", FLAT, CROSS),
        LeverageCase("perp", SHORT, ISOLATED),
        LeverageCase("perp", UNTOUCHED, CROSS),
        LeverageCase("hedge", LINEAR, CROSS),
        LeverageCase("hedge", FLAT, ISOLATED),
        LeverageCase("hedge", UNTOUCHED, CROSS),
    ),
    maxima=(
        _maximum(LINEAR, "BTC_USDT", 125),
        _maximum(INVERSE, "BTC_USD", 100, "btc"),
        _maximum(FLAT, "ETH_USDT", 100),
        _maximum(SHORT, "SOL_USDT", 75),
    ),
    read_ahead=(
        {"path": f"{USDT}/accounts", "fault": "status", "status": 502, "body": "<html>"},
        {"path": f"{USDT}/positions/BTC_USDT", "fault": "status", "status": 502, "body": "<html>"},
    ),
    future_of="perp",
    mode_is_echoed=True,
    switches=(
        SwitchCase("perp", FLAT, SWITCH),
        SwitchCase("perp", UNTOUCHED, SWITCH),
        SwitchCase("hedge", SHORT, DUAL_SWITCH),
    ),
    already=(
        AlreadyCase("perp", SET_MARGIN_MODE, FLAT, CROSS, "NO_CHANGE"),
        AlreadyCase("hedge", SET_MARGIN_MODE, FLAT, ISOLATED, "NO_CHANGE"),
    ),
    blocked=(
        _holding("perp", LINEAR, ISOLATED, "long 500"),
        _holding("perp", SHORT, CROSS, "short 10"),
        _holding("perp", INVERSE, ISOLATED, "long 1000"),
        _holding("hedge", LINEAR, ISOLATED, "long 1000 and short 400"),
        BlockedCase(
            "perp",
            SET_MARGIN_MODE,
            FLAT,
            ISOLATED,
            "ETH/USDT:USDT has open orders; cancel them",
            "ORDER_PENDING",
            {"open_orders": {"ETH_USDT": 2}},
        ),
        BlockedCase("perp", SET_LEVERAGE, SHORT, Decimal(1), "add margin", "INSUFFICIENT_AVAILABLE"),
    ),
    modes=(
        ModeCase((f"{USDT}/set_position_mode",), Scope.SETTLE, "USDT", settle="USDT"),
        ModeCase((f"{USDT}/set_position_mode",), Scope.SETTLE, "USDT", symbol=FLAT),
    ),
    mode_read=f"{USDT}/accounts",
    hindered_modes=(
        HinderedModeCase(
            "perp",
            "POSITION_HOLDING",
            {"open_orders": {"ETH_USDT": 2}},
            ("BTC/USDT:USDT long 500",),
            {FLAT: 2},
            settle="USDT",
        ),
    ),
    tiers=(
        TierCase("perp", LINEAR, "USDT", "1000000", ("125", "25"), "0.004", f"{USDT}/risk_limit_tiers", FLAT),
        TierCase("perp", "BTC/USD:BTC", "BTC", "10", ("100", "20"), "0.005", BTC_TIERS, LINEAR),
    ),
    states=(
        StateCase("perp", LINEAR, "long", "500", "4925.25"),
        StateCase("perp", SHORT, "short", "10", "1855"),
        StateCase("perp", INVERSE, "long", "1000", "1000"),
        StateCase("hedge", LINEAR, "both", "1400", "13790.7"),
        StateCase("hedge", FLAT, "long", "200", "6400"),
    ),
    flats=(
        FlatCase("perp", FLAT, "10"),
        FlatCase("perp", UNTOUCHED, "10"),
        FlatCase("hedge", SHORT, "10"),
        FlatCase("hedge", UNTOUCHED, "10"),
    ),
    position={"contracts": 500, "contract_size": 0.0001, "collateral": 496.22},
    split=SplitCase(
        "perp",
        frozenset({(LINEAR, "long"), (SHORT, "short"), (INVERSE, "long")}),
        (SWAPS, ("delivery usdt",), (*SWAPS, "delivery usdt")),
    ),
    isolated=(("perp", SHORT, "380.50"),),
    margins=(
        MarginCase("perp", "SOL/USDT:USDT", "380.5", "USDT", "/api/v4/futures/usdt/positions/SOL_USDT/margin"),
        MarginCase(
            "hedge", "ETH/USDT:USDT", "630", "USDT", "/api/v4/futures/usdt/dual_comp/positions/ETH_USDT/margin", "long"
        ),
    ),
    unmoved=(
        UnmovedCase("perp", LINEAR, None, "is in cross margin"),
        UnmovedCase("perp", "ETH/USDT:USDT", None, "has no open position"),
        UnmovedCase("hedge", LINEAR, "short", "the short position"),
    ),
    pools=(
        PoolCase("perp", "usdt/cross", "USDT", "0.017210", own="cross_mmr", nearest="BTC/USDT:USDT"),
        PoolCase("perp", "usdt/SOL/USDT:USDT/short", "USDT", "0.021671", nearest="SOL/USDT:USDT"),
        PoolCase("perp", "btc/cross", "BTC", "0.002518", own="cross_mmr", nearest="BTC/USD:BTC"),
        PoolCase("hedge", "usdt/cross", "USDT", "0.002243", own="cross_mmr", positions=2, nearest="BTC/USDT:USDT"),
        PoolCase(
            "perp",
            "usdt/cross",
            "USDT",
            "0.017210",
            own="mmr",
            nearest="BTC/USDT:USDT",
            change={"unified": "single_currency", "key": {"perms": MAY_READ_UNIFIED}},
        ),
        PoolCase(
            "perp",
            "btc/unified",
            "USD",
            "0.006285",
            own="total_maintenance_margin_rate",
            nearest="BTC/USD:BTC",
            change={"unified": "multi_currency", "key": {"perms": MAY_READ_UNIFIED}},
        ),
    ),
    unread_margin=("/api/v4/futures/usdt/accounts", "usdt"),
    own_parts=(
        OwnPartCase("perp", INVERSE, "btc", ("/api/v4/futures/btc/positions",)),
        OwnPartCase("perp", FLAT, "usdt", (f"{USDT}/positions",)),
    ),
    opened={"open_positions": 103},
    unlisted=UnlistedCase(
        "perp",
        SWAP,
        f"{USDT}/positions",
        [{"contract": "NEW_USDT", "size": "1"}],
        frozenset({INVERSE}),
        "usdt",
        "Gate names a position in NEW_USDT, which is not among its loaded markets "
        "(NEW_USDT, GET /futures/usdt/positions)",
    ),
    misbehaviours=(
        refused(500, {"label": "SERVER_ERROR"}),
        refused(503, {"label": "TOO_BUSY"}),
        refused(202, {}),
        _label(429, "TOO_MANY_REQUESTS", Throttled),
        refused(429, "<html>", Throttled),
        _label(401, "INVALID_KEY", AccessDenied),
        _label(403, "FORBIDDEN", AccessDenied),
        _label(400, "LIQUIDATE_IMMEDIATELY", PreconditionFailed),
        _label(400, "NEVER_SEEN", Unlisted),
        refused(400, "<html>", Unlisted),
    ),
    secrets=("SIGN",),
    clock=tuple(
        ClockCase(
            offset,
            (
                (f"{USDT}/accounts", 403),
                ("/api/v4/spot/time", 200),
                (f"{USDT}/accounts", 200),
                (f"{USDT}/positions/BTC_USDT", 200),
                (LEVERAGE, 200),
            ),
        )
        for offset in (-120_000, 120_000)
    ),
    wrong_credentials=(CredentialCase({"secret": "a" * 64}, "positions", "INVALID_SIGNATURE"),),
    lacks=dict.fromkeys(("perp", "hedge"), ALL_BUT_PORTFOLIO_MARGIN),
    of_symbol=tuple(OfSymbolCase("perp", FUNDING, symbol, 200, 500) for symbol in (LINEAR, FLAT, INVERSE)),
    stretches=(StretchCase(FUNDING, 200, 50),),
    newest=(NewestCase(FUNDING, LINEAR, 100, {LINEAR: "-0.15"}),),
    weeks=(WeekCase(FUNDING, LINEAR, 21),),
    unreadable=(
        UnreadableCase(FUNDING, f"{USDT}/account_book", "usdt"),
        UnreadableCase(PNL, "/api/v4/futures/btc/account_book", "btc"),
    ),
)
