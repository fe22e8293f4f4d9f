"""What stands in the way of a Binance account's commands, as far as Binance tells it.

Sources, read 2026-11-29 in the official clients: "Get API Key Permission" (Wallet 13.8), which says that neither a key
made before the futures account nor one of a Portfolio Margin account can have futures enabled, and names no deadline of
a key; "Account Config" (USDⓈ-M and Portfolio Margin: `canTrade` is "if can trade"); "Account Information" (COIN-M, and
Portfolio Margin, which tells no such thing of COIN-M); "Timing security". USDⓈ-M and COIN-M share their position mode.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from schemas.replies import AccountType
from schemas.requests import PositionMode
from worker.accounts.account import Account
from worker.venues.binance.endpoints import spoken
from worker.venues.client.transport import Calls, ClockedCalls
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.capabilities import account_type
from worker.venues.port.check_results import Check, CheckResult, not_checked, ok, problem
from worker.venues.port.errors import AccessDenied, PreconditionFailed, VenueError
from worker.venues.reading.preflight import (
    TimestampWindow,
    attempted,
    clock_finding,
    key_finding,
    position_mode_finding,
    remedy_of,
    unread,
    untold,
    withdrawal_warning,
)

RESTRICTIONS = "sapiGetAccountApiRestrictions"
STANDARD_CONFIG, INVERSE_ACCOUNT = "fapiPrivateGetAccountConfig", "dapiPrivateGetAccount"
PORTFOLIO_CONFIG, PORTFOLIO_ACCOUNT = "papiGetUmAccountConfig", "papiGetAccount"

WINDOW = TimestampWindow(behind=10_000, ahead=1_000)
"""The recvWindow that ccxt sends, and what Binance tolerates the other way, whatever the window is."""

USDS, COIN = "USDⓈ-M", "COIN-M"

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


TRANSFERS: Mapping[str, str] = MappingProxyType(
    {"enableInternalTransfer": "Enable Internal Transfer", "permitsUniversalTransfer": "Permits Universal Transfer"}
)
"""Rights that move money between accounts, by field, as Binance calls them."""


@dataclass(frozen=True, slots=True)
class BinanceApiKey:
    """What the key may do. `bound`: from listed addresses only. `transfers` names rights that move money elsewhere.

    What is not told is None, and a type of account that nothing is told about stands in `untold`.
    """

    rights: frozenset[AccountType]
    withdrawals: bool | None
    bound: bool | None
    untold: frozenset[AccountType] = frozenset()
    transfers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AccountSetup:
    """How an account is set up. `barred`: the families in which it may not trade; `unread`: what can't be, and why.

    The `status` of a standard account is NORMAL, for it has no other.
    """

    barred: tuple[str, ...]
    multi_assets: bool
    mode: PositionMode
    status: str = NORMAL
    unread: Mapping[str, VenueError] = field(default_factory=dict)


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
    row = await _object(transport, RESTRICTIONS)
    fields = {STANDARD: "enableFutures", PORTFOLIO: "enablePortfolioMarginTrading"}
    rights = {kind: _told(row, name) for kind, name in fields.items()}
    return BinanceApiKey(
        rights=frozenset(kind for kind, held in rights.items() if held),
        withdrawals=_told(row, "enableWithdrawals"),
        bound=_told(row, "ipRestrict"),
        untold=frozenset(kind for kind, held in rights.items() if held is None),
        transfers=tuple(right for name, right in TRANSFERS.items() if _told(row, name)),
    )


def _told(row: Row, name: str) -> bool | None:
    return None if row.get(name) is None else shape.boolean(row, name)


async def _read_standard(transport: Calls) -> AccountSetup:
    linear, inverse = await asyncio.gather(
        attempted(_object(transport, STANDARD_CONFIG)), attempted(_object(transport, INVERSE_ACCOUNT))
    )
    if isinstance(linear, VenueError):
        raise linear
    if isinstance(inverse, VenueError):
        return _state(linear, {USDS: linear}, unread={COIN: inverse})
    return _state(linear, {USDS: linear, COIN: inverse})


async def _read_portfolio(transport: Calls) -> AccountSetup:
    linear, whole = await asyncio.gather(
        attempted(_object(transport, PORTFOLIO_CONFIG)), attempted(_object(transport, PORTFOLIO_ACCOUNT))
    )
    if isinstance(linear, VenueError):
        raise linear
    if isinstance(whole, VenueError):
        return _state(linear, {USDS: linear}, unread={"its status": whole})
    return _state(linear, {USDS: linear}, shape.text(whole, "accountStatus"))


async def _object(transport: Calls, name: str) -> Row:
    return shape.mapping(await transport.call(name), spoken(name))


READERS: Mapping[AccountType, Callable[[Calls], Awaitable[AccountSetup]]] = MappingProxyType(
    {STANDARD: _read_standard, PORTFOLIO: _read_portfolio}
)
"""How each type of account is read."""


def _state(
    config: Row,
    families: Mapping[str, Row],
    status: str = NORMAL,
    unread: Mapping[str, VenueError] = MappingProxyType({}),
) -> AccountSetup:
    return AccountSetup(
        barred=tuple(name for name, row in families.items() if not shape.boolean(row, "canTrade")),
        multi_assets=shape.boolean(config, "multiAssetsMargin"),
        mode=PositionMode.HEDGE if shape.boolean(config, "dualSidePosition") else PositionMode.ONE_WAY,
        status=status,
        unread=unread,
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
    says = f"{answers.actual} account{mode}"
    for what, error in state.unread.items():
        return problem(Check.ACCOUNT, f"{says}; {what} can't be read: {error.message}", remedy_of(error))
    untold = f"; whether it may trade {COIN} is not told" if answers.actual is PORTFOLIO else ""
    return ok(Check.ACCOUNT, says + untold)


REACH = {True: "from listed addresses", False: "from any address", None: "whether from any address is not told"}


def _permissions(answers: Answers, key: CheckResult) -> list[CheckResult]:
    if isinstance(answers.key, VenueError):
        return [untold(Check.PERMISSIONS, answers.key, key)]
    found: list[CheckResult] = []
    told, right = answers.key, RIGHTS[answers.actual]
    if answers.actual in told.untold:
        found.append(not_checked(Check.PERMISSIONS, f"whether the key has the right {right.name!r} is not told"))
    elif answers.actual not in told.rights:
        found.append(problem(Check.PERMISSIONS, f"the key lacks the right {right.name!r}", right.remedy))
    if told.withdrawals:
        found.append(withdrawal_warning("Enable Withdrawals"))
    elif told.withdrawals is None:
        found.append(not_checked(Check.PERMISSIONS, "whether the key may withdraw is not told"))
    found += [withdrawal_warning(name) for name in told.transfers]
    return found or [ok(Check.PERMISSIONS, f"{right.name}, {REACH[told.bound]}; no withdrawals")]


def _position_mode(answers: Answers, expected: PositionMode | None) -> CheckResult:
    for state in (answers.state, answers.other):
        if isinstance(state, AccountSetup):
            return position_mode_finding({"": state.mode}, expected)
    return not_checked(Check.POSITION_MODE, f"see {Check.ACCOUNT}")
