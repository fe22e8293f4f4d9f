"""What stands in the way of a Hyperliquid account's commands: who may sign for whom.

Sources: info endpoint "userRole", "extraAgents" (an account's named API wallets with their expiry), "vaultDetails" and
"clearinghouseState"; "Nonces and API wallets", for what prunes an API wallet and how far a nonce may be off. Questions
are not signed, so that only what is told of the signer's address can tell whether its signatures will be taken.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from schemas.base import Milliseconds
from worker.accounts.account import Account
from worker.venues.client.transport import Calls, ClockedCalls
from worker.venues.hyperliquid.credentials import Credentials
from worker.venues.hyperliquid.limits import INFO
from worker.venues.hyperliquid.positions import open_rows
from worker.venues.parsing import fields as shape
from worker.venues.port.check_results import Check, CheckResult, Verdict, not_checked, ok, problem
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
APPROVE = "approve the key's address as an API wallet of the account, or correct secret and account_address"


@dataclass(frozen=True, slots=True)
class Role:
    """What an address is. `of` is the account that an API wallet or a sub-account belongs to, or a vault's leader."""

    name: str
    of: str | None = None


@dataclass(frozen=True, slots=True)
class Signer:
    """What the signer's address is, and until when it is an API wallet if that is told: of named ones it is."""

    role: Role
    until: Milliseconds | None = None


async def preflight(transport: ClockedCalls, account: Account, who: Credentials) -> tuple[CheckResult, ...]:
    """Read who may sign for whom, the account's state and the clock, and judge them."""
    (signer, owner), positions, skew = await asyncio.gather(
        _read_addresses(transport, who),
        attempted(_read_positions(transport, who.owner)),
        attempted(transport.skew(INFO)),
    )
    key = _key(signer, who, transport.now())
    return (
        key,
        _account(owner, positions, who),
        _permissions(signer, key, who),
        position_mode_finding({"": "one_way"}, account.position_mode),
        clock_finding(skew, WINDOW),
    )


async def _read_addresses(transport: Calls, who: Credentials) -> tuple[Signer | VenueError, Role | VenueError]:
    """Signer and owner. An account that named the signer is one: then its own role, a heavy question, is not asked."""
    signer = await attempted(read_signer(transport, who))
    if isinstance(signer, Signer) and signer.until is not None and who.vault is None:
        return signer, Role(USER)
    return signer, await attempted(read_owner(transport, who))


async def _ask(transport: Calls, kind: str, **about: str) -> Any:
    return await transport.call(INFO, {"type": kind, **about})


async def read_signer(transport: Calls, who: Credentials) -> Signer:
    """What the signer is. Only one that is not among the account's API wallets costs a second question."""
    if who.signer == who.account:
        return Signer(Role(USER))
    for agent in shape.rows(await _ask(transport, "extraAgents", user=who.account), "extraAgents"):
        if shape.text(agent, "address").lower() == who.signer:
            return Signer(Role(AGENT, who.account), shape.milliseconds(agent, "validUntil"))
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
    """The number of open positions on the main dex. Raises VenueError."""
    return len(open_rows(await _ask(transport, "clearinghouseState", user=owner, dex="")))


def _key(signer: Signer | VenueError, who: Credentials, now: Milliseconds) -> CheckResult:
    if isinstance(signer, VenueError):
        return failed(Check.KEY, signer)
    if signer.until is not None:
        return key_until(signer.until, now, "approve a new API wallet, and put its key into the registry")
    if who.signer == who.account:
        return ok(Check.KEY, "it is the account's own")
    if signer.role == Role(AGENT, who.account):
        return ok(Check.KEY, "an unnamed API wallet of the account")
    what = {
        AGENT: f"is an API wallet of another account, {signer.role.of}",
        MISSING: "is not known: never approved, or expired and forgotten",
    }.get(signer.role.name, f"is no API wallet but a {_named(signer.role)}")
    return problem(Check.KEY, f"the key's address {who.signer} {what}", APPROVE)


def _account(owner: Role | VenueError, positions: int | VenueError, who: Credentials) -> CheckResult:
    if isinstance(owner, VenueError):
        return failed(Check.ACCOUNT, owner)
    if isinstance(positions, VenueError):
        return failed(Check.ACCOUNT, positions)
    return _vault(owner, who) if who.vault else _own_account(owner)


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
