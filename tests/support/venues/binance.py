"""Binance: two families of contracts, hedge mode, and Portfolio Margin through an API of its own."""

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
    SwitchCase,
    TierCase,
    UnlistedCase,
    UnmovedCase,
    UnreadableCase,
    WeekCase,
    WholeCase,
    refused,
)
from worker.accounts.venues import Capability
from worker.venues.port.adapter import Market
from worker.venues.port.errors import AccessDenied, PreconditionFailed, Throttled, Unlisted

LINEAR, INVERSE, FLAT = "BTC/USDT:USDT", "BTC/USD:BTC", "ETH/USDT:USDT"
DUAL = "/fapi/v1/positionSide/dual"
PM_DUAL = ("/papi/v1/um/positionSide/dual", "/papi/v1/cm/positionSide/dual")
LEVERAGE, MARGIN_TYPE = "/fapi/v1/leverage", "/fapi/v1/marginType"
BRACKETS = {
    ("perp", False): "/fapi/v1/leverageBracket",
    ("perp", True): "/dapi/v2/leverageBracket",
    ("pm", False): "/papi/v1/um/leverageBracket",
    ("pm", True): "/papi/v1/cm/leverageBracket",
}
IDS = {LINEAR: "BTCUSDT", INVERSE: "BTCUSD_PERP", FLAT: "ETHUSDT"}
PER_LINEAR, PER_INVERSE = 88 * 3, 420 * 3


def _maximum(account: str, symbol: str, maximum: int) -> MaximumCase:
    """All brackets are read once in an hour, and those of the market again before anything is refused."""
    path = BRACKETS[account, symbol == INVERSE]
    return MaximumCase(account, symbol, maximum, ((path, {"symbol": None}), (path, {"symbol": IDS[symbol]})))


def _holding(symbol: str, held: str) -> str:
    return f"{symbol} has an open position ({held}); close it before switching its margin mode to isolated"


def _code(status: int, code: int, error: Any, **more: Any) -> Any:
    return {"fault": "status", "status": status, "code": code, "msg": "What Binance says.", **more}, error


def _echo(market: Market) -> dict[str, Any]:
    return {"symbol": market.id}


DESCRIBED = DescribedVenue(
    exchange="binance",
    set_leverage=LEVERAGE,
    listing=({"path": "/fapi/v1/exchangeInfo", "fault": "html"},),
    misspelt="BTCUSDTT",
    refused_code="-4028",
    echoes=frozenset({"leverage"}),
    echo=_echo,
    no_confirmations=(({"fault": "status", "body": {"symbol": "ETHUSDT", "leverage": 7}}, "answered for ETHUSDT"),),
    leverages=(
        *(LeverageCase(account, symbol) for account in ("perp", "hedge", "pm") for symbol in (LINEAR, INVERSE)),
        LeverageCase("hedge", FLAT, ISOLATED, 20),
    ),
    maxima=tuple(
        _maximum(account, symbol, maximum)
        for account in ("perp", "pm")
        for symbol, maximum in ((LINEAR, 125), (INVERSE, 125), (FLAT, 100))
    ),
    future_of="hedge",
    switches=(SwitchCase("perp", FLAT, MARGIN_TYPE), SwitchCase("perp", INVERSE, "/dapi/v1/marginType")),
    already=(AlreadyCase("perp", SET_MARGIN_MODE, FLAT, CROSS, "-4046"),),
    blocked=(
        BlockedCase("perp", SET_MARGIN_MODE, LINEAR, ISOLATED, _holding(LINEAR, "long 0.05"), "-4048"),
        BlockedCase("hedge", SET_MARGIN_MODE, LINEAR, ISOLATED, _holding(LINEAR, "long 0.1 and short 0.04"), "-4048"),
        BlockedCase("hedge", SET_MARGIN_MODE, INVERSE, ISOLATED, _holding(INVERSE, "long 20"), "-4048"),
        BlockedCase(
            "perp",
            SET_MARGIN_MODE,
            FLAT,
            ISOLATED,
            "ETH/USDT:USDT has open orders; cancel them",
            "-4047",
            {"open_orders": {"ETHUSDT": 2}},
        ),
        BlockedCase("perp", SET_MARGIN_MODE, FLAT, ISOLATED, "single-asset mode", "-4168", {"multi_assets": True}),
        BlockedCase("hedge", SET_LEVERAGE, FLAT, Decimal(2), "isolated", "-4161"),
    ),
    modes=(
        ModeCase((DUAL,), Scope.ACCOUNT),
        ModeCase((DUAL,), Scope.ACCOUNT, symbol=INVERSE),
        ModeCase(
            PM_DUAL,
            Scope.ACCOUNT,
            opened={"portfolio_margin": True},
        ),
    ),
    mode_read=DUAL,
    hindered_modes=(
        HinderedModeCase(
            "perp",
            "-4067",
            {"open_orders": {"ETHUSDT": 2, "BTCUSD_PERP": 1}},
            ("BTC/USDT:USDT long 0.05",),
            {FLAT: 2, INVERSE: 1},
        ),
        HinderedModeCase("hedge", "-4068", {}, ("BTC/USDT:USDT long 0.1", "BTC/USDT:USDT short 0.04"), {}),
        HinderedModeCase("pm", "-4068", {}, ("BTC/USD:BTC long 100",), {}),
    ),
    tiers=(
        TierCase("perp", LINEAR, "USDT", "300000", ("125", "1"), "0.004", BRACKETS["perp", False], FLAT),
        TierCase("perp", INVERSE, "BTC", "5", ("125", "1"), "0.004", BRACKETS["perp", True], "ETH/USD:ETH"),
        TierCase("pm", FLAT, "USDT", "50000", ("100", "1"), "0.005", BRACKETS["pm", False], LINEAR),
        TierCase("pm", INVERSE, "BTC", "5", ("125", "1"), "0.004", BRACKETS["pm", True], "ETH/USD:ETH"),
    ),
    states=(
        StateCase("perp", LINEAR, "long", "0.05", "4925.25"),
        StateCase("hedge", LINEAR, "both", "0.14", "13790.70"),
        StateCase("pm", INVERSE, "long", "100", "10000"),
    ),
    flats=(
        FlatCase("perp", FLAT),
        FlatCase("perp", INVERSE),
        FlatCase("pm", LINEAR),
        FlatCase("pm", "ETH/USD:ETH"),
    ),
    position={"contracts": 0.05, "contract_size": 1, "liquidation_price": 88200.00},
    split=SplitCase(
        "hedge",
        frozenset({(LINEAR, "long"), (LINEAR, "short"), (FLAT, "long"), (INVERSE, "long")}),
        (("linear", "inverse"), ("linear", "inverse"), ("linear", "inverse")),
    ),
    isolated=(("hedge", FLAT, "650.00"),),
    margins=(
        MarginCase("hedge", FLAT, "650", "USDT", "/fapi/v1/positionMargin"),
        MarginCase("hedge", FLAT, "650", "USDT", "/fapi/v1/positionMargin", "long"),
    ),
    unmoved=(
        UnmovedCase("perp", LINEAR, None, "is in cross margin"),
        UnmovedCase("perp", FLAT, None, "has no open position"),
        UnmovedCase("hedge", FLAT, "short", "has no open short position"),
        UnmovedCase("hedge", INVERSE, None, "is in cross margin"),
    ),
    pools=(
        PoolCase("perp", "linear/USDT", "USDT", "0.036970", nearest=LINEAR),
        PoolCase("perp", "inverse/ETH", "ETH", "0.000000", positions=0),
        PoolCase("hedge", "linear/USDT", "USDT", "0.002646", positions=3, nearest="BTC/USDT:USDT-261225"),
        PoolCase("hedge", "linear/ETH/USDT:USDT/long", "USDT", "0.042667", nearest=FLAT),
        PoolCase("hedge", "inverse/BTC", "BTC", "0.000324", nearest=INVERSE),
        PoolCase("perp", "linear", "USD", "0.018022", nearest=LINEAR, change={"multi_assets": True}),
        PoolCase("pm", "portfolio", "USD", "0.016633", own="uniMMR", positions=2, nearest=FLAT),
    ),
    unread_margin=("/fapi/v3/account", "linear"),
    own_parts=(
        OwnPartCase("perp", LINEAR, "linear", ("/fapi/v1/symbolConfig", "/fapi/v3/positionRisk")),
        OwnPartCase("perp", INVERSE, "inverse", ("/dapi/v1/positionRisk",)),
        OwnPartCase("pm", FLAT, "linear", ("/papi/v1/um/positionRisk", "/papi/v1/um/symbolConfig")),
        OwnPartCase("pm", INVERSE, "inverse", ("/papi/v1/cm/positionRisk",)),
    ),
    unlisted=UnlistedCase(
        "hedge",
        SWAP,
        "/fapi/v3/positionRisk",
        [{"symbol": "NEWUSDT", "positionAmt": "1"}],
        frozenset({INVERSE}),
        "linear",
        "Binance names a position in NEWUSDT, which is not among its loaded markets "
        "(GET /fapi/v3/positionRisk, NEWUSDT)",
    ),
    misbehaviours=(
        refused(503, "Unknown error, please check your request or try again later."),
        refused(503, "Service Unavailable."),
        _code(503, -1008, Throttled),
        _code(429, -1003, Throttled, retry_after=3),
        _code(418, -1003, Throttled, retry_after=60),
        _code(401, -2015, AccessDenied),
        _code(400, -2019, PreconditionFailed),
        _code(400, -99999, Unlisted),
    ),
    secrets=("signature=",),
    clock=tuple(
        ClockCase(offset, ((LEVERAGE, 400), ("/fapi/v1/time", 200), (LEVERAGE, 200))) for offset in (-120_000, 120_000)
    ),
    wrong_credentials=(CredentialCase({"secret": "f" * 64}, "positions", "-1022"),),
    lacks={
        "perp": ALL_BUT_PORTFOLIO_MARGIN,
        "hedge": ALL_BUT_PORTFOLIO_MARGIN,
        "pm": frozenset({Capability.MARGIN_MODE, Capability.ISOLATED_MARGIN}),
    },
    whole=tuple(
        WholeCase(
            account, FUNDING, symbol, count, per_instant=None if symbol else (frozenset({INVERSE, "ETH/USD:ETH"}), 7)
        )
        for account in ("perp", "pm")
        for symbol, count in (
            (None, 7 * PER_LINEAR + 2 * PER_INVERSE),
            (LINEAR, PER_LINEAR),
            (INVERSE, PER_INVERSE),
        )
    ),
    stretches=(StretchCase(FUNDING, 200, 50),),
    newest=(
        NewestCase(FUNDING, LINEAR, 10, {LINEAR: "-0.15"}),
        NewestCase(FUNDING, LINEAR, 150, {LINEAR: "-0.15"}),
        NewestCase(PNL, LINEAR, 10, {LINEAR: "125.50"}),
    ),
    weeks=(WeekCase(FUNDING, LINEAR, 21),),
    forgets=(ForgetsCase(FUNDING, LINEAR, 89), ForgetsCase(FUNDING, INVERSE, None)),
    unreadable=(UnreadableCase(FUNDING, "/fapi/v1/income", "linear"),),
)
