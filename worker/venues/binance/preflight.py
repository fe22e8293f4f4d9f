"""What stands in the way of a Binance account's commands.

Sources: "Get API Key Permission" (Wallet), which says that neither a key made before the futures account nor one of a
Portfolio Margin account can have futures enabled; "Account Config" (USDⓈ-M and Portfolio Margin); "Account Information"
(COIN-M and Portfolio Margin); "Timing security". USDⓈ-M and COIN-M share their position mode.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from worker.accounts.account import Account, PositionMode
from worker.venues.client.transport import Calls, ClockedCalls
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.capabilities import AccountType, account_type
from worker.venues.port.check_results import Check, CheckResult, not_checked, ok, problem
from worker.venues.port.errors import AccessDenied, PreconditionFailed, VenueError
from worker.venues.reading.preflight import (
    TimestampWindow,
    attempted,
    clock_finding,
    key_finding,
    position_mode_finding,
    unread,
    untold,
    withdrawal_warning,
)

RESTRICTIONS = "sapiGetAccountApiRestrictions"
STANDARD_CONFIG, INVERSE_ACCOUNT = "fapiPrivateGetAccountConfig", "dapiPrivateGetAccount"
PORTFOLIO_CONFIG, PORTFOLIO_ACCOUNT = "papiGetUmAccountConfig", "papiGetAccount"

WINDOW = TimestampWindow(behind=10_000, ahead=1_000)
"""The recvWindow that ccxt sends, and what Binance tolerates the other way, whatever the window is."""

NORMAL = "NORMAL"
STANDARD, PORTFOLIO = AccountType.STANDARD, AccountType.PORTFOLIO_MARGIN


@dataclass(frozen=True, slots=True)
class Right:
    """What a key needs for a type of account, by Binance's name for it, and how it gets it."""

    name: str
    remedy: str


RIGHTS: Mapping[AccountType, Right] = MappingProxyType(
    {
        STANDARD: Right(
            "Enable Futures",
            "enable it at Binance; a key that is older than the futures account can't have it: make a new one",
        ),
        PORTFOLIO: Right(
            "Enable Portfolio Margin Trading",
            "enable it at Binance; a key that is older than the Portfolio Margin account can't have it: make a new one",
        ),
    }
)

REGISTER_ANEW: Mapping[AccountType, str] = MappingProxyType(
    {
        STANDARD: "set portfolio_margin = true in the registry; leaving Portfolio Margin is done at Binance",
        PORTFOLIO: "take portfolio_margin out of the registry, or enable Portfolio Margin at Binance",
    }
)
"""What to do about an account that is registered as of this type, and is of the other."""


@dataclass(frozen=True, slots=True)
class BinanceApiKey:
    """What the key may do. `bound`: from listed addresses only."""

    rights: frozenset[AccountType]
    withdrawals: bool
    bound: bool


@dataclass(frozen=True, slots=True)
class AccountSetup:
    """How an account is set up. `barred`: the families in which it may not trade."""

    barred: tuple[str, ...]
    multi_assets: bool
    mode: PositionMode
    status: str = NORMAL


@dataclass(frozen=True, slots=True)
class Answers:
    """What Binance told. `state` was asked where the registered type has its endpoints, `other` only where the other
    type has, and only if the registered one was refused.
    """

    registered: AccountType
    key: BinanceApiKey | VenueError
    state: AccountSetup | VenueError
    other: AccountSetup | VenueError | None = None

    @property
    def actual(self) -> AccountType:
        """The type that the account turned out to be of."""
        return _other(self.registered) if isinstance(self.other, AccountSetup) else self.registered


async def preflight(transport: ClockedCalls, account: Account) -> tuple[CheckResult, ...]:
    """Read the key's rights, the account and the clock, and judge them."""
    registered = account_type(account)
    key, state, skew = await asyncio.gather(
        attempted(read_key(transport)),
        attempted(READERS[registered](transport)),
        attempted(transport.skew(STANDARD_CONFIG)),
    )
    other = None
    if isinstance(state, AccessDenied | PreconditionFailed):
        other = await attempted(READERS[_other(registered)](transport))
    answers = Answers(registered, key, state, other)
    return (*judged(answers, account.position_mode), clock_finding(skew, WINDOW))


async def read_key(transport: Calls) -> BinanceApiKey:
    """The rights of the key. Raises VenueError."""
    row = shape.mapping(await transport.call(RESTRICTIONS), "apiRestrictions")
    rights = {STANDARD: "enableFutures", PORTFOLIO: "enablePortfolioMarginTrading"}
    return BinanceApiKey(
        rights=frozenset(kind for kind, name in rights.items() if shape.boolean(row, name)),
        withdrawals=shape.boolean(row, "enableWithdrawals"),
        bound=shape.boolean(row, "ipRestrict"),
    )


async def _read_standard(transport: Calls) -> AccountSetup:
    linear, inverse = await asyncio.gather(transport.call(STANDARD_CONFIG), transport.call(INVERSE_ACCOUNT))
    config = shape.mapping(linear, "accountConfig")
    return _state(config, {"USDⓈ-M": config, "COIN-M": shape.mapping(inverse, "account")})


async def _read_portfolio(transport: Calls) -> AccountSetup:
    config, whole = await asyncio.gather(transport.call(PORTFOLIO_CONFIG), transport.call(PORTFOLIO_ACCOUNT))
    linear, status = shape.mapping(config, "um/accountConfig"), shape.mapping(whole, "account")
    return _state(linear, {"USDⓈ-M": linear}, shape.text(status, "accountStatus"))


READERS: Mapping[AccountType, Callable[[Calls], Awaitable[AccountSetup]]] = MappingProxyType(
    {STANDARD: _read_standard, PORTFOLIO: _read_portfolio}
)
"""How each type of account is read."""


def _state(config: Row, families: Mapping[str, Row], status: str = NORMAL) -> AccountSetup:
    return AccountSetup(
        barred=tuple(name for name, row in families.items() if not shape.boolean(row, "canTrade")),
        multi_assets=shape.boolean(config, "multiAssetsMargin"),
        mode="hedge" if shape.boolean(config, "dualSidePosition") else "one_way",
        status=status,
    )


def _other(kind: AccountType) -> AccountType:
    return PORTFOLIO if kind is STANDARD else STANDARD


def judged(answers: Answers, expected: PositionMode | None) -> tuple[CheckResult, ...]:
    """What the answers mean for the account, apart from the clock."""
    asked = [answer for answer in (answers.key, answers.state, answers.other) if answer is not None]
    key = key_finding(asked)
    return key, _account(answers, key), *_permissions(answers, key), _position_mode(answers, expected)


def _account(answers: Answers, key: CheckResult) -> CheckResult:
    state = answers.state
    if answers.actual is not answers.registered:
        says = f"it is a {answers.actual} account, but registered as {answers.registered}"
        return problem(Check.ACCOUNT, says, REGISTER_ANEW[answers.registered])
    if isinstance(state, VenueError):
        lacking = isinstance(answers.key, BinanceApiKey) and answers.registered not in answers.key.rights
        return not_checked(Check.ACCOUNT, "see permissions") if lacking else unread(Check.ACCOUNT, state, key)
    if state.barred:
        says = f"Binance does not let the account trade ({', '.join(state.barred)})"
        return problem(Check.ACCOUNT, says, "see Binance's notices to its owner")
    if state.status != NORMAL:
        remedy = "reduce positions or add margin until it is NORMAL again"
        return problem(Check.ACCOUNT, f"the account's status is {state.status}", remedy)
    mode = ", in multi-assets mode, which has no isolated margin" if state.multi_assets else ""
    return ok(Check.ACCOUNT, f"{answers.actual} account{mode}")


def _permissions(answers: Answers, key: CheckResult) -> list[CheckResult]:
    if isinstance(answers.key, VenueError):
        return [untold(Check.PERMISSIONS, answers.key, key)]
    found = []
    right = RIGHTS[answers.actual]
    if answers.actual not in answers.key.rights:
        found.append(problem(Check.PERMISSIONS, f"the key lacks the right {right.name!r}", right.remedy))
    if answers.key.withdrawals:
        found.append(withdrawal_warning("Enable Withdrawals"))
    reach = "from listed addresses" if answers.key.bound else "from any address"
    return found or [ok(Check.PERMISSIONS, f"{right.name}, {reach}; no withdrawals")]


def _position_mode(answers: Answers, expected: PositionMode | None) -> CheckResult:
    for state in (answers.state, answers.other):
        if isinstance(state, AccountSetup):
            return position_mode_finding({"": state.mode}, expected)
    return not_checked(Check.POSITION_MODE, f"see {Check.ACCOUNT}")
