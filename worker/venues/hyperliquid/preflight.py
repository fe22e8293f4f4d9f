"""What stands in the way of a Hyperliquid account's commands: who may sign for whom.

Sources: info endpoint "userRole", "extraAgents" (an account's named API wallets with their expiry, as in the schema of
@nktkas/hyperliquid 0.33.3), "vaultDetails" and "clearinghouseState"; "Nonces and API wallets", for what prunes an API
wallet and how far a nonce may be off. Read 2026-11-29. Questions
are not signed, so that only what is told of the signer's address can tell whether its signatures will be taken.
"""

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from schemas.base import Milliseconds
from schemas.requests import PositionMode
from worker.accounts.account import Account
from worker.venues.client.transport import Calls, ClockedCalls
from worker.venues.hyperliquid.credentials import Credentials
from worker.venues.hyperliquid.limits import INFO
from worker.venues.hyperliquid.positions import held_rows
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.check_results import Check, CheckResult, Verdict, not_checked, ok, problem, warning
from worker.venues.port.errors import VenueError
from worker.venues.reading.history import DAY
from worker.venues.reading.preflight import (
    SEE_KEY,
    TimestampWindow,
    attempted,
    clock_finding,
    failed,
    key_until,
    position_mode_finding,
    withdrawal_warning,
)

WINDOW = TimestampWindow(behind=2 * DAY, ahead=DAY)
"""How far a nonce, which is a time in ms, may be from Hyperliquid's own."""

USER, AGENT, VAULT, SUB_ACCOUNT, MISSING = "user", "agent", "vault", "subAccount", "missing"
UNTOLD = "until when is not told"
APPROVE = "approve the key's address as an API wallet of the account, or correct secret and account_address"


@dataclass(frozen=True, slots=True)
class Role:
    """What an address is. `of` is the account that an API wallet or a sub-account belongs to, or a vault's leader."""

    name: str
    of: str | None = None


@dataclass(frozen=True, slots=True)
class Signer:
    """What the signer's address is; of a named API wallet, for how long it is one."""

    role: Role
    validity: "Validity | None" = None


@dataclass(frozen=True, slots=True)
class Validity:
    """Until when a named API wallet is good: for ever where the venue tells null, not told where it tells neither."""

    until: Milliseconds | None
    told: bool = True


def validity_of(agent: Row) -> Validity:
    """What extraAgents tells of an API wallet: `validUntil` is a time in ms, or null where it has no end."""
    until = agent.get("validUntil")
    if isinstance(until, int) and not isinstance(until, bool):
        return Validity(until)
    return Validity(None, told="validUntil" in agent and until is None)


class Actions(NamedTuple):
    """The actions that an address has sent, and may send ("Rate limits and user limits")."""

    used: Decimal
    limit: Decimal


async def preflight(transport: ClockedCalls, account: Account, who: Credentials) -> tuple[CheckResult, ...]:
    """Read who may sign for whom, the account's state and the clock, and judge them."""
    (signer, owner), positions, actions, skew = await asyncio.gather(
        _read_addresses(transport, who),
        attempted(_read_positions(transport, who.owner)),
        attempted(read_actions(transport, who.owner)),
        attempted(transport.skew(INFO)),
    )
    key = _key(signer, who, transport.now())
    return (
        key,
        _account(owner, positions, who),
        *_used_up(actions),
        _permissions(signer, key, who),
        position_mode_finding({"": PositionMode.ONE_WAY}, account.position_mode),
        clock_finding(skew, WINDOW),
    )


async def _read_addresses(transport: Calls, who: Credentials) -> tuple[Signer | VenueError, Role | VenueError]:
    """Signer and owner. An account that named the signer is one: then its own role, a heavy question, is not asked."""
    signer = await attempted(read_signer(transport, who))
    if isinstance(signer, Signer) and signer.validity is not None and who.vault is None:
        return signer, Role(USER)
    return signer, await attempted(read_owner(transport, who))


async def _ask(transport: Calls, kind: str, **about: str) -> Any:
    return await transport.call(INFO, {"type": kind, **about})


async def read_signer(transport: Calls, who: Credentials) -> Signer:
    """What the signer is. Only one that is not among the account's API wallets costs a second question."""
    if who.signer == who.account:
        return Signer(Role(USER))
    for agent in shape.rows(await _ask(transport, "extraAgents", user=who.account), "extraAgents"):
        if str(agent.get("address")).lower() == who.signer:
            return Signer(Role(AGENT, who.account), validity_of(agent))
    return Signer(await read_role(transport, who.signer))


async def read_owner(transport: Calls, who: Credentials) -> Role:
    """What the address is that owns the positions. Raises VenueError."""
    role = await read_role(transport, who.owner)
    if role.name != VAULT:
        return role
    details = shape.mapping(await _ask(transport, "vaultDetails", vaultAddress=who.owner), "vaultDetails")
    return Role(VAULT, shape.text(details, "leader").lower())


async def read_role(transport: Calls, address: str) -> Role:
    """What an address is. Raises VenueError."""
    body = shape.mapping(await _ask(transport, "userRole", user=address), "userRole")
    name = shape.text(body, "role")
    field = {AGENT: "user", SUB_ACCOUNT: "master"}.get(name)
    if field is None:
        return Role(name)
    return Role(name, shape.text(shape.mapping(body.get("data"), "the data of userRole"), field).lower())


async def _read_positions(transport: Calls, owner: str) -> int:
    """The number of positions on the main dex. Raises VenueError."""
    return len(held_rows(await _ask(transport, "clearinghouseState", user=owner, dex="")))


async def read_actions(transport: Calls, owner: str) -> Actions:
    """How many actions an address has sent, of how many that it may send. Raises VenueError."""
    body = shape.mapping(await _ask(transport, "userRateLimit", user=owner), "userRateLimit")
    return Actions(shape.decimal(body, "nRequestsUsed"), shape.decimal(body, "nRequestsCap"))


def _key(signer: Signer | VenueError, who: Credentials, now: Milliseconds) -> CheckResult:
    if isinstance(signer, VenueError):
        return failed(Check.KEY, signer)
    if signer.validity is not None:
        return _named_wallet(signer.validity, now)
    if who.signer == who.account:
        return ok(Check.KEY, "it is the account's own")
    if signer.role == Role(AGENT, who.account):
        return ok(Check.KEY, f"an unnamed API wallet of the account; {UNTOLD}")
    what = {
        AGENT: f"is an API wallet of another account, {signer.role.of}",
        MISSING: "is not known: never approved, or expired and forgotten",
    }.get(signer.role.name, f"is no API wallet but a {_named(signer.role)}")
    return problem(Check.KEY, f"the key's address {who.signer} {what}", APPROVE)


def _named_wallet(validity: Validity, now: Milliseconds) -> CheckResult:
    if validity.until is not None:
        return key_until(validity.until, now, "approve a new API wallet, and put its key into the registry")
    if validity.told:
        return ok(Check.KEY, "an API wallet of the account, without an end")
    return ok(Check.KEY, f"an API wallet of the account; {UNTOLD}")


def _account(owner: Role | VenueError, positions: int | VenueError, who: Credentials) -> CheckResult:
    if isinstance(owner, VenueError):
        return failed(Check.ACCOUNT, owner)
    if isinstance(positions, VenueError):
        return failed(Check.ACCOUNT, positions)
    return _vault(owner, who) if who.vault else _own_account(owner)


def _used_up(actions: Actions | VenueError) -> tuple[CheckResult, ...]:
    """A warning where an address has no actions left. It is earned by trading, and hinders nothing that reads."""
    if isinstance(actions, VenueError) or actions.used < actions.limit:
        return ()
    says = f"it has sent {actions.used:,} of the {actions.limit:,} actions that it may; from now on one in ten seconds"
    return (warning(Check.ACCOUNT, says, "trade: each USDC traded earns an action"),)


def _own_account(role: Role) -> CheckResult:
    if role.name == USER:
        return ok(Check.ACCOUNT, "an account of its own")
    if role.name == MISSING:
        return problem(Check.ACCOUNT, "Hyperliquid knows no such account", "deposit into it, or correct its address")
    if role.name == AGENT:
        says = "account_address is an API wallet, which has no positions"
        return problem(Check.ACCOUNT, says, f"set account_address = {role.of}, whose API wallet it is")
    remedy = "set it as vault_address, and account_address to the address that leads or owns it"
    return problem(Check.ACCOUNT, f"account_address is a {_named(role)}", remedy)


def _vault(role: Role, who: Credentials) -> CheckResult:
    if role.name not in (VAULT, SUB_ACCOUNT):
        says = f"vault_address is no vault or sub-account but {'unknown' if role.name == MISSING else role.name}"
        return problem(Check.ACCOUNT, says, "correct vault_address, or leave it out to act for account_address")
    if role.of != who.account:
        says = f"the {_named(role)} belongs to {role.of}, not to account_address"
        return problem(Check.ACCOUNT, says, f"set account_address = {role.of}, or correct vault_address")
    return ok(Check.ACCOUNT, f"a {_named(role)} of the account")


def _named(role: Role) -> str:
    return "sub-account" if role.name == SUB_ACCOUNT else role.name


def _permissions(signer: Signer | VenueError, key: CheckResult, who: Credentials) -> CheckResult:
    if isinstance(signer, VenueError) or key.verdict is Verdict.PROBLEM:
        return not_checked(Check.PERMISSIONS, SEE_KEY)
    if who.signer == who.account:
        return withdrawal_warning("it is the account's own private key")
    return ok(Check.PERMISSIONS, "an API wallet trades, and can't withdraw")
