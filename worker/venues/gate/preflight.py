"""What stands in the way of a Gate account's commands.

Sources, checked 2026-11-29: APIv4 v4.106.88 and gate-api 7.2.161, "Query futures account" (`position_mode`,
`margin_mode`), "Retrieve user account information" (`ip_whitelist`), "Query All Main Account Key Information" (keys are
told by their first characters, rights with `read_only`), "APIv4 Permissions" (`wallet` transfers within the user's own
accounts; withdrawing is a right apart, which the list of rights does not have, and sub-accounts never have it); and the
help centre, "How to utilize API" (a key without addresses is valid for 90 days). No field tells when a key expires.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from schemas.requests import MarketType, PositionMode
from worker.accounts.account import Account
from worker.venues.client.transport import Calls, ClockedCalls
from worker.venues.gate.endpoints import GatePart, parts_on
from worker.venues.gate.errors import FORBIDDEN, NO_ACCOUNT
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.check_results import Check, CheckResult, Verdict, not_checked, not_told, ok, problem, warning
from worker.venues.port.errors import AccessDenied, Refused, VenueError
from worker.venues.reading.preflight import (
    TimestampWindow,
    attempted,
    clock_finding,
    key_finding,
    position_mode_finding,
    unread,
    untold,
)

DETAIL, KEYS = "privateAccountGetDetail", "privateAccountGetMainKeys"
ACCOUNTS: Mapping[MarketType, str] = MappingProxyType(
    {MarketType.SWAP: "privateFuturesGetSettleAccounts", MarketType.FUTURE: "privateDeliveryGetSettleAccounts"}
)
"""The accounts of perpetuals and of deliveries, by ccxt's names for their endpoints."""

WINDOW = TimestampWindow(behind=60_000, ahead=60_000)
"""How far a request's timestamp may be from Gate's time, either way."""

NEEDED: Mapping[str, str] = MappingProxyType({"futures": "perpetuals", "delivery": "deliveries"})
"""The rights that commands and positions need, and what for."""

KINDS: Mapping[str, MarketType] = MappingProxyType({"futures": MarketType.SWAP, "delivery": MarketType.FUTURE})

LET_IT_BE_TOLD = "give the key the right 'account', for reading only; a sub-account's rights are never told"

SWITCH_IT = "switch to one-way or hedge mode at Gate"

SPLIT = "dual_plus"
MARGINS: Mapping[object, str] = MappingProxyType(
    {0: "classic", 1: "multi-currency margin", 2: "portfolio margin", 3: "single-currency margin"}
)
"""What `margin_mode` of a futures account says."""

UNBOUND = "accepted from any address, and Gate lets such a key expire after 90 days; it tells no date"
BIND = "bind the key to the worker's address at Gate"
TAKE_IT = "take that right from the key"
NEVER_NEEDED: Mapping[str, str] = MappingProxyType(
    {
        "wallet": "the key may transfer money between the user's accounts",
        "withdraw": "the key may take money away",
        "withdrawal": "the key may take money away",
    }
)
"""Rights that nothing here needs, and what they allow. The last two are no documented names: they would say so."""

NORMAL_STATE = 1
MASK = "*"


@dataclass(frozen=True, slots=True)
class Wallet:
    """The account of one part. `margin` is None where it is not told, `mode` in split mode."""

    margin: str | None
    mode: PositionMode | None


@dataclass(frozen=True, slots=True)
class GateUser:
    """Whose the key is, and from where it is taken; `bound` is None where that is not told."""

    id: str
    bound: bool | None


@dataclass(frozen=True, slots=True)
class GateApiKey:
    """What the key may do; a right maps to whether it is for reading only."""

    normal: bool
    rights: Mapping[str, bool]


Found = Wallet | VenueError | None
"""The account of a part, why it can't be read, or None where nothing was ever paid into it."""


async def preflight(transport: ClockedCalls, account: Account) -> tuple[CheckResult, ...]:
    """Read the user, the key, the account of each part and the clock, and judge them."""
    parts = parts_on(account.network)
    (user, key, skew), wallets = await asyncio.gather(
        asyncio.gather(
            attempted(read_user(transport)),
            attempted(read_key(transport, account.reveal("api_key"))),
            attempted(transport.skew(DETAIL)),
        ),
        asyncio.gather(*(attempted(read_wallet(transport, part)) for part in parts)),
    )
    found = dict(zip(parts, wallets, strict=True))
    accepted = _key(user, key, wallets)
    return (
        *_bound(accepted, user),
        *_account(user, found, accepted),
        *_permissions(key, found, accepted),
        *_position_mode(found, account.position_mode),
        clock_finding(skew, WINDOW),
    )


async def read_user(transport: Calls) -> GateUser:
    """The user that the key belongs to. Raises VenueError."""
    row = shape.mapping(await transport.call(DETAIL), "account/detail")
    addresses = row.get("ip_whitelist")
    return GateUser(shape.identifier(row, "user_id"), bool(addresses) if isinstance(addresses, list) else None)


async def read_key(transport: Calls, api_key: str) -> GateApiKey | None:
    """What Gate tells of our key among all of the user's; None where it can't be told apart. Raises VenueError."""
    body = await transport.call(KEYS)
    rows = [body] if isinstance(body, dict) else shape.rows(body, "account/main_keys")
    ours = [row for row in rows if _is_ours(row.get("key"), api_key)]
    if len(ours) != 1:
        return None
    rights = shape.rows(ours[0].get("perms"), "the rights of a key")
    return GateApiKey(
        normal=shape.decimal(ours[0], "state") == NORMAL_STATE,
        rights={shape.text(row, "name"): shape.boolean(row, "read_only") for row in rights},
    )


def _is_ours(shown: object, api_key: str) -> bool:
    """Whether what is shown of a key is a beginning of ours, or nothing is shown of it.

    The documents have a list of keys that are shown in part, the official client one key of which nothing is shown.
    """
    return not isinstance(shown, str) or api_key.startswith(shown.rstrip(MASK))


async def read_wallet(transport: Calls, part: GatePart) -> Wallet | None:
    """The account of a part; None where nothing was ever paid into it. Raises VenueError."""
    try:
        body = await transport.call(ACCOUNTS[part.type], {"settle": part.settle})
    except Refused as refusal:
        if refusal.venue_code == NO_ACCOUNT:
            return None
        raise
    row = shape.mapping(body, "accounts")
    margin = row.get("margin_mode")
    known = isinstance(margin, int) and not isinstance(margin, bool)
    return Wallet(MARGINS.get(margin, f"margin mode {margin}") if known else None, _mode(row))


def _mode(row: Row) -> PositionMode | None:
    if row.get("position_mode") == SPLIT:
        return None
    return PositionMode.HEDGE if shape.boolean(row, "in_dual_mode") else PositionMode.ONE_WAY


def _key(user: object, key: object, wallets: Sequence[object]) -> CheckResult:
    """A right that is missing is no matter of the key itself: Gate knew whose it is."""
    answers = [user, key, *wallets]
    return key_finding(None if _is_forbidden(answer) else answer for answer in answers)


def _bound(accepted: CheckResult, user: GateUser | VenueError) -> tuple[CheckResult, ...]:
    """What is to be known of a key that is accepted: from where, where that is told."""
    if accepted.verdict is Verdict.OK and isinstance(user, GateUser) and user.bound is False:
        return (warning(Check.KEY, UNBOUND, BIND),)
    return (accepted,)


def _is_forbidden(answer: object) -> bool:
    return isinstance(answer, AccessDenied) and answer.venue_code == FORBIDDEN


def _account(user: GateUser | VenueError, found: Mapping[GatePart, Found], key: CheckResult) -> list[CheckResult]:
    answers = (*found.values(), user)
    errors = [answer for answer in answers if isinstance(answer, VenueError) and not _is_forbidden(answer)]
    if errors:
        return [unread(Check.ACCOUNT, errors[0], key)]
    open_parts = {part.coverage: wallet for part, wallet in found.items() if isinstance(wallet, Wallet)}
    if not open_parts:
        if any(map(_is_forbidden, found.values())):
            return [not_checked(Check.ACCOUNT, f"see {Check.PERMISSIONS}")]
        return [problem(Check.ACCOUNT, "there is no futures account yet", "transfer funds into it, which opens it")]
    whose = "" if isinstance(user, VenueError) else f" of user {user.id}"
    margins = sorted({wallet.margin for wallet in open_parts.values() if wallet.margin})
    kind = f"{', '.join(margins)} account" if margins else "account"
    untold_of = [name for name, wallet in open_parts.items() if wallet.margin is None]
    findings = [ok(Check.ACCOUNT, f"{kind}{whose} ({', '.join(open_parts)})")]
    if untold_of:
        findings.append(not_told(Check.ACCOUNT, f"the margin mode ({', '.join(untold_of)})"))
    return findings


def _permissions(
    key: GateApiKey | VenueError | None, found: Mapping[GatePart, Found], accepted: CheckResult
) -> list[CheckResult]:
    lacking = [_lacking(right) for right in NEEDED if _is_refused(right, found)]
    if isinstance(key, VenueError):
        return lacking or [untold(Check.PERMISSIONS, key, accepted, LET_IT_BE_TOLD)]
    if key is None:
        because = "several keys of the user begin alike, or none like ours"
        return lacking or [not_checked(Check.PERMISSIONS, because)]
    return _rights(key, [right for right in NEEDED if any(part.type is KINDS[right] for part in found)])


def _is_refused(right: str, found: Mapping[GatePart, Found]) -> bool:
    return any(_is_forbidden(wallet) for part, wallet in found.items() if part.type is KINDS[right])


def _lacking(right: str) -> CheckResult:
    return problem(Check.PERMISSIONS, f"the key lacks the right {right!r}, for {NEEDED[right]}", "give it at Gate")


def _rights(key: GateApiKey, needed: Sequence[str]) -> list[CheckResult]:
    found = []
    if not key.normal:
        found.append(problem(Check.PERMISSIONS, "the key is locked or frozen", "unlock it at Gate, or make a new one"))
    found += [_lacking(right) for right in needed if right not in key.rights]
    for right in needed:
        if key.rights.get(right):
            says = f"the key may only read {NEEDED[right]}"
            found.append(problem(Check.PERMISSIONS, says, f"let its right {right!r} write at Gate"))
    for right, allows in NEVER_NEEDED.items():
        if key.rights.get(right) is False:
            found.append(warning(Check.PERMISSIONS, f"{allows} ({right}), which nothing here needs", TAKE_IT))
    markets = " and ".join(NEEDED[right] for right in needed)
    withdraws = not_told(Check.PERMISSIONS, "whether the key may withdraw: Gate's list of rights does not say")
    return found or [ok(Check.PERMISSIONS, f"reads and changes {markets}"), withdraws]


def _position_mode(found: Mapping[GatePart, Found], expected: PositionMode | None) -> list[CheckResult]:
    """Deliveries are told only where they are hedged: no documented endpoint reads or sets both sides of one."""
    swaps = {part.coverage: wallet for part, wallet in found.items() if part.type is MarketType.SWAP}
    read = {name: wallet for name, wallet in swaps.items() if isinstance(wallet, Wallet)}
    unread = [name for name, wallet in swaps.items() if isinstance(wallet, VenueError)]
    hedged = [part.coverage for part, wallet in found.items() if part.type is not MarketType.SWAP and _hedged(wallet)]
    findings = [_modes(read, expected)]
    if read and unread:
        findings.append(not_checked(Check.POSITION_MODE, f"not read of {', '.join(unread)}; see {Check.ACCOUNT}"))
    if hedged:
        says = f"hedge mode ({', '.join(hedged)}), in which Gate documents no way to set a delivery"
        findings.append(problem(Check.POSITION_MODE, says, "switch to one-way mode at Gate"))
    return findings


def _modes(read: Mapping[str, Wallet], expected: PositionMode | None) -> CheckResult:
    if split := [name for name, wallet in read.items() if wallet.mode is None]:
        says = f"split positions ({', '.join(split)}), where no setting holds for a market"
        return problem(Check.POSITION_MODE, says, SWITCH_IT)
    if not read:
        return not_checked(Check.POSITION_MODE, f"see {Check.ACCOUNT}")
    return position_mode_finding({name: wallet.mode for name, wallet in read.items() if wallet.mode}, expected)


def _hedged(wallet: Found) -> bool:
    return isinstance(wallet, Wallet) and wallet.mode == PositionMode.HEDGE
